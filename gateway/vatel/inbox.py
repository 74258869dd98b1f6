"""Texts of a socket on their way to who listens: at once, in order; those that must wait are bounded."""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.vatel.closing import SocketClosed

_FAIR_BYTES = 64 * 1024
"""So much, about a second of audio, is handed over before everybody else has had a turn of the loop."""

Take = Callable[[str | SocketClosed], None]
"""Take the next text, or the end, after which nothing comes. Must not raise."""


class Inbox:
    """A way from one socket to one listener. Lives as long as the socket.

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
        self._take: Take | None = None
        self._handed_bytes = 0  # since the loop last had a turn, and perhaps for longer
        self._goes_on = False
        self.closed: SocketClosed | None = None
        self.waiting_bytes = 0

    def listen(self, take: Take) -> None:
        """Have what waits, and from now on what comes, taken: once all is, the end."""
        self._take = take
        self._go_on()

    def put(self, text: str, size_bytes: int) -> None:
        """Hand a text of so many bytes on the wire over; after `close` or `discard` it is dropped."""
        if self.closed is not None or self._discarding:
            return
        if self._take is not None and not self._texts and self._handed_bytes < _FAIR_BYTES:
            self._handed_bytes += size_bytes
            self._take(text)
            return
        self._texts.append((text, size_bytes))
        self.waiting_bytes += size_bytes
        if self.waiting_bytes > self._limit and not self._held:
            self._held = True
            self._reading(False)
        self._go_on_soon()

    def close(self, closed: SocketClosed) -> None:
        """Say how it ended; what waits is taken before. The first end counts."""
        if self.closed is None:
            self.closed = closed
            if not self._texts:
                self._end()

    def discard(self) -> None:
        """Drop what waits and what comes, and let the peer go on: nobody wants to hear any more."""
        self._discarding = True
        self._texts.clear()
        self.waiting_bytes = 0
        self._let_go()

    def _go_on(self) -> None:
        """Hand over what waits, but leave others their turn."""
        self._goes_on = False
        self._handed_bytes = 0
        while self._texts and self._take is not None and self._handed_bytes < _FAIR_BYTES:
            text, size_bytes = self._texts.popleft()
            self.waiting_bytes -= size_bytes
            self._handed_bytes += size_bytes
            if self._held and self.waiting_bytes < self._limit // 2:
                self._let_go()
            self._take(text)
        if self._texts:
            self._go_on_soon()
        elif self.closed is not None:
            self._end()

    def _go_on_soon(self) -> None:
        if self._take is not None and not self._goes_on:
            self._goes_on = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _end(self) -> None:
        take, self._take = self._take, None  # who listened is let go of
        if take is not None and self.closed is not None:
            take(self.closed)

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._reading(True)
