"""Live events within one process: a feed for each call that has been heard of."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from gateway.cluster.feed import Feed
from gateway.cluster.interface import LiveEvent

KEPT_AFTER_END_S = 60.0  # for who took the call for live a moment ago; all of it is stored
_IDLE_S = 6 * 3600.0  # longer than any call: who never told its last event is gone


class Hub:
    """Lives as long as the process.

    Args:
        now: seconds, monotonic; the loop's clock by default.
    """

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._feeds: dict[str, Feed] = {}
        self._forget_at: dict[str, float] = {}  # in the order of the last event, not of the times
        self._swept_at = 0.0

    def __len__(self) -> int:
        """Count the calls on the books."""
        return len(self._feeds)

    def publish(self, call_id: str, event: LiveEvent) -> None:
        """Tell all watchers of a call."""
        now = self._now()
        self._sweep(now)
        self.feed(call_id).put(event)
        self._forget_at[call_id] = now + (KEPT_AFTER_END_S if event.last else _IDLE_S)

    def feed(self, call_id: str) -> Feed:
        """Return a call's feed; made when there is none."""
        return self._feeds.setdefault(call_id, Feed())

    def known(self, call_id: str) -> Feed | None:
        """Return a call's feed if there is one."""
        return self._feeds.get(call_id)

    @asynccontextmanager
    async def watch(self, call_id: str, after: int = 0) -> AsyncIterator[AsyncIterator[LiveEvent]]:
        """Watch a call."""
        feed = self.feed(call_id)
        feed.watchers += 1
        try:
            async with aclosing(feed.read(after)) as events:
                yield events
        finally:
            feed.watchers -= 1
            if not feed.watchers and call_id not in self._forget_at:
                self._feeds.pop(call_id, None)  # nothing was ever told here

    async def last_seq(self, call_id: str) -> int:
        """Return the highest number told of a call."""
        feed = self._feeds.get(call_id)
        return feed.last_seq if feed else 0

    def _sweep(self, now: float) -> None:
        """Forget, once a second at most, the calls whose time is over and that nobody watches."""
        if now - self._swept_at < 1.0:
            return
        self._swept_at = now
        for call_id in [call_id for call_id, at in self._forget_at.items() if at <= now]:
            if not self._feeds[call_id].watchers:
                del self._feeds[call_id], self._forget_at[call_id]
