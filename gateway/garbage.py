"""When the garbage collector comes by: often and briefly, and thoroughly when no call lives.

Left to itself it comes as soon as enough objects were made, and so in the midst of the most work: for 1 to
5 ms in a burst of tool calls, and now and then for 55 ms, all that belongs to 200 calls, while everybody's
audio waits (CPython 3.13, one core of a shared EPYC). What was made in 100 ms is looked through in 0.2 ms.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

YOUNG_EVERY_S = 0.1
ALL_EVERY_QUIET_S = 60.0
ALL_EVERY_S = 600.0


class _Turns:
    """Takes the collector's turns. Lives from :meth:`take` to :meth:`end`."""

    def __init__(self, live: Callable[[], int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._live = live
        self._all_at = self._loop.time()
        self._next: asyncio.TimerHandle | None = None

    def take(self) -> None:
        """Collect what is due, and again a little later."""
        now = self._loop.time()
        if now - self._all_at >= (ALL_EVERY_S if self._live() else ALL_EVERY_QUIET_S):
            self._all_at = now
            gc.collect()
        else:
            gc.collect(1)
        self._next = self._loop.call_later(YOUNG_EVERY_S, self.take)

    def end(self) -> None:
        """Take no more."""
        if self._next is not None:
            self._next.cancel()


@contextmanager
def collected(live: Callable[[], int]) -> Iterator[None]:
    """Say when the collector comes by, in place of Python; to be entered in a running loop.

    What exists at the begin is not looked at until the end.

    Args:
        live: how many calls a long pause would hold up. While there are some, the old is looked through once
            in ten minutes, so that what only it can free has a bound.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    turns = _Turns(live)
    turns.take()
    try:
        yield
    finally:
        turns.end()
        gc.enable()
        gc.unfreeze()  # else the last calls' resamplers stay to the end, and their library calls them leaks
