"""The journal tells whoever watches, at once and in order, and never waits for anybody."""

import asyncio

import pytest

from gateway.journal import Journal, Watcher
from gateway.records import CallInfo, StateChanged

CALL = CallInfo("c-1", "CA" + "1" * 32, "AC" + "2" * 32, "+4930123456", "+4930654321", "agent-1")


async def test_watcher_sees_what_happens_in_order() -> None:
    """A watcher gets each happening with its call, in the order they were appended."""
    journal = Journal()
    seen = []
    with journal.watch() as watcher:
        for n in range(3):
            journal.append(CALL, StateChanged(float(n), "talking"))
        async for call, happening in watcher:
            seen.append((call, happening))
            if len(seen) == 3:
                break

    assert seen == [(CALL, StateChanged(float(n), "talking")) for n in range(3)]
    assert watcher.lost == 0


async def test_watcher_waits_for_what_comes() -> None:
    """A watcher that has read everything is told of the next happening as it is appended."""
    journal = Journal()
    with journal.watch() as watcher:

        async def first() -> StateChanged:
            async for _, happening in watcher:
                assert isinstance(happening, StateChanged)
                return happening
            raise AssertionError

        async with asyncio.TaskGroup() as group:
            reading = group.create_task(first())
            await asyncio.sleep(0)
            journal.append(CALL, StateChanged(1.0, "ended"))
    assert reading.result() == StateChanged(1.0, "ended")


async def test_watchers_do_not_disturb_each_other() -> None:
    """Each watcher has its own queue; who came later sees what comes later."""
    journal = Journal()
    with journal.watch() as early:
        journal.append(CALL, StateChanged(1.0, "talking"))
        with journal.watch() as late:
            journal.append(CALL, StateChanged(2.0, "ended"))
            assert (early._queue.qsize(), late._queue.qsize()) == (2, 1)
        journal.append(CALL, StateChanged(3.0, "ended"))

    assert (early._queue.qsize(), late._queue.qsize()) == (3, 1)


async def test_slow_watcher_loses_the_oldest_and_is_told() -> None:
    """A watcher that does not read keeps the last thousand happenings and the number it lost."""
    journal = Journal()
    with journal.watch() as watcher:
        for n in range(1_234):
            journal.append(CALL, StateChanged(float(n), "talking"))

    assert watcher.lost == 234
    assert watcher._queue.get_nowait() == (CALL, StateChanged(234.0, "talking"))


def test_nobody_watching_is_no_matter() -> None:
    """Without a watcher a happening is gone, and nothing waits."""
    Journal().append(CALL, StateChanged(0.0, "talking"))


def test_watch_ends_with_its_block() -> None:
    """A watcher whose block was left, by an error too, is told nothing more."""
    journal = Journal()
    watchers: list[Watcher] = []

    def fail() -> None:
        with journal.watch() as watcher:
            watchers.append(watcher)
            raise ValueError("gone wrong")

    with pytest.raises(ValueError, match="gone wrong"):
        fail()
    journal.append(CALL, StateChanged(0.0, "talking"))

    assert watchers[0]._queue.empty()


def test_keeper_is_told_of_everything_in_the_same_breath() -> None:
    """Whoever keeps books has each happening when ``append`` returns, before any watcher reads it."""
    journal, kept = Journal(), []
    with journal.kept_by(lambda call, happening: kept.append((call, happening))):
        journal.append(CALL, StateChanged(0.0, "talking"))
        assert kept == [(CALL, StateChanged(0.0, "talking"))]
    journal.append(CALL, StateChanged(1.0, "ended"))

    assert len(kept) == 1
