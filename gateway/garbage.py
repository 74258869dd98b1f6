"""When the garbage collector comes by: often and briefly, and thoroughly when no call lives.

Left to itself it comes as soon as enough objects were made, and so in the midst of the most work: for 1 to
5 ms in a burst of tool calls, and now and then for 55 ms, all that belongs to 200 calls, while everybody's
audio waits (CPython 3.13, one core of a shared EPYC). What was made in 100 ms is looked through in 0.2 ms.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

YOUNG_EVERY_S: Final = 0.1
ALL_EVERY_QUIET_S: Final = 60.0
ALL_EVERY_S: Final = 600.0
MOST_OBJECTS: Final = 1_000_000
"""All is looked through once so many have outlived a look: in a flood long before the ten minutes."""

_YOUNG, _AGED = 0, 1


class _Turns:
    """Takes the collector's turns. Lives from :meth:`take` to :meth:`end`."""

    def __init__(self, live: Callable[[], int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._live = live
        self._all_at = self._loop.time()
        self._grown_old = 0  # objects, since then
        self._next: asyncio.TimerHandle | None = None

    def take(self) -> None:
        """Collect what is due, and again a little later."""
        if self._is_all_due():
            self._take_all()
        else:
            gc.collect(_YOUNG)
            self._grown_old += len(gc.get_objects(_AGED))
            gc.collect(_AGED)  # now: the more of them, the longer it takes
        self._next = self._loop.call_later(YOUNG_EVERY_S, self.take)

    def _is_all_due(self) -> bool:
        every_s = ALL_EVERY_S if self._live() else ALL_EVERY_QUIET_S
        return self._grown_old > MOST_OBJECTS or self._loop.time() - self._all_at >= every_s

    def _take_all(self) -> None:
        gc.collect()
        self._all_at, self._grown_old = self._loop.time(), 0

    def end(self) -> None:
        """Take no more."""
        if self._next is not None:
            self._next.cancel()


@contextmanager
def collected(live: Callable[[], int]) -> Iterator[None]:
    """Say when the collector comes by, in place of Python; to be entered in a running loop.

    What exists at the begin is not looked at until the end. While calls live, all the rest is looked through
    once in ten minutes, or when much has grown old: what only that can free has a bound.

    Args:
        live: how many calls a long look would hold up.
    """
    turns = _Turns(live)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        turns.take()
        yield
    finally:
        turns.end()
        gc.enable()
        gc.unfreeze()  # else the last calls' resamplers stay to the end, and their library calls them leaks
