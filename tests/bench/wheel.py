"""One heap of deadlines for all that the generator sends, kept to some ten microseconds.

The event loop's own timers count milliseconds, too coarse for frames of hundreds of calls spread over 20 ms:
while the next deadline is near the wheel spins through the loop instead of sleeping. What it spent on turns
in which nothing was done is counted, so that the generator can tell its own load from its waiting.
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush, heapreplace
from itertools import count
from time import monotonic

from tests.bench.measures import Board

Fire = Callable[[float], float | None]
"""Do what was due at a time; return when to be called again, or None."""

_NEAR_S = 0.003
_EMPTY_TURN_S = 8e-6
_MOST_AT_ONCE = 32


class Wheel:
    """Lives as long as the generator.

    Attributes:
        spun_s: CPU time spent waiting.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Fire]] = []
        self._serial = count()
        self._turned_at = 0.0
        self._stopped = False
        self.spun_s = 0.0
        self._loop.call_soon(self._turn)

    def at(self, due: float, fire: Fire) -> None:
        """Have something done at a time (seconds, monotonic)."""
        heappush(self._heap, (due, next(self._serial), fire))

    def stop(self) -> None:
        """Do nothing more."""
        self._stopped = True
        self._heap.clear()

    def _turn(self) -> None:
        heap, now = self._heap, monotonic()
        if now - self._turned_at < _EMPTY_TURN_S:
            self.spun_s += now - self._turned_at
        slip = self._board.slip
        for _ in range(_MOST_AT_ONCE):
            if not heap or heap[0][0] > now:
                break
            due, serial, fire = heap[0]
            slip.add(now - due)
            again = fire(due)
            # Nothing that fires adds a deadline: those come from what is received.
            if again is None:
                heappop(heap)
            else:
                heapreplace(heap, (again, serial, fire))
            now = monotonic()
        self._again(now)

    def _again(self, now: float) -> None:
        if self._stopped:
            return
        wait_s = self._heap[0][0] - now if self._heap else _NEAR_S
        self._turned_at = now
        if wait_s < _NEAR_S:
            self._loop.call_soon(self._turn)
        else:
            self._loop.call_later(min(wait_s - 0.002, 0.05), self._turn)
