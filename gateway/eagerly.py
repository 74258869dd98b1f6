"""Work that is done at once as far as it goes, and as a task from there on."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def eagerly(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin with the work before returning, and not at the loop's next turn (from Python 3.12 on).

    Beside live calls a turn of the loop is longer than most of what is done in it. Whoever calls holds the
    task, and sees to its end.
    """
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)
