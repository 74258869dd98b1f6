"""The garbage collector's turns: the young often, all when no call lives, and Python's own way afterwards."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import ref

import pytest

from gateway.garbage import ALL_EVERY_QUIET_S, ALL_EVERY_S, MOST_OBJECTS, YOUNG_EVERY_S, collected
from tests.heap import freeze_heap
from tests.virtual_time import on_virtual_time


@pytest.fixture(autouse=True)
def _heap_as_it_was() -> Iterator[None]:
    yield
    freeze_heap()


class Knot:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@contextmanager
def _looks() -> Iterator[list[int]]:
    """Note which generations are looked through."""
    looks = list[int]()

    def looked(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            looks.append(info["generation"])

    gc.callbacks.append(looked)
    try:
        yield looks
    finally:
        gc.callbacks.remove(looked)


def _aged() -> Knot:
    """Return a knot that no look at the young comes across."""
    knot = Knot()
    gc.collect(1)
    return knot


@on_virtual_time
async def test_young_garbage_is_gone_in_a_moment_while_calls_live() -> None:
    """It was made after the begin, and nobody waits for thousands of other objects to be made."""
    with collected(lambda: 200):
        gone = ref(Knot())
        assert gone() is not None
        await asyncio.sleep(1.5 * YOUNG_EVERY_S)
        assert gone() is None


@on_virtual_time
async def test_all_is_looked_through_when_much_has_grown_old() -> None:
    """Garbage that comes faster than the minutes pass has a bound too, and little is no occasion."""
    with collected(lambda: 1), _looks() as looks:
        gone, kept = ref(_aged()), list[list[list[int]]]()
        for _ in range(3):
            assert looks.count(2) == 0
            kept.append([[number] for number in range(4 * MOST_OBJECTS // 10)])
            await asyncio.sleep(2 * YOUNG_EVERY_S)
        assert gone() is None
        assert looks.count(2) == 1
        await asyncio.sleep(ALL_EVERY_S - 10)
        assert looks.count(2) == 1


@pytest.mark.parametrize(("live", "within_s"), [(0, ALL_EVERY_QUIET_S), (1, ALL_EVERY_S)])
def test_old_garbage_waits_for_a_quiet_minute_but_not_for_ever(live: int, within_s: float) -> None:
    """The long look is for times without calls, and has a bound with them."""

    @on_virtual_time
    async def run() -> None:
        with collected(lambda: live), _looks() as looks:
            gone = ref(_aged())
            await asyncio.sleep(within_s - 2 * YOUNG_EVERY_S)
            assert gone() is not None
            await asyncio.sleep(4 * YOUNG_EVERY_S)
            assert gone() is None
            await asyncio.sleep(within_s - 8 * YOUNG_EVERY_S)
            assert looks.count(2) == 1

    run()


@on_virtual_time
async def test_python_itself_never_collects_meanwhile_and_does_afterwards() -> None:
    """Many objects made at once are no occasion."""
    gc.unfreeze()
    with collected(lambda: 200), _looks() as looks:
        kept = [[number] for number in range(50_000)]
        assert not looks
        assert gc.get_freeze_count()
    assert gc.isenabled()
    assert not gc.get_freeze_count()
    assert kept


@on_virtual_time
async def test_no_turn_is_taken_afterwards() -> None:
    """The timer ends with the context, even if it is left by an error."""
    with pytest.raises(KeyError), collected(lambda: 0):
        raise KeyError
    gone = ref(_aged())
    await asyncio.sleep(2 * ALL_EVERY_S)
    assert gone() is not None


def test_without_a_loop_nothing_is_changed() -> None:
    """It says so, and Python goes on collecting."""
    with pytest.raises(RuntimeError, match="no running event loop"), collected(lambda: 0):
        pass
    assert gc.isenabled()
