"""The garbage collector's turns: the young often, all when no call lives, and Python's own way afterwards."""

import asyncio
import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from gateway.garbage import ALL_EVERY_QUIET_S, ALL_EVERY_S, YOUNG_EVERY_S, collected
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


@pytest.mark.parametrize(("live", "within_s"), [(0, ALL_EVERY_QUIET_S), (1, ALL_EVERY_S)])
def test_old_garbage_waits_for_a_quiet_minute_but_not_for_ever(live: int, within_s: float) -> None:
    """The long look is for times without calls, and has a bound with them."""

    @on_virtual_time
    async def run() -> None:
        with collected(lambda: live):
            gone = ref(_aged())
            await asyncio.sleep(within_s - 2 * YOUNG_EVERY_S)
            assert gone() is not None
            await asyncio.sleep(4 * YOUNG_EVERY_S)
            assert gone() is None

    run()


@on_virtual_time
async def test_python_itself_never_collects_meanwhile_and_does_afterwards() -> None:
    """Many objects made at once are no occasion."""
    looks = list[int]()

    def looked(phase: str, info: dict[str, int]) -> None:
        looks.append(info["generation"])

    with collected(lambda: 200):
        gc.callbacks.append(looked)
        try:
            kept = [[number] for number in range(50_000)]
        finally:
            gc.callbacks.remove(looked)
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
