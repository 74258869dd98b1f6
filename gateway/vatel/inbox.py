"""Texts of a socket on their way to who listens: in order, the short ones at once; what waits is bounded."""

from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Final

from gateway.vatel.closing import SocketClosed

SHORT_BYTES: Final = 1_000
"""Below, a text is hardly audio (15 ms of it, that is), but a word, a tool call or an interruption."""

AT_ONCE: Final = 8
AT_ONCE_BYTES: Final = 32 * 1024
"""So many texts, or bytes of them, are handed over until others have had their turn: 0.4 ms of work."""

Take = Callable[[str | SocketClosed], None]
"""Take the next text, or the end, after which nothing comes. Must not raise."""


class Inbox:
    """A way from one socket to one listener. Lives as long as the socket.

    Args:
        limit_bytes: above this many bytes waiting, the peer is held back; below half of it, let go on.
        soon: has what it is given done once others have had their turn.
        reading: called with False to stop reading from the peer, with True to go on.

    Attributes:
        closed: how the socket ended, once it has.
        waiting_bytes: bytes of the texts that wait.
    """

    def __init__(
        self,
        limit_bytes: int,
        *,
        soon: Callable[[Callable[[], None]], None],
        reading: Callable[[bool], None],
    ) -> None:
        self._limit = limit_bytes
        self._soon = soon
        self._reading = reading
        self._held = False
        self._discarding = False
        self._texts: deque[tuple[str, int]] = deque()
        self._take: Take | None = None
        self._context = Context()
        self._handed = 0  # since others had their turn
        self._handed_bytes = 0
        self._goes_on = False
        self.closed: SocketClosed | None = None
        self.waiting_bytes = 0

    def listen(self, take: Take) -> None:
        """Have what waits, and from now on what comes, taken: once all is, the end.

        What waits for its turn is taken in the context of whoever listens, but in no task.
        """
        self._take = take
        self._context = copy_context()
        self._go_on()

    def put(self, text: str, size_bytes: int) -> None:
        """Hand a text of so many bytes on the wire over; after `close` or `discard` it is dropped."""
        if self.closed is not None or self._discarding:
            return
        self._texts.append((text, size_bytes))
        self.waiting_bytes += size_bytes
        if self._take is not None:
            if size_bytes < SHORT_BYTES:
                self._hand_some()
            self._go_on_soon()
        if self.waiting_bytes > self._limit and not self._held:
            self._held = True
            self._reading(False)

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
        """Hand over some of what waits, and leave others their turn."""
        self._goes_on = False
        self._handed = self._handed_bytes = 0
        self._hand_some()
        if self._texts:
            self._go_on_soon()
        elif self.closed is not None:
            self._end()

    def _hand_some(self) -> None:
        while (
            self._take is not None
            and self._texts
            and self._handed < AT_ONCE
            and self._handed_bytes < AT_ONCE_BYTES
        ):
            text, size_bytes = self._texts.popleft()
            self.waiting_bytes -= size_bytes
            self._handed += 1
            self._handed_bytes += size_bytes
            if self._held and self.waiting_bytes < self._limit // 2:
                self._let_go()
            self._take(text)

    def _go_on_soon(self) -> None:
        if not self._goes_on:
            self._goes_on = True
            self._soon(partial(self._context.run, self._go_on))

    def _end(self) -> None:
        take, self._take = self._take, None  # who listened is let go of
        if take is not None and self.closed is not None:
            take(self.closed)

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._reading(True)
