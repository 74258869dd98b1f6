"""Audio waits until the network has been read: what is rarer goes first.

A turn of the event loop handles all that the network has brought, in the order in which it came. Behind a
pause of the machine that is a hundred frames of audio: 5 ms before an interruption or a tool's answer that
came last is even read, and as long again for what comes of it. So callers' messages and agents' audio, by far
the most, are read, and then handled in small pieces, one in each turn that follows. (One after the other they
also cost less than in between: 6 % of all the CPU at 200 calls.)
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

MOST_CHARACTERS: Final = 160_000
"""Of what waits, some 400 frames or 15 ms of work: with more, all is handled before anything else is read."""

PIECE_S: Final = 0.0005
"""How long work is done until the network is read again."""

LATE_S: Final = 0.01
"""Once some has waited for so long, it gets as much time as all else: with less, it would only grow."""


class Backlog:
    """Lives as long as its loop, on which it is made; shared by all connections."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Callable[[], None], int, float]] = deque()
        self._characters = 0
        self._left_at: float | None = None  # when a piece was left to the next turn; None while none is

    def add(self, work: Callable[[], None], characters: int = 0) -> None:
        """Have some work done soon, after all that was added before it.

        Args:
            work: must not raise.
            characters: how much it holds; 0 for what has a bound elsewhere.
        """
        self._waiting.append((work, characters, monotonic()))
        self._characters += characters
        if self._characters > MOST_CHARACTERS:
            self.do_all()
        elif self._left_at is None:
            self._leave()

    def do_all(self) -> None:
        """Do all that waits now, but not what comes of it: something comes that must not overtake it."""
        for _ in range(len(self._waiting)):
            if self._waiting:  # none is left once one of them has had all done
                self._do_one()

    def _do_one(self) -> None:
        work, characters, _ = self._waiting.popleft()
        self._characters -= characters
        work()

    def _leave(self) -> None:
        self._left_at = monotonic()
        self._loop.call_soon(self._do_piece)

    def _do_piece(self) -> None:
        now, length_s = monotonic(), PIECE_S
        if self._waiting and now - self._waiting[0][2] > LATE_S:
            assert self._left_at is not None
            length_s = max(length_s, now - self._left_at)
        while self._waiting and monotonic() - now <= length_s:
            self._do_one()
        self._left_at = None
        if self._waiting:
            self._leave()
