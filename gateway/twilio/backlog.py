"""Callers' messages wait until the network has been read: what is rarer goes first.

A turn of the event loop handles all that the network has brought, in the order in which it came. Behind a
pause of the machine that is a hundred frames of audio: 5 ms before an interruption or a tool's answer that
came last is even read, and as long again for what comes of it. So callers' messages, by far the most, are
read, and handled behind all else, in small pieces over the turns that follow. (One after the other they also
cost less than in between: 6 % of all the CPU at 200 calls.)
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

MOST: Final = 400
"""Messages that wait at most, some 15 ms of work: one more, and all are handled before any other is read."""

PIECE_S: Final = 0.0005
"""How long messages are handled until the network is read again."""


class Backlog:
    """Lives as long as its loop, on which it is made; shared by all callers' connections."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Callable[[str], None], str]] = deque()

    def add(self, take: Callable[[str], None], text: str) -> None:
        """Have a message taken soon, after all that were added before it.

        Args:
            take: must not raise.
            text: the message.
        """
        waiting = self._waiting
        waiting.append((take, text))
        if len(waiting) == 1:
            self._loop.call_soon(self._go_on)
        elif len(waiting) > MOST:
            self.settle()

    def settle(self) -> None:
        """Have all that waits taken now: something comes that must not overtake it."""
        waiting = self._waiting
        while waiting:
            take, text = waiting.popleft()
            take(text)

    def _go_on(self) -> None:
        waiting, until = self._waiting, monotonic() + PIECE_S
        try:
            while waiting:
                take, text = waiting.popleft()
                take(text)
                if monotonic() > until:
                    break
        finally:
            if waiting:
                self._loop.call_soon(self._go_on)
