"""Commands while nodes and server come and go."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.cluster import remote_commands, wire
from gateway.errors import ClusterError
from tests.valkeys import Valkey, new_prefix, node, until


async def answer(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say what was asked."""
    return {"did": name}


async def reason(cluster: Any, call_id: str = "call", timeout_s: float = 5.0) -> str:
    """Return why a command is not carried out."""
    with pytest.raises(ClusterError) as caught:
        await cluster.commands.ask(call_id, "end", timeout_s=timeout_s)
    return caught.value.reason


async def test_command_finds_a_call_that_was_just_taken_up(valkey: Valkey) -> None:
    """Asked a moment before the call's node listens, the command is said again, to one who hears it."""
    prefix = new_prefix()
    async with node(valkey, "a", prefix) as a, node(valkey, "b", prefix) as b, asyncio.TaskGroup() as group:
        asked = group.create_task(b.commands.ask("call", "end"))
        await asyncio.sleep(0.15)
        a.commands.serve("call", answer)

    assert asked.result() == {"did": "end"}


async def test_command_to_a_node_that_died_is_a_clear_error(valkey: Valkey) -> None:
    """When the call's node is gone the asker knows that nobody has the call."""
    prefix = new_prefix()
    async with node(valkey, "b", prefix) as b:
        async with node(valkey, "a", prefix) as a:
            a.commands.serve("call", answer)
            assert await b.commands.ask("call", "end") == {"did": "end"}

        assert await reason(b) == "no_owner"
        assert not b.commands._waiting


async def test_calls_are_served_again_after_a_break(own_valkey: Valkey) -> None:
    """A node whose connection was cut hears commands again, without being told to."""
    prefix = new_prefix()
    async with node(own_valkey, "a", prefix) as a, node(own_valkey, "b", prefix) as b:
        a.commands.serve("call", answer)
        assert await b.commands.ask("call", "first") == {"did": "first"}
        own_valkey.command("CLIENT", "KILL", "TYPE", "pubsub")

        assert await b.commands.ask("call", "second") == {"did": "second"}


async def test_dead_server_is_said_to_be_unavailable(own_valkey: Valkey) -> None:
    """Without a server only the calls of the own node can be commanded."""
    async with node(own_valkey, "a", new_prefix()) as a:
        a.commands.serve("here", answer)
        own_valkey.kill()

        assert await a.commands.ask("here", "end") == {"did": "end"}
        assert await reason(a) == "unavailable"


async def test_answer_that_comes_too_late_is_dropped(valkey: Valkey) -> None:
    """Who has stopped waiting is not disturbed by the answer."""
    prefix = new_prefix()
    release = asyncio.Event()

    async def slow(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await release.wait()
        return {}

    async with node(valkey, "a", prefix) as a, node(valkey, "b", prefix) as b:
        a.commands.serve("call", slow)
        assert await reason(b, timeout_s=0.2) == "timeout"
        release.set()
        b.commands._answered(wire.write(wire.AnswerNote("gone", result={})))
        b.commands._answered(b"nonsense")
        a.commands.serve("call", answer)
        assert await b.commands.ask("call", "end") == {"did": "end"}


async def test_flood_of_commands_is_bounded(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """More commands than the node will hold are dropped, nonsense is passed over."""
    monkeypatch.setattr(remote_commands, "_MOST_AT_WORK", 2)
    release = asyncio.Event()
    begun = []

    async def slow(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        begun.append(name)
        await release.wait()
        return {"did": name}

    async with node(valkey, "a", new_prefix()) as a:
        a.commands.serve("call", slow)
        a.commands._commanded("call", b"nonsense")
        for number in range(10):
            note = wire.CommandNote(str(number), "nobody", str(number), {}, 5.0)
            a.commands._commanded("call", wire.write(note))
        await until(lambda: len(begun) == 2)
        assert len(a.commands._at_work) == 2
        release.set()
        await until(lambda: not a.commands._at_work)

    assert begun == ["0", "1"]


async def test_answer_that_cannot_be_sent_is_only_logged(
    own_valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """A command carried out while the server dies leaves its node in order."""
    async with node(own_valkey, "a", new_prefix()) as a:

        async def deadly(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            own_valkey.kill()
            return {}

        a.commands.serve("call", deadly)
        a.commands._commanded("call", wire.write(wire.CommandNote("id", "nobody", "end", {}, 5.0)))
        await until(lambda: "command_unanswered" in caplog.text or not a.commands._at_work)
        assert not a.commands._at_work
