"""The feed of one call: order, holes, and readers of every speed."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.cluster.feed import KEPT, MOST_BEHIND, Feed
from gateway.cluster.interface import LiveEvent
from gateway.errors import ClusterError
from tests.virtual_time import on_virtual_time


def event(seq: int, *, last: bool = False) -> LiveEvent:
    """Return an event of a number."""
    return LiveEvent(seq, b"", last)


def filled(until: int) -> Feed:
    """Return a feed with events up to a number."""
    feed = Feed()
    for seq in range(1, until + 1):
        feed.put(event(seq))
    return feed


async def first(feed: Feed, after: int, count: int) -> list[int]:
    """Return the numbers of the first events that a reader gets."""
    seen = []
    async with aclosing(feed.read(after)) as events:
        async for one in events:
            seen.append(one.seq)
            if len(seen) == count:
                break
    return seen


async def reason(feed: Feed, after: int) -> str:
    """Return why a reader is sent away."""
    with pytest.raises(ClusterError) as caught:
        await first(feed, after, 10**6)
    return caught.value.reason


@pytest.mark.parametrize(
    ("numbers", "kept"),
    [([1, 2, 3], [1, 2, 3]), ([1, 1, 2], [1, 2]), ([2, 1], [2]), ([7], [7]), ([1, 2, 5, 6], [5, 6])],
    ids=["in-order", "twice", "back", "late-start", "hole"],
)
async def test_events_are_kept_without_holes(numbers: list[int], kept: list[int]) -> None:
    """An event that is here already is refused; after a hole only what is behind it is kept."""
    feed = Feed()
    for seq in numbers:
        feed.put(event(seq))

    assert await first(feed, kept[0] - 1, len(kept)) == kept
    assert feed.last_seq == kept[-1]


def test_put_says_whether_it_was_new() -> None:
    """The publisher can tell a repeated event from a new one, and nothing follows the last."""
    feed = Feed()

    assert feed.put(event(1))
    assert not feed.put(event(1))
    assert feed.put(event(2, last=True))
    assert not feed.put(event(3))
    assert feed.ended
    assert not Feed().ended


async def test_old_events_are_dropped() -> None:
    """A long call keeps its latest thousand at least, two thousand at most."""
    feed = filled(10 * KEPT)

    assert KEPT <= len(feed._events) < 2 * KEPT
    assert await reason(feed, 0) == "events_missed"
    assert await first(feed, 9 * KEPT, KEPT) == list(range(9 * KEPT + 1, 10 * KEPT + 1))


@on_virtual_time
async def test_reader_waits_for_what_comes() -> None:
    """A reader that has all waits, and gets the next event as soon as it is there; with others, each all."""
    feed = filled(2)

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(first(feed, after, 3)) for after in (0, 1, 2)]
        await asyncio.sleep(1)
        for seq in range(3, 6):
            feed.put(event(seq))

    assert [reader.result() for reader in readers] == [[1, 2, 3], [2, 3, 4], [3, 4, 5]]


@on_virtual_time
async def test_reader_that_left_is_no_trouble() -> None:
    """An event that comes when a waiting reader has been cancelled goes to the others."""
    feed = filled(1)
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(first(feed, 1, 1))
        stays = group.create_task(first(feed, 1, 1))
        await asyncio.sleep(1)
        gone.cancel()
        await asyncio.sleep(1)
        feed.put(event(2))

    assert stays.result() == [2]


@on_virtual_time
async def test_hole_ahead_of_a_reader_sends_it_away() -> None:
    """A reader that waits for an event which never comes is told when the next is there."""
    feed = filled(1)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(reason(feed, 1))
        await asyncio.sleep(1)
        feed.put(event(3))

    assert waiting.result() == "events_missed"


async def test_backlog_may_be_read_at_leisure() -> None:
    """What was there before the reader came, or came as a backlog, is never too much; new events can be."""
    feed = filled(KEPT)
    async with aclosing(feed.read(0)) as events:
        assert (await anext(events)).seq == 1
        for seq in range(KEPT + 1, KEPT + MOST_BEHIND + 1):
            feed.put(event(seq))
        assert (await anext(events)).seq == 2
        feed.put_backlog([event(KEPT + MOST_BEHIND + 1)])
        assert (await anext(events)).seq == 3
        for seq in range(KEPT + MOST_BEHIND + 2, KEPT + 2 * MOST_BEHIND + 3):
            feed.put(event(seq))
        with pytest.raises(ClusterError) as caught:
            await anext(events)

    assert caught.value.reason == "slow_reader"
