"""Work that begins at once."""

import asyncio
import sys

import pytest

from gateway.eagerly import eagerly


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio cannot do it before")
async def test_work_that_waits_for_nothing_is_done_on_return() -> None:
    """It takes no turn of the loop."""

    async def work() -> int:
        return 7

    task = eagerly(work())

    assert task.done()
    assert task.result() == 7


async def test_work_goes_on_as_a_task() -> None:
    """What waits is a task like any other: it ends, fails and is cancelled."""
    ready = asyncio.Event()

    async def work() -> int:
        await ready.wait()
        return 7

    async def fail() -> None:
        await ready.wait()
        raise ZeroDivisionError

    working, failing, given_up = eagerly(work()), eagerly(fail()), eagerly(work())
    given_up.cancel()
    ready.set()

    assert await working == 7
    with pytest.raises(ZeroDivisionError):
        await failing
    with pytest.raises(asyncio.CancelledError):
        await given_up


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio cannot do it before")
async def test_what_is_begun_knows_its_own_task() -> None:
    """Deadlines inside work from the first step on."""

    async def work() -> bool:
        async with asyncio.timeout(0):
            await asyncio.sleep(10)
        return True

    with pytest.raises(TimeoutError):
        await eagerly(work())
