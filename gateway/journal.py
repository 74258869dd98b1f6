"""What happened in calls, appended as it happens and handed to whoever watches; it never blocks audio.

Nothing is kept here. Whoever keeps books is told of everything in the same breath; watchers read along at
their own pace, and lose what they are too slow for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from gateway.records import CallInfo, Happening

_QUEUE_LIMIT = 1_000

Keeper = Callable[[CallInfo, Happening], None]
"""Takes what happened; returns at once and never raises."""


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
        self._keepers: list[Keeper] = []

    def append(self, call: CallInfo, happening: Happening) -> None:
        """Tell every keeper and watcher; returns at once."""
        for keeper in self._keepers:
            keeper(call, happening)
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

    @contextmanager
    def kept_by(self, keeper: Keeper) -> Iterator[None]:
        """Have books kept of all calls until the context is left."""
        self._keepers.append(keeper)
        try:
            yield
        finally:
            self._keepers.remove(keeper)
