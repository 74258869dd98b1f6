"""Live events while the server is away, comes back, or has forgotten everything."""

import asyncio

import pytest

from gateway.cluster import remote_events
from gateway.cluster.interface import LiveEvent
from gateway.cluster.valkey import ValkeyCluster
from gateway.errors import ClusterError
from tests.valkeys import Valkey, new_prefix, node, until


def event(seq: int, *, last: bool = False) -> LiveEvent:
    """Return an event of a number."""
    return LiveEvent(seq, b"%d" % seq, last)


async def watch(cluster: ValkeyCluster, seen: list[int], after: int = 0) -> None:
    """Note what is seen of a call, until its end."""
    async with cluster.events.watch("call", after) as events:
        async for one in events:
            seen.append(one.seq)  # noqa: PERF401 - looked at while it grows


@pytest.mark.parametrize("harm", ["dropped", "frozen"])
async def test_events_during_a_break_are_seen_after_it(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """A watcher on another node misses nothing that was said while its connection was gone."""
    monkeypatch.setattr("gateway.cluster.listener._PING_AFTER_S", 0.2)
    prefix, seen = new_prefix(), list[int]()
    async with (
        node(own_valkey, "a", prefix) as a,
        node(own_valkey, "b", prefix) as b,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(watch(b, seen))
        a.events.publish("call", event(1))
        await until(lambda: seen == [1])
        if harm == "dropped":
            own_valkey.command("CLIENT", "KILL", "TYPE", "pubsub")
        else:
            own_valkey.freeze()
            await until(lambda: not b.connected)
        for seq in range(2, 50):
            a.events.publish("call", event(seq))
        if harm == "frozen":
            own_valkey.thaw()
        await until(lambda: len(seen) == 49)
        a.events.publish("call", event(50, last=True))

    assert seen == list(range(1, 51))


async def test_watchers_beside_the_call_need_no_server(own_valkey: Valkey) -> None:
    """With the server dead, whoever watches on the call's own node sees everything, the end included."""
    seen = list[int]()
    async with node(own_valkey, "a", new_prefix()) as a:
        own_valkey.kill()
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(a, seen))
            for seq in range(1, 11):
                a.events.publish("call", event(seq, last=seq == 10))
                await asyncio.sleep(0)
        with pytest.raises(ClusterError) as caught:
            await a.events.last_seq("call")

    assert seen == list(range(1, 11))
    assert caught.value.reason == "unavailable"


async def test_server_that_forgot_everything_costs_a_reread(own_valkey: Valkey) -> None:
    """After a restart of an empty server watchers go on, or are told that they missed something."""
    prefix, seen = new_prefix(), list[int]()
    async with node(own_valkey, "a", prefix) as a, node(own_valkey, "b", prefix) as b:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(b, seen))
            a.events.publish("call", event(1))
            await until(lambda: seen == [1])
            own_valkey.command("FLUSHALL")
            a.events.publish("call", event(2))
            await until(lambda: seen == [1, 2])
            own_valkey.kill()
            await until(lambda: not b.connected)
            own_valkey.start()
            a.events.publish("call", event(3, last=True))

        async with asyncio.timeout(5):
            with pytest.raises(ClusterError) as caught:
                await watch(b, [])
    assert seen == [1, 2, 3]
    assert caught.value.reason == "events_missed"


async def test_queue_to_a_dead_server_is_bounded(own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest are dropped and counted; what is left is sent when the server is back."""
    monkeypatch.setattr(remote_events, "_MOST_UNSENT", 10)
    prefix = new_prefix()
    async with node(own_valkey, "a", prefix) as a, node(own_valkey, "b", prefix) as b:
        own_valkey.kill()
        for seq in range(1, 31):
            a.events.publish("call", event(seq, last=seq == 30))
            await asyncio.sleep(0.002)
        await until(lambda: a.events.unsent == 20)
        own_valkey.start()
        await until(lambda: not a.events._outbox)

        seen = list[int]()
        await until(lambda: b.connected)
        async with asyncio.timeout(10):
            await watch(b, seen, after=20)
    assert seen == list(range(21, 31))


async def test_numbers_taken_back_after_a_takeover_are_refused(valkey: Valkey) -> None:
    """A node that takes a call over goes on behind the last number; one that repeats numbers is not heard."""
    prefix, seen = new_prefix(), list[int]()
    async with node(valkey, "a", prefix) as a, node(valkey, "b", prefix) as b:
        for seq in range(1, 4):
            a.events.publish("call", event(seq))
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(a, seen))
            async with asyncio.timeout(5):
                while await b.events.last_seq("call") < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            b.events.publish("call", LiveEvent(3, b"another"))
            b.events.publish("call", event(4, last=True))

    assert seen == [1, 2, 3, 4]


async def test_strangers_on_a_channel_are_not_heard(valkey: Valkey) -> None:
    """What is no note of ours, on the channel or in the stream, changes nothing."""
    prefix, seen = new_prefix(), list[int]()
    async with node(valkey, "a", prefix) as a, node(valkey, "b", prefix) as b:
        a.events.publish("call", event(1))
        await until(lambda: valkey.command("EXISTS", f"{prefix}:call:call:kept"))
        valkey.command("XADD", f"{prefix}:call:call:kept", "1-1", "x", "y")
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(b, seen))
            await until(lambda: seen == [1])
            valkey.command("PUBLISH", f"{prefix}:call:call:events", "nonsense")
            a.events.publish("call", event(2, last=True))

    assert seen == [1, 2]


async def test_nobody_is_followed_when_nobody_watches(valkey: Valkey) -> None:
    """Watchers of one call share one channel, which is left with the last of them."""
    async with node(valkey, "a", new_prefix()) as a:
        async with a.events.watch("call"), a.events.watch("call"):
            assert len(a.events._following) == 1
        assert not a.events._following
        assert len(a.events._hub) == 0


async def test_five_hundred_watchers_see_the_same(valkey: Valkey) -> None:
    """Hundreds of watchers of one call on another node, all complete and in order."""
    prefix = new_prefix()
    everybody = [list[int]() for _ in range(500)]
    async with (
        node(valkey, "a", prefix) as a,
        node(valkey, "b", prefix) as b,
        asyncio.TaskGroup() as group,
    ):
        for seen in everybody:
            group.create_task(watch(b, seen))
        for seq in range(1, 51):
            a.events.publish("call", event(seq, last=seq == 50))
            await asyncio.sleep(0.001)

    assert all(seen == list(range(1, 51)) for seen in everybody)
