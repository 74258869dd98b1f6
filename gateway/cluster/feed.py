"""The latest events of one call, and those who read along: one list, and a place in it for each reader.

No copies are made for readers, so that a call watched by hundreds costs little more than one watched by
nobody; a reader that falls too far behind is told so and leaves.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable

from gateway.cluster.interface import LiveEvent
from gateway.errors import ClusterError

KEPT = 1_000
MOST_BEHIND = 256


class Feed:
    """Lives from a call's first event or watcher until it is forgotten.

    Attributes:
        watchers: how many read it now.
    """

    def __init__(self) -> None:
        self._events: list[LiveEvent] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._backlog_seq = 0  # up to here events came as a backlog, which nobody can have read in time
        self.watchers = 0

    @property
    def last_seq(self) -> int:
        """The number of the latest event; 0 without any."""
        return self._events[-1].seq if self._events else 0

    @property
    def ended(self) -> bool:
        """Whether the last event there will be is here."""
        return bool(self._events) and self._events[-1].last

    def put(self, event: LiveEvent) -> bool:
        """Append an event; False when it, or a later one, is here already.

        After a hole only what is behind it is kept: who has not read up to the hole has missed something.
        """
        last = self.last_seq
        if event.seq <= last or self.ended:
            return False
        if event.seq != last + 1:
            self._events.clear()
        self._events.append(event)
        if len(self._events) >= 2 * KEPT:
            del self._events[:-KEPT]
        self.wake()
        return True

    def put_backlog(self, events: Iterable[LiveEvent]) -> None:
        """Append events that happened a while ago: readers may take their time over them."""
        for event in events:
            self.put(event)
        self._backlog_seq = self.last_seq

    def wake(self) -> None:
        """Let all readers look."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def read(self, after: int) -> AsyncGenerator[LiveEvent]:
        """Yield the events behind a number, each once, in order, up to the last.

        Raises:
            ClusterError: ``events_missed``, or ``slow_reader``: what was there at the start may be read at
                leisure, but what has come since must not pile up.
        """
        seq, there_at_start = after, self.last_seq
        while True:
            event = self._next(seq)
            if event is None:
                await self._changed()
                continue
            if self.last_seq - max(seq, there_at_start, self._backlog_seq) > MOST_BEHIND:
                raise ClusterError("the watcher reads too slowly", reason="slow_reader")
            seq = event.seq
            yield event
            if event.last:
                return

    def _next(self, seq: int) -> LiveEvent | None:
        if not self._events or seq >= self.last_seq:
            return None
        at = seq + 1 - self._events[0].seq
        if at < 0:
            raise _missed()
        return self._events[at]

    async def _changed(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


def _missed() -> ClusterError:
    return ClusterError("events of the call were missed; read the stored ones first", reason="events_missed")
