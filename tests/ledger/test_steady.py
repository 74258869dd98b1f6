"""Work beside the calls, and bugs in it."""

import asyncio
from itertools import pairwise

import pytest
import structlog

from gateway.errors import StorageError
from gateway.ledger import steady
from tests.virtual_time import on_virtual_time


@on_virtual_time
async def test_work_that_breaks_is_begun_again() -> None:
    """It is said each time, and a while passes between; what ended by itself is begun again too."""
    begun: list[float] = []

    async def breaks() -> None:
        begun.append(asyncio.get_running_loop().time())
        if len(begun) < 3:
            raise ValueError("a bug")

    with structlog.testing.capture_logs() as lines:
        working = asyncio.get_running_loop().create_task(steady.steadily(breaks))
        await asyncio.sleep(3.5)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    assert [later - earlier for earlier, later in pairwise(begun)] == [1.0] * 3
    assert [line["event"] for line in lines] == ["work_broke"] * 2
    assert "breaks" in lines[0]["work"]


@pytest.mark.parametrize(("fault", "done"), [(None, True), (ValueError("a bug"), False)])
async def test_whether_work_was_done(fault: Exception | None, done: bool) -> None:
    """Who asks for something to be done learns whether it broke."""

    async def work() -> None:
        if fault is not None:
            raise fault

    with structlog.testing.capture_logs():
        assert await steady.safely(work()) is done


async def test_cancellation_is_no_bug() -> None:
    """Who is told to stop stops."""

    async def waits() -> None:
        await asyncio.Event().wait()

    working = asyncio.get_running_loop().create_task(steady.steadily(waits))
    await asyncio.sleep(0)
    working.cancel()

    with pytest.raises(asyncio.CancelledError):
        await working


@on_virtual_time
async def test_database_that_is_away_is_asked_again() -> None:
    """Every second, until it takes what it is given."""
    asked: list[float] = []

    async def write() -> None:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) < 3:
            raise StorageError("away", reason="unavailable")

    assert await steady.insist(write) is None
    assert [later - earlier for earlier, later in pairwise(asked)] == [1.0] * 2


async def test_database_that_refuses_for_good_is_asked_once() -> None:
    """Who insists learns why."""
    refusal = StorageError("no such row", reason="conflict")

    async def write() -> None:
        raise refusal

    assert await steady.insist(write) is refusal
