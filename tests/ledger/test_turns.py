"""Whose turn it is: in order, some at a time, and together with those who come soon after."""

import asyncio

import pytest

from gateway.ledger import turns as module
from gateway.ledger.held import Held
from gateway.ledger.turns import Turns
from tests.ledger.bookkeeping import call_info


def some(count: int) -> list[Held]:
    """Return so many calls."""
    return [Held(call_info("acme", call_id=str(number)), 0.0) for number in range(count)]


async def test_those_who_wait_are_taken_in_order_and_so_many_at_a_time() -> None:
    """Whoever is not taken is the next."""
    turns, calls = Turns(), some(5)
    for held in calls:
        turns.add(held)

    assert [await turns.take(3), await turns.take(3)] == [calls[:3], calls[3:]]


async def test_one_alone_is_taken_without_waiting_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could come with it."""
    monkeypatch.setattr(module, "GATHER_S", 60.0)
    turns, (held,) = Turns(), some(1)
    turns.add(held)

    async with asyncio.timeout(5):
        assert await turns.take(1) == [held]


async def test_who_is_cancelled_takes_nobody_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited then waits on."""
    monkeypatch.setattr(module, "GATHER_S", 0.05)
    turns, calls = Turns(), some(2)
    for held in calls:
        turns.add(held)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await turns.take(10)

    assert await turns.take(10) == calls


async def test_whoever_comes_soon_after_is_taken_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others who take wait meanwhile, and get who comes later."""
    monkeypatch.setattr(module, "GATHER_S", 0.1)
    turns, calls = Turns(), some(4)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        taking = [group.create_task(turns.take(10)) for _ in range(2)]
        for held in calls[:3]:
            turns.add(held)
            await asyncio.sleep(0.001)
        await asyncio.wait(taking, return_when=asyncio.FIRST_COMPLETED)
        turns.add(calls[3])

    assert [task.result() for task in taking] == [calls[:3], calls[3:]]
