"""What goes on beside the calls: a bug in it is said, and costs no call."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

from gateway.errors import StorageError
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

Work = Callable[[], Coroutine[None, None, None]]

_START_AGAIN_S = 1.0
_ASK_AGAIN_S = 1.0


async def steadily(work: Work) -> None:
    """Do what never ends, from the beginning again when it breaks; ends by being cancelled."""
    while True:
        await safely(work())
        await asyncio.sleep(_START_AGAIN_S)


async def safely(work: Coroutine[None, None, None]) -> bool:
    """Do something; False when it broke, which is a bug of ours."""
    try:
        await work
    except Exception as bug:  # outermost frame of all that goes on beside the calls
        log.error("work_broke", work=getattr(work, "__qualname__", "?"), exc_info=bug)
        return False
    return True


async def insist(work: Callable[[], Awaitable[object]]) -> StorageError | None:
    """Do something in the database, however often it takes; return why that cannot be done, if it cannot."""
    while True:
        try:
            await work()
        except StorageError as fault:
            if not fault.passing:
                return fault
            await asyncio.sleep(_ASK_AGAIN_S)
        else:
            return None
