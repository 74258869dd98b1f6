"""Limits with the server there, away, hanging and back."""

import asyncio

import pytest

from gateway.cluster.interface import RateDecision
from gateway.cluster.remote_limits import RemoteLimits
from gateway.cluster.server import Server
from tests.valkeys import Valkey, new_prefix, node, until


async def allowed(limits: RemoteLimits, count: int, limit: int) -> int:
    """Return how many of so many requests at once are allowed."""
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(limits.hit("key", limit=limit)) for _ in range(count)]
    return sum(task.result().allowed for task in asked)


async def test_each_node_allows_its_share_while_the_server_is_away(own_valkey: Valkey) -> None:
    """With two nodes and no server, each lets half of the limit through, what it had let through included."""
    prefix = new_prefix()
    async with node(own_valkey, "a", prefix) as a, node(own_valkey, "b", prefix) as b:
        await until(lambda: b.nodes == 2)
        a.limits.nodes = 2
        assert await allowed(a.limits, 10, limit=100) == 10
        own_valkey.kill()

        assert await allowed(a.limits, 100, limit=100) == 40
        assert await allowed(b.limits, 100, limit=100) == 50
        assert await allowed(b.limits, 100, limit=1) == 0
        decision = await a.limits.hit("another", limit=1)
        assert decision == RateDecision(True, 1, 0, decision.reset_s)


async def test_hanging_server_delays_a_burst_once(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen server costs one short deadline for all who ask, then nothing; thawed, it counts again."""
    monkeypatch.setattr("gateway.cluster.remote_limits._WITHIN_S", 0.1)
    loop = asyncio.get_running_loop()
    async with node(own_valkey, "a", new_prefix()) as a:
        assert (await a.limits.hit("key", limit=1_000)).remaining == 999
        own_valkey.freeze()
        began = loop.time()
        assert await allowed(a.limits, 300, limit=1_000) == 300
        assert loop.time() - began < 1.0
        own_valkey.thaw()
        await asyncio.sleep(0.6)

        assert (await a.limits.hit("key", limit=1_000)).remaining < 999


async def test_server_that_forgot_starts_anew(own_valkey: Valkey) -> None:
    """A flushed server forgets the window, and the script, and goes on counting."""
    async with node(own_valkey, "a", new_prefix()) as a:
        assert await allowed(a.limits, 5, limit=5) == 5
        own_valkey.command("FLUSHALL")
        own_valkey.command("SCRIPT", "FLUSH")

        assert await allowed(a.limits, 10, limit=5) == 5


async def test_without_its_task_it_decides_alone(valkey: Valkey) -> None:
    """Before the cluster runs, and after, nobody waits for an answer that will not come."""
    server = Server(valkey.url, new_prefix())
    limits = RemoteLimits(server)
    assert (await limits.hit("key", limit=1)).allowed
    async with asyncio.TaskGroup() as group:
        running = group.create_task(limits.run())
        await asyncio.sleep(0)
        asked = [group.create_task(limits.hit(f"{number}", limit=1)) for number in range(5)]
        await asyncio.sleep(0)
        running.cancel()

    assert all(task.result().allowed for task in asked)
    assert not (await limits.hit("key", limit=1)).allowed
    await server.close()


async def test_asker_that_left_is_no_trouble(valkey: Valkey) -> None:
    """A request whose client has gone is counted, and the others get their answers."""
    async with node(valkey, "a", new_prefix()) as a, asyncio.TaskGroup() as group:
        gone = group.create_task(a.limits.hit("key", limit=10))
        stays = group.create_task(a.limits.hit("key", limit=10))
        await asyncio.sleep(0)
        gone.cancel()

    assert stays.result().allowed


async def test_keys_leave_the_server_with_their_window(valkey: Valkey) -> None:
    """A key at rest expires by itself, and never holds more than the limit."""
    prefix = new_prefix()
    async with node(valkey, "a", prefix) as a:
        for _ in range(20):
            await a.limits.hit("key", limit=5, window_s=0.5)
        assert valkey.command("LLEN", f"{prefix}:limit:key") == 5
        await asyncio.sleep(0.6)

    assert valkey.command("EXISTS", f"{prefix}:limit:key") == 0
