"""One contract for both clusters: a process by itself, and two nodes around a Valkey."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.cluster.inprocess import InProcessCluster
from gateway.cluster.interface import Cluster, LiveEvent
from gateway.errors import ClusterError, ToolError
from tests.valkeys import Valkey, new_prefix, node, until, valkey

__all__ = ["valkey"]


@dataclass
class Nodes:
    """Where a call lives, and from where it is watched: the same node, or another."""

    here: Cluster
    there: Cluster


@pytest.fixture(params=["inprocess", "valkey"])
async def nodes(request: pytest.FixtureRequest) -> AsyncIterator[Nodes]:
    """A cluster of each kind."""
    if request.param == "inprocess":
        cluster = InProcessCluster("a")
        yield Nodes(cluster, cluster)
        return
    server: Valkey = request.getfixturevalue("valkey")
    prefix = new_prefix()
    async with node(server, "a", prefix) as here, node(server, "b", prefix) as there:
        yield Nodes(here, there)


def event(seq: int, *, last: bool = False) -> LiveEvent:
    """Return an event that shows its number in its body."""
    return LiveEvent(seq, b"event %d" % seq, last)


async def watched(cluster: Cluster, call_id: str, after: int = 0) -> list[int]:
    """Watch a call to its end; return the numbers of what was seen."""
    seen = []
    async with asyncio.timeout(10), cluster.events.watch(call_id, after) as events:
        async for one in events:
            assert one.body == b"event %d" % one.seq
            seen.append(one.seq)
    return seen


# --- live events


async def test_watcher_sees_all_in_order_up_to_the_last(nodes: Nodes) -> None:
    """Whoever watches from the start sees each event once, and the end."""
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watched(nodes.there, "call"))
        await asyncio.sleep(0)
        for seq in range(1, 101):
            nodes.here.events.publish("call", event(seq, last=seq == 100))
            if seq % 10 == 0:
                await asyncio.sleep(0)

    assert watching.result() == list(range(1, 101))


async def test_watcher_who_comes_late_catches_up(nodes: Nodes) -> None:
    """Joining in the middle, from the start or behind what is known, gives the rest without doubles."""
    for seq in range(1, 51):
        nodes.here.events.publish("call", event(seq))
    async with asyncio.TaskGroup() as group:
        watching = [group.create_task(watched(nodes.there, "call", after)) for after in (0, 20, 50)]
        await asyncio.sleep(0.05)
        for seq in range(51, 61):
            nodes.here.events.publish("call", event(seq, last=seq == 60))

    assert [task.result() for task in watching] == [
        list(range(1, 61)),
        list(range(21, 61)),
        list(range(51, 61)),
    ]


async def test_watcher_who_comes_after_the_end_sees_all(nodes: Nodes) -> None:
    """A call that has just ended is still told whole, and the watch ends by itself."""
    for seq in range(1, 6):
        nodes.here.events.publish("call", event(seq, last=seq == 5))
    await until_known(nodes, 5)

    assert await watched(nodes.there, "call") == [1, 2, 3, 4, 5]
    assert await watched(nodes.there, "call", 3) == [4, 5]


async def until_known(nodes: Nodes, seq: int) -> None:
    """Wait until the other node could know an event."""
    async with asyncio.timeout(5):
        while await nodes.there.events.last_seq("call") < seq:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_event_told_twice_is_seen_once(nodes: Nodes) -> None:
    """A publisher that repeats itself, or goes back, is heard once."""
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watched(nodes.there, "call"))
        await asyncio.sleep(0.05)
        for seq in (1, 2, 2, 1, 3, 3):
            nodes.here.events.publish("call", event(seq))
        nodes.here.events.publish("call", event(4, last=True))
        nodes.here.events.publish("call", event(5))

    assert watching.result() == [1, 2, 3, 4]


async def test_many_watchers_joining_and_leaving_see_the_same(nodes: Nodes) -> None:
    """Watchers that come and go at random see identical, ordered, complete events while they are there."""
    chance = random.Random(11)
    total = 200

    async def stay(delay_s: float) -> list[int]:
        await asyncio.sleep(delay_s)
        return await watched(nodes.there, "call")

    async def leave(delay_s: float, count: int) -> list[int]:
        await asyncio.sleep(delay_s)
        seen = []
        async with asyncio.timeout(10), nodes.there.events.watch("call") as events:
            async for one in events:
                seen.append(one.seq)
                if len(seen) == count:
                    break
        return seen

    async with asyncio.TaskGroup() as group:
        staying = [group.create_task(stay(chance.random() * 0.3)) for _ in range(30)]
        leaving = [
            group.create_task(leave(chance.random() * 0.3, chance.randint(1, total))) for _ in range(20)
        ]
        for seq in range(1, total + 1):
            nodes.here.events.publish("call", event(seq, last=seq == total))
            await asyncio.sleep(0.001)

    assert all(task.result() == list(range(1, total + 1)) for task in staying)
    for left in leaving:
        assert left.result() == list(range(1, len(left.result()) + 1))


async def test_calls_are_told_apart(nodes: Nodes) -> None:
    """A watcher of one call hears nothing of another."""
    nodes.here.events.publish("other", event(1, last=True))
    nodes.here.events.publish("call", event(1))
    nodes.here.events.publish("call", event(2, last=True))

    assert await watched(nodes.there, "call") == [1, 2]


async def test_what_is_kept_no_more_is_said_to_be_missed(nodes: Nodes) -> None:
    """Who asks for events that were dropped long ago is told so, rather than given the rest."""
    for seq in range(1, 5_001):
        nodes.here.events.publish("call", event(seq))
        if seq % 500 == 0:
            await asyncio.sleep(0)
    await until_known(nodes, 5_000)

    with pytest.raises(ClusterError) as caught:
        await watched(nodes.there, "call", after=3)
    assert caught.value.reason == "events_missed"
    async with asyncio.timeout(5), nodes.there.events.watch("call", 4_100) as events:
        assert (await anext(events)).seq == 4_101


async def test_hole_in_the_numbers_is_said_to_be_missed(nodes: Nodes) -> None:
    """When an event never comes, who waits for it is told, and goes on behind it if it asks to."""
    async with asyncio.timeout(5), nodes.there.events.watch("call") as events:
        nodes.here.events.publish("call", event(1))
        assert (await anext(events)).seq == 1
        nodes.here.events.publish("call", event(3))
        with pytest.raises(ClusterError) as caught:
            await anext(events)
    assert caught.value.reason == "events_missed"

    nodes.here.events.publish("call", event(4, last=True))
    assert await watched(nodes.there, "call", 2) == [3, 4]


async def test_slow_watcher_is_told_to_leave_and_slows_nobody(nodes: Nodes) -> None:
    """A watcher that does not keep up gets an error; another one of the same call sees everything."""
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watched(nodes.there, "call"))
        async with nodes.there.events.watch("call") as slow:
            nodes.here.events.publish("call", event(1))
            assert (await anext(slow)).seq == 1
            for seq in range(2, 601):
                nodes.here.events.publish("call", event(seq, last=seq == 600))
                await asyncio.sleep(0)
            await watching
            with pytest.raises(ClusterError) as caught:
                await anext(slow)

    assert caught.value.reason == "slow_reader"
    assert watching.result() == list(range(1, 601))


async def test_last_number_is_known_to_who_takes_over(nodes: Nodes) -> None:
    """The highest number told of a call can be asked for on any node; of an unknown call it is 0."""
    assert await nodes.there.events.last_seq("call") == 0
    for seq in range(1, 8):
        nodes.here.events.publish("call", event(seq))

    await until_known(nodes, 7)

    assert await nodes.here.events.last_seq("call") == 7


# --- commands


async def test_command_is_carried_out_where_the_call_lives(nodes: Nodes) -> None:
    """Name and arguments arrive, the answer comes back."""

    async def handler(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"did": name, "to": arguments.get("number")}

    nodes.here.commands.serve("call", handler)

    assert await nodes.there.commands.ask("call", "transfer", {"number": "+15550100"}) == {
        "did": "transfer",
        "to": "+15550100",
    }
    assert await nodes.here.commands.ask("call", "end") == {"did": "end", "to": None}


async def test_each_command_is_carried_out_once_and_answered_by_itself(nodes: Nodes) -> None:
    """Many at once: each gets its own answer, none is carried out twice."""
    done = []

    async def handler(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await asyncio.sleep(0.001 * (arguments["number"] % 7))
        done.append(arguments["number"])
        return {"number": arguments["number"]}

    nodes.here.commands.serve("call", handler)
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(nodes.there.commands.ask("call", "count", {"number": number}))
            for number in range(50)
        ]

    assert [task.result()["number"] for task in asked] == list(range(50))
    assert sorted(done) == list(range(50))


async def test_call_that_nobody_serves_has_no_owner(nodes: Nodes) -> None:
    """A call that never lived, or does no more, is known to be nowhere."""

    async def handler(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}

    nodes.here.commands.serve("call", handler)
    await nodes.there.commands.ask("call", "end")
    nodes.here.commands.withdraw("call")
    nodes.here.commands.withdraw("call")

    for call_id in ("call", "never"):
        with pytest.raises(ClusterError) as caught:
            await nodes.there.commands.ask(call_id, "end")
        assert caught.value.reason == "no_owner"


async def test_refusal_and_silence_are_told_apart(nodes: Nodes) -> None:
    """What the handler raises on purpose is told; a handler that does not answer is a timeout."""

    async def handler(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if name == "wait":
            await asyncio.sleep(30)
        raise ToolError("the call is over", reason="over")

    nodes.here.commands.serve("call", handler)

    with pytest.raises(ClusterError, match="the call is over") as refused:
        await nodes.there.commands.ask("call", "end")
    with pytest.raises(ClusterError) as late:
        await nodes.there.commands.ask("call", "wait", timeout_s=0.1)

    assert (refused.value.reason, late.value.reason) == ("refused", "timeout")


# --- leases


async def test_lease_is_one_holders(nodes: Nodes) -> None:
    """Of many who want it at once one gets it, until it gives it back; the next fence is higher."""
    async with asyncio.TaskGroup() as group:
        wanted = [
            group.create_task(cluster.leases.acquire("work"))
            for cluster in (nodes.here, nodes.there)
            for _ in range(10)
        ]
    [lease] = [task.result() for task in wanted if task.result() is not None]
    assert lease is not None
    assert lease.name == "work"
    assert await nodes.here.leases.acquire("other") is not None

    await nodes.here.leases.release(lease)
    await nodes.here.leases.release(lease)
    later = await nodes.there.leases.acquire("work")

    assert later is not None
    assert later.fence > lease.fence > 1_700_000_000_000


async def test_lease_lasts_as_long_as_it_is_renewed(nodes: Nodes) -> None:
    """Renewed it stays; expired it goes to another, and its old holder can neither renew nor release it."""
    lease = await nodes.here.leases.acquire("work", ttl_s=0.5)
    assert lease is not None
    for _ in range(4):
        await asyncio.sleep(0.15)
        assert await nodes.here.leases.renew(lease, ttl_s=0.5)
        assert await nodes.there.leases.acquire("work") is None
    await asyncio.sleep(0.6)

    other = await nodes.there.leases.acquire("work")
    assert other is not None
    assert other.fence > lease.fence
    assert not await nodes.here.leases.renew(lease)
    await nodes.here.leases.release(lease)
    assert await nodes.there.leases.renew(other)


# --- limits


async def test_limit_holds_over_all_nodes(nodes: Nodes) -> None:
    """Of 1,500 requests at once over both nodes exactly 1,000 are allowed, and the answers count down."""
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task((nodes.here, nodes.there)[number % 2].limits.hit("key", limit=1_000))
            for number in range(1_500)
        ]
    decisions = [task.result() for task in asked]

    assert sum(decision.allowed for decision in decisions) == 1_000
    assert sorted((one.remaining for one in decisions if one.allowed), reverse=True) == list(
        range(999, -1, -1)
    )
    refused = [one for one in decisions if not one.allowed]
    assert all(one.remaining == 0 and 0 < one.reset_s <= 60 and one.limit == 1_000 for one in refused)
    assert (await nodes.here.limits.hit("other", limit=1)).allowed


async def test_window_moves(nodes: Nodes) -> None:
    """No stretch of the window's length ever holds more than the limit, and places come free one by one."""
    loop = asyncio.get_running_loop()
    allowed: list[tuple[float, float]] = []
    began = loop.time()
    while loop.time() - began < 0.7:
        before = loop.time()
        cluster = (nodes.here, nodes.there)[len(allowed) % 2]
        if (await cluster.limits.hit("key", limit=5, window_s=0.2)).allowed:
            allowed.append((before, loop.time()))
        await asyncio.sleep(0.004)

    # Each was allowed at some time between before and after: no six of them fit surely into one window.
    for first, sixth in zip(allowed, allowed[5:], strict=False):
        assert sixth[1] - first[0] >= 0.2
    assert len(allowed) >= 8


async def test_limit_that_shrinks_counts_what_was_allowed_before(nodes: Nodes) -> None:
    """A lower limit than before applies at once."""
    for _ in range(5):
        assert (await nodes.here.limits.hit("key", limit=5)).allowed

    decision = await nodes.there.limits.hit("key", limit=3)

    assert (decision.allowed, decision.remaining) == (False, 0)


async def test_nodes_know_of_each_other(nodes: Nodes) -> None:
    """A node hears the others, has its name, and counts itself at least."""
    assert nodes.here.connected
    assert nodes.here.node == "a"
    if nodes.here is not nodes.there:
        await until(lambda: nodes.there.nodes == 2)
    assert nodes.here.nodes >= 1
