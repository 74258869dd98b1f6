"""What the cluster of one process does beyond the contract."""

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.cluster import inprocess
from gateway.cluster.inprocess import InProcessCluster, LocalLeases, LocalLimits
from tests.virtual_time import on_virtual_time


@on_virtual_time
async def test_lease_expires_by_the_loops_clock() -> None:
    """Fifteen seconds without a renewal, and the lease is another's; then it cannot be renewed."""
    leases = LocalLeases("a")
    lease = await leases.acquire("work")
    assert lease is not None
    await asyncio.sleep(14.9)
    assert await leases.acquire("work") is None
    assert await leases.renew(lease)
    await asyncio.sleep(15.0)

    assert not await leases.renew(lease)
    assert await leases.acquire("work") is not None
    assert not await leases.renew(lease)


async def test_fences_grow_within_a_millisecond_and_over_restarts() -> None:
    """Leases taken at once, and by a process started later, carry ever higher fences."""
    leases = LocalLeases("a")
    fences = [lease.fence for number in range(50) if (lease := await leases.acquire(str(number)))]
    await asyncio.sleep(0.06)
    restarted = await LocalLeases("a").acquire("work")

    assert fences == sorted(set(fences))
    assert restarted is not None
    assert restarted.fence > fences[-1]


@on_virtual_time
async def test_keys_at_rest_are_forgotten() -> None:
    """A stream of ever new keys does not fill the memory; those at work keep their count."""
    limits = LocalLimits()
    limits._sweep_at = 10
    for number in range(9):
        await limits.hit(str(number), limit=1)
    await asyncio.sleep(60)
    await limits.hit("busy", limit=1)
    for number in range(inprocess._SWEEP_FROM + 5):
        if number % 1_000 == 999:
            await asyncio.sleep(61)
            await limits.hit("busy", limit=1)
        await limits.hit(f"new{number}", limit=1)

    assert len(limits._windows) <= inprocess._SWEEP_FROM
    assert not (await limits.hit("busy", limit=1)).allowed


@on_virtual_time
async def test_sweep_grows_with_the_keys_at_work() -> None:
    """When all keys are at work the next sweep waits until there are twice as many."""
    limits = LocalLimits()
    limits._sweep_at = 3
    for number in range(5):
        await limits.hit(str(number), limit=1)

    assert limits._sweep_at == inprocess._SWEEP_FROM
    assert len(limits._windows) == 5


@on_virtual_time
async def test_running_it_does_nothing_until_cancelled() -> None:
    """The process's task of a cluster of one waits quietly."""
    cluster = InProcessCluster()

    async def handler(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}

    async with asyncio.TaskGroup() as group:
        running = group.create_task(cluster.run())
        await asyncio.sleep(3600)
        assert not running.done()
        running.cancel()
    cluster.commands.serve("call", handler)

    assert "call" in cluster.commands
    assert (cluster.node, cluster.nodes, cluster.connected) == ("local", 1, True)
