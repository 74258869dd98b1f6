"""Callers' messages wait until the network has been read: what is rarer goes first.

A turn of the event loop handles all that the network has brought, in the order in which it came. Behind a
pause of the machine that is a hundred frames of audio: 5 ms before an interruption or a tool's answer that
came last is even read, and as long again for what comes of it. So callers' messages, by far the most, are
read, and then handled in small pieces, one in each turn that follows. (One after the other they also cost
less than in between: 6 % of all the CPU at 200 calls.)
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

MOST_CHARACTERS: Final = 160_000
"""Of what waits, some 400 frames or 15 ms of work: with more, all is handled before anything else is read."""

PIECE_S: Final = 0.0005
"""How long messages are handled until the network is read again."""

LATE_S: Final = 0.01
"""Once some have waited for so long, they get as much time as all else: with less, they would only grow."""


class Backlog:
    """Lives as long as its loop, on which it is made; shared by all callers' connections."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Callable[[str], None], str]] = deque()
        self._characters = 0
        self._since = 0.0  # when the first came of those that wait
        self._left_at: float | None = None  # when a piece was left to the next turn; None while none is

    def add(self, take: Callable[[str], None], text: str) -> None:
        """Have a message taken soon, after all that were added before it.

        Args:
            take: must not raise.
            text: the message.
        """
        self._waiting.append((take, text))
        self._characters += len(text)
        if self._characters > MOST_CHARACTERS:
            self.take_all()
        elif self._left_at is None:
            self._since = self._leave()

    def take_all(self) -> None:
        """Have all that waits taken now: something comes that must not overtake it."""
        while self._waiting:
            self._take_one()

    def _take_one(self) -> None:
        take, text = self._waiting.popleft()
        self._characters -= len(text)
        take(text)

    def _leave(self) -> float:
        self._left_at = monotonic()
        self._loop.call_soon(self._take_piece)
        return self._left_at

    def _take_piece(self) -> None:
        assert self._left_at is not None
        now = monotonic()
        until = now + (max(PIECE_S, now - self._left_at) if now - self._since > LATE_S else PIECE_S)
        self._left_at = None
        while self._waiting:
            self._take_one()
            if monotonic() > until:
                break
        if self._waiting and self._left_at is None:
            self._leave()
