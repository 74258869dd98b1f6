"""A run that goes on: who waits for it, and whose place it takes."""

import asyncio

from gateway.tools.catalog import Webhook
from gateway.tools.runner import Run
from gateway.tools.running import Running
from tests.tools.workshop import CALL, catalog, question


def running(places: asyncio.Semaphore, **keys: object) -> Running:
    """Return a run that has just begun."""
    tool = catalog({"name": "book", "url": "https://example.com/", "deadline_s": 0.1, **keys}).find(
        "book", CALL.agent_id
    )
    assert isinstance(tool, Webhook)
    return Running(Run(tool, question(), "key", "r" * 32), asyncio.get_running_loop().time(), places)


async def test_place_is_waited_for_until_the_deadline() -> None:
    """Who gets none in time goes without; it can be given back once, and no more than once."""
    places = asyncio.Semaphore(1)
    first, second = running(places), running(places)

    assert await first.take_place()
    assert not await second.take_place()
    second.give_place()
    first.give_place()
    first.give_place()
    assert await running(places).take_place()
    assert places.locked()


async def test_result_ends_the_wait() -> None:
    """It is not late, and keeps its place until it gives it."""
    one = running(asyncio.Semaphore(1))
    one.ended.set()

    assert await one.wait(one.deadline)
    assert not one.late


async def test_whoever_waits_in_vain_leaves_it_late_and_without_a_place() -> None:
    """The place is free for another tool of the call; the run goes on, since somebody wants the result."""
    places = asyncio.Semaphore(1)
    one = running(places, callback_url="https://example.com/late")
    await one.take_place()

    assert not await one.wait(asyncio.get_running_loop().time() + 0.01)
    assert one.late
    assert not places.locked()


async def test_background_and_late_results_have_their_own_deadline() -> None:
    """As long as somebody may be told of them."""
    places = asyncio.Semaphore(1)
    plain, told, behind = (
        running(places),
        running(places, callback_url="https://example.com/", late_s=7),
        running(places, mode="background", late_s=9),
    )

    assert [round(one.deadline - one.began_at, 3) for one in (plain, told, behind)] == [0.1, 7.0, 9.0]
    assert [one.outlives for one in (plain, told, behind)] == [False, True, True]
