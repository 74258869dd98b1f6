"""Pings on a socket, and the verdict when nothing answers: half-open peers are unseen without it."""

import asyncio
from collections.abc import Callable


class KeepAlive:
    """Pings at a fixed pace; anything received counts as an answer. Lives as long as its socket.

    One timer per socket, rescheduled when it fires, none per message. A peer that falls silent at any
    moment is found dead within ``interval_s + timeout_s``.

    Args:
        interval_s: from one ping to the next.
        timeout_s: how long after a ping silence means death; below ``interval_s``.
        ping: sends a ping.
        dead: called once, when the peer is dead.

    Attributes:
        heard: set True by the socket whenever anything arrives.
        deaf: True while the socket itself does not read: silence then proves nothing.
    """

    def __init__(
        self, interval_s: float, timeout_s: float, *, ping: Callable[[], None], dead: Callable[[], None]
    ) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._ping = ping
        self._dead = dead
        self._timer: asyncio.TimerHandle | None = None
        self.heard = False
        self.deaf = False

    def start(self) -> None:
        """Begin; the first ping is one interval away."""
        self._after(self._interval_s, self._ping_now)

    def stop(self) -> None:
        """Cancel the timer; safe at any time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _after(self, delay_s: float, step: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, step)

    def _ping_now(self) -> None:
        self.heard = False
        self._ping()
        self._after(self._timeout_s, self._judge)

    def _judge(self) -> None:
        if self.heard or self.deaf:
            self._after(self._interval_s - self._timeout_s, self._ping_now)
        else:
            self._timer = None
            self._dead()
