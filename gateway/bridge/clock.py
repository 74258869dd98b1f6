"""One clock for all calls of the process: a heap of next deadlines and a single timer.

A call has one :class:`Alarm`. Deadlines within ``slack_s`` of each other fire together, so that the cost of
pacing grows with the pieces sent and not with timers created.
"""

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from itertools import count


class Alarm:
    """Wakes one call at one time. Lives as long as its call; made by :meth:`Clock.alarm`."""

    __slots__ = ("_clock", "on_due", "queued_at", "when")

    def __init__(self, clock: "Clock", on_due: Callable[[float], None]) -> None:
        self._clock = clock
        self.on_due = on_due
        self.when: float | None = None
        self.queued_at: float | None = None

    def set(self, when: float | None) -> None:
        """Ask to be woken at ``when`` (seconds of the loop's clock), replacing an earlier wish."""
        self.when = when
        # A call mostly puts its deadline off, ten times a second: its place in the queue, then too early,
        # is corrected once when it comes up, and not every time.
        if when is not None and (self.queued_at is None or when < self.queued_at):
            self._clock._add(when, self)


class Clock:
    """The process's clock. Lives as long as its event loop.

    Args:
        loop: the loop whose time it keeps.
        slack_s: deadlines this close to one that fires are fired with it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, slack_s: float = 0.005) -> None:
        self._loop = loop
        self._slack_s = slack_s
        self._heap: list[tuple[float, int, Alarm]] = []
        self._serial = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # uvloop's handles do not tell
        self._firing = False

    def now(self) -> float:
        """Return seconds, monotonic."""
        return self._loop.time()

    def alarm(self, on_due: Callable[[float], None]) -> Alarm:
        """Make an alarm.

        Args:
            on_due: called with the time (what was asked for is due by it, also where slack made it fire
                early); the alarm is then unset. Must not raise: see :func:`gateway.bridge.guarded.guarded`.
        """
        return Alarm(self, on_due)

    def _add(self, when: float, alarm: Alarm) -> None:
        alarm.queued_at = when
        heapq.heappush(self._heap, (when, next(self._serial), alarm))
        if not self._firing and (self._timer is None or when < self._timer_at):
            self._rearm()

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer_at = self._heap[0][0]
            # In a context of its own: what one call binds to its log lines is not another's.
            self._timer = self._loop.call_at(self._timer_at, self._fire, context=Context())

    def _fire(self) -> None:
        self._timer = None
        self._firing = True  # one timer for all that is asked for on the way
        try:
            for alarm, when in self._due(self._loop.time() + self._slack_s):
                alarm.on_due(max(when, self._loop.time()))
        finally:
            self._firing = False
            self._rearm()

    def _due(self, horizon: float) -> list[tuple[Alarm, float]]:
        """Take the alarms that are due by a time, with the times they asked for."""
        heap, due = self._heap, []
        while heap and heap[0][0] <= horizon:
            queued_at, _, alarm = heapq.heappop(heap)
            if alarm.queued_at != queued_at:
                continue  # it has an earlier place since, or had
            alarm.queued_at = None
            if (when := alarm.when) is None:
                continue
            if when > horizon:
                self._add(when, alarm)
                continue
            alarm.when = None
            due.append((alarm, when))
        return due
