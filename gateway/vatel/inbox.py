"""Texts a socket has received and nobody has taken yet: bounded, the peer held back when full."""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.vatel.closing import SocketClosed

_FAIR_BYTES = 64 * 1024
"""So much, about a second of audio, one reader takes before everybody else has had a turn of the loop."""


class Inbox:
    """A queue from one socket to one reader. Lives as long as the socket.

    Args:
        limit_bytes: above this many bytes waiting, the peer is held back; below half of it, let go on.
        reading: called with False to stop reading from the peer, with True to go on.

    Attributes:
        closed: how the socket ended, once it has.
        waiting_bytes: bytes of the texts that wait.
    """

    def __init__(self, limit_bytes: int, *, reading: Callable[[bool], None]) -> None:
        self._limit = limit_bytes
        self._reading = reading
        self._held = False
        self._discarding = False
        self._texts: deque[tuple[str, int]] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._taken_bytes = 0  # since the loop last had a turn
        self.closed: SocketClosed | None = None
        self.waiting_bytes = 0

    def put(self, text: str, size_bytes: int) -> None:
        """Add a text of so many bytes on the wire; after `close` or `discard` it is dropped."""
        if self.closed is not None or self._discarding:
            return
        self._texts.append((text, size_bytes))
        self.waiting_bytes += size_bytes
        if self.waiting_bytes > self._limit and not self._held:
            self._held = True
            self._reading(False)
        self._wake()

    def close(self, closed: SocketClosed) -> None:
        """End the queue; what waits can still be taken. The first end counts."""
        if self.closed is None:
            self.closed = closed
            self._wake()

    def discard(self) -> None:
        """Drop what waits and what comes, and let the peer go on: nobody will read any more."""
        self._discarding = True
        self._texts.clear()
        self.waiting_bytes = 0
        self._let_go()

    async def take(self) -> str | SocketClosed:
        """Wait for the next text, or for the end; cancelling loses nothing. One reader at a time.

        A reader that always finds something waiting still lets others have their turn.
        """
        if self._taken_bytes > _FAIR_BYTES:
            self._taken_bytes = 0
            await asyncio.sleep(0)
        while not self._texts:
            if self.closed is not None:
                return self.closed
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
                self._taken_bytes = 0
        text, size_bytes = self._texts.popleft()
        self.waiting_bytes -= size_bytes
        self._taken_bytes += size_bytes
        if self._held and self.waiting_bytes < self._limit // 2:
            self._let_go()
        return text

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._reading(True)
