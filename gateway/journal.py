"""What happened in calls, appended as it happens and handed to whoever watches; it never blocks audio.

The gateway without storage keeps nothing: a call's happenings go to the watchers that are there.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from gateway.records import CallInfo, Happening

_QUEUE_LIMIT = 1_000


class Watcher:
    """One reader of the journal, with a bounded queue: a slow one loses the oldest and is told how many.

    Attributes:
        lost: happenings that were dropped because the reader was too slow.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[CallInfo, Happening]] = asyncio.Queue(_QUEUE_LIMIT)
        self.lost = 0

    def put(self, call: CallInfo, happening: Happening) -> None:
        """Hand over one happening, dropping the oldest when the reader is behind."""
        if self._queue.full():
            self._queue.get_nowait()
            self.lost += 1
        self._queue.put_nowait((call, happening))

    async def __aiter__(self) -> AsyncIterator[tuple[CallInfo, Happening]]:
        """Yield happenings for ever, in the order they were appended."""
        while True:
            yield await self._queue.get()


class Journal:
    """Appends what happens. Lives as long as the process."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()

    def append(self, call: CallInfo, happening: Happening) -> None:
        """Tell every watcher; returns at once."""
        for watcher in self._watchers:
            watcher.put(call, happening)

    @contextmanager
    def watch(self) -> Iterator[Watcher]:
        """Watch all calls from now on."""
        watcher = Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
