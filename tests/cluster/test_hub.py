"""The hub: which calls it remembers, and for how long."""

import asyncio

from gateway.cluster.hub import KEPT_AFTER_END_S, Hub
from gateway.cluster.interface import LiveEvent
from tests.virtual_time import on_virtual_time


@on_virtual_time
async def test_call_is_forgotten_a_while_after_its_end() -> None:
    """What has ended is kept for those who come late, then dropped when anything else happens."""
    hub = Hub()
    hub.publish("call", LiveEvent(1, b"", last=True))
    await asyncio.sleep(KEPT_AFTER_END_S - 2)
    hub.publish("other", LiveEvent(1, b""))
    assert await hub.last_seq("call") == 1

    await asyncio.sleep(3)
    hub.publish("other", LiveEvent(2, b""))

    assert await hub.last_seq("call") == 0
    assert await hub.last_seq("other") == 2
    assert len(hub) == 1


@on_virtual_time
async def test_call_that_never_ends_is_forgotten_in_the_end() -> None:
    """A call whose last event never came is not kept for ever."""
    hub = Hub()
    hub.publish("call", LiveEvent(1, b""))
    await asyncio.sleep(7 * 3600)
    hub.publish("other", LiveEvent(1, b"", last=True))

    assert hub.known("call") is None
    assert hub.known("other") is not None


@on_virtual_time
async def test_watched_call_is_not_forgotten() -> None:
    """As long as somebody watches, the feed he reads is the one that is published to."""
    hub = Hub()
    hub.publish("call", LiveEvent(1, b""))
    async with hub.watch("call") as events:
        assert (await anext(events)).seq == 1
        await asyncio.sleep(7 * 3600)
        hub.publish("other", LiveEvent(1, b""))
        hub.publish("call", LiveEvent(2, b"", last=True))
        assert (await anext(events)).seq == 2


@on_virtual_time
async def test_watching_what_never_was_leaves_nothing() -> None:
    """Watchers of calls nobody told anything of cost nothing once they have left."""
    hub = Hub()
    for number in range(10):
        async with hub.watch(str(number)), hub.watch(str(number)):
            assert len(hub) == 1

    assert len(hub) == 0
