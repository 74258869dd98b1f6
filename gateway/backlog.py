"""Audio waits until the network has been read: what is rarer goes first.

A turn of the event loop handles all that the network has brought, in the order in which it came. Behind a
pause of the machine that is a hundred frames of audio: 5 ms before an interruption or a tool's answer that
came last is even read, and as long again for what comes of it. So callers' messages and agents' audio, by far
the most, are read, and then handled in small pieces, one in each turn that follows. (Callers' messages also
cost less one after the other than in between: 6 % of all the CPU at 200 calls.)
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

MOST_CHARACTERS: Final = 160_000
"""Of callers' messages, some 400 frames or 15 ms of work: with more, all are handled before any is read."""

PIECE_S: Final = 0.0005
"""How long work is done until the network is read again."""

LATE_S: Final = 0.01
"""Once some has waited for so long, it gets a tenth of that, and as much time as all else: with less, a busy
process would fall behind more and more."""

LATE_PIECE_S: Final = 0.002
"""But while all else takes less, no more than this: one socket's flood is not everybody's wait."""

_Work = tuple[Callable[[], None], int, float]
"""What is to be done, how many characters it holds, and when it came, or that which it came of."""


class Backlog:
    """Lives as long as its loop, on which it is made; shared by all connections."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Work] = deque()
        self._characters = 0
        self._since: float | None = None  # when that came which is being done; None while nothing is
        self._left_at: float | None = None  # when a piece was left to the next turn; None while none is

    def add(self, work: Callable[[], None], characters: int = 0) -> None:
        """Have some work done soon, after all that was added before it.

        Args:
            work: must not raise, nor have all done. What it adds is late as soon as it is itself.
            characters: how much it holds; 0 only for what has a bound elsewhere, and may be overtaken.
        """
        since = monotonic() if self._since is None else self._since
        self._waiting.append((work, characters, since))
        self._characters += characters
        if self._characters > MOST_CHARACTERS:
            self.do_all()
        elif self._left_at is None:
            self._leave()

    def do_all(self) -> None:
        """Do now all that holds characters: something comes that must not overtake it."""
        for _ in range(len(self._waiting)):
            _, characters, _ = self._waiting[0]
            if characters:
                self._do_one()
            else:
                self._waiting.rotate(-1)

    def _do_one(self) -> None:
        work, characters, self._since = self._waiting.popleft()
        self._characters -= characters
        try:
            work()
        finally:
            self._since = None

    def _leave(self) -> None:
        self._left_at = monotonic()
        self._loop.call_soon(self._do_piece)

    def _do_piece(self) -> None:
        assert self._left_at is not None
        now, length_s = monotonic(), PIECE_S
        waited_s = now - self._waiting[0][2] if self._waiting else 0.0
        if waited_s > LATE_S:
            length_s = max(min(waited_s / 10, LATE_PIECE_S), now - self._left_at)
        try:
            while self._waiting and monotonic() - now <= length_s:
                self._do_one()
        finally:
            self._left_at = None
            if self._waiting:
                self._leave()
