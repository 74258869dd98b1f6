"""Listening to channels: wishes at any time, breaks of every kind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.cluster import listener as listener_module
from gateway.cluster.listener import Listener, Taker
from gateway.cluster.server import Server
from tests.valkeys import Valkey, until


class Ear:
    """Takes what a channel brings. Lives as long as a test."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.listening = 0

    def taker(self) -> Taker:
        """Return the taker for this ear."""
        return Taker(self.heard.append, self._listen)

    def _listen(self) -> None:
        self.listening += 1


@asynccontextmanager
async def listening(valkey: Valkey, first: Ear) -> AsyncIterator[Listener]:
    """Run a listener that hears one channel, until the end of the context."""
    server = Server(valkey.url)
    listener = Listener(server)
    listener.want("first", first.taker())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(listener.run())
        await until(lambda: listener.connected)
        try:
            yield listener
        finally:
            running.cancel()
    await server.close()


async def test_channels_are_heard_from_a_moment_after_they_are_wanted(valkey: Valkey) -> None:
    """A channel wanted while the listener runs is heard when its taker is told so, by its taker only."""
    first, second = Ear(), Ear()
    async with listening(valkey, first) as listener:
        listener.want("second", second.taker())
        await until(lambda: second.listening)
        valkey.command("PUBLISH", "first", "1")
        valkey.command("PUBLISH", "second", "2")
        await until(lambda: first.heard and second.heard)

    assert (first.heard, second.heard) == ([b"1"], [b"2"])
    assert not listener.connected


async def test_channel_that_is_left_is_heard_no_more(valkey: Valkey) -> None:
    """After leaving, the server does not send the channel any more; leaving twice is no fault."""
    first, second = Ear(), Ear()
    async with listening(valkey, first) as listener:
        listener.want("second", second.taker())
        await until(lambda: second.listening)
        listener.leave("second")
        listener.leave("second")
        await until(lambda: valkey.command("PUBLISH", "second", "x") == 0)
        assert not listener._left


async def test_new_taker_of_a_channel_is_told(valkey: Valkey) -> None:
    """Left and wanted again in one breath, a channel tells its new taker that it is heard."""
    first, before, after = Ear(), Ear(), Ear()
    async with listening(valkey, first) as listener:
        listener.want("second", before.taker())
        await until(lambda: before.listening)
        listener.leave("second")
        listener.want("second", after.taker())
        await until(lambda: after.listening)
        valkey.command("PUBLISH", "second", "x")
        await until(lambda: after.heard)

    assert before.heard == []


@pytest.mark.parametrize("harm", ["dropped", "killed", "frozen"])
async def test_listener_comes_back_and_says_so(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """A connection that is cut, a server that dies, one that hangs: noticed, reconnected, told again."""
    monkeypatch.setattr(listener_module, "_PING_AFTER_S", 0.2)
    first, second = Ear(), Ear()
    async with listening(own_valkey, first) as listener:
        listener.want("second", second.taker())
        await until(lambda: second.listening == 1)
        if harm == "dropped":
            own_valkey.command("CLIENT", "KILL", "TYPE", "pubsub")
        elif harm == "killed":
            own_valkey.kill()
            await until(lambda: not listener.connected)
            own_valkey.start()
        else:
            own_valkey.freeze()
            await until(lambda: not listener.connected)
            own_valkey.thaw()

        await until(lambda: second.listening >= 2)
        assert listener.connected
        own_valkey.command("PUBLISH", "second", "after")
        await until(lambda: second.heard == [b"after"])


async def test_silence_is_no_break(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing is said the server is asked whether it is there, and the connection stays."""
    monkeypatch.setattr(listener_module, "_PING_AFTER_S", 0.02)
    first = Ear()
    async with listening(valkey, first):
        await asyncio.sleep(0.2)
        valkey.command("PUBLISH", "first", "x")
        await until(lambda: first.heard)

    assert first.listening == 1
