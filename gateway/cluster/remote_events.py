"""Live events over the server: a channel for who listens, a stream for who comes late or missed some.

What this node publishes reaches its own watchers at once, by way of its hub, and the server a moment later.
While the server is away events wait in a bounded queue; watchers on other nodes are held up, or told what
they missed when they come back, and the call notices nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from redis.asyncio import Redis

from gateway.cluster import wire
from gateway.cluster.feed import KEPT, Feed
from gateway.cluster.hub import Hub
from gateway.cluster.interface import LiveEvent
from gateway.cluster.listener import Listener, Taker
from gateway.cluster.server import Server, stop_if_cancelled
from gateway.errors import ClusterError
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_MOST_UNSENT = 10_000
_BATCH = 200
_KEPT_S = 6 * 3600  # longer than any call
_KEPT_AFTER_END_S = 300  # a node that the server was away for may come back for it
_RETRY_S = 0.5


class RemoteEvents:
    """Lives as long as the process.

    Args:
        server: between the nodes.
        listener: hears what others publish.

    Attributes:
        unsent: events that other nodes never got, because the server was away for too long.
    """

    def __init__(self, server: Server, listener: Listener) -> None:
        self._server = server
        self._listener = listener
        self._hub = Hub()
        self._following: dict[str, _Following] = {}
        self._outbox: deque[tuple[str, LiveEvent]] = deque()
        self._something = asyncio.Event()
        self._to_fill: deque[_Following] = deque()
        self._fill_some = asyncio.Event()
        self.unsent = 0

    def publish(self, call_id: str, event: LiveEvent) -> None:
        """Tell all watchers of a call, here and elsewhere."""
        self._hub.publish(call_id, event)
        if len(self._outbox) >= _MOST_UNSENT:
            self._outbox.popleft()
            self.unsent += 1
        self._outbox.append((call_id, event))
        self._something.set()

    @asynccontextmanager
    async def watch(self, call_id: str, after: int = 0) -> AsyncIterator[AsyncIterator[LiveEvent]]:
        """Watch a call that lives on any node."""
        async with self._hub.watch(call_id, after) as events:
            following = self._following.get(call_id) or self._follow(call_id)
            following.watchers += 1
            try:
                yield events
            finally:
                following.watchers -= 1
                if not following.watchers:
                    del self._following[call_id]
                    self._listener.leave(following.channel)

    def _follow(self, call_id: str) -> "_Following":
        channel = self._server.key("call", call_id, "events")
        following = _Following(call_id, channel, self._hub.feed(call_id), self._fill)
        self._following[call_id] = following
        self._listener.want(channel, Taker(following.heard, following.incomplete))
        return following

    def _fill(self, following: "_Following") -> None:
        self._to_fill.append(following)
        self._fill_some.set()

    async def last_seq(self, call_id: str) -> int:
        """Return the highest number told of a call, by any node.

        Raises:
            ClusterError: ``unavailable``.
        """
        stream = self._stream(call_id)
        latest: Any = await self._server.ask(lambda client: client.xrevrange(stream, count=1))
        kept = _seq_of(latest[0][0]) if latest else 0
        return max(kept, await self._hub.last_seq(call_id))

    async def run(self) -> None:
        """Send what is published here and fetch what is missing; ends by being cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_all())
            group.create_task(self._fill_all())

    async def _send_all(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._outbox:
                batch = [self._outbox.popleft() for _ in range(min(_BATCH, len(self._outbox)))]
                try:
                    await self._server.ask(partial(self._send, batch))
                except ClusterError:
                    self._put_back(batch)
                    await asyncio.sleep(_RETRY_S)
                stop_if_cancelled()

    def _put_back(self, batch: list[tuple[str, LiveEvent]]) -> None:
        """Keep what was not sent; sent twice it counts once, since the stream refuses a number it has."""
        self._outbox.extendleft(reversed(batch))
        while len(self._outbox) > _MOST_UNSENT:
            self._outbox.popleft()
            self.unsent += 1

    async def _send(self, batch: list[tuple[str, LiveEvent]], client: Redis) -> None:
        async with client.pipeline(transaction=False) as pipeline:
            for call_id, event in batch:
                note = wire.write(wire.EventNote(event.seq, event.body, event.last))
                stream = self._stream(call_id)
                pipeline.xadd(stream, {"n": note}, id=f"{event.seq}-0", maxlen=KEPT, approximate=True)
                pipeline.expire(stream, _KEPT_AFTER_END_S if event.last else _KEPT_S)
                pipeline.publish(self._server.key("call", call_id, "events"), note)
            await pipeline.execute(raise_on_error=False)

    def _stream(self, call_id: str) -> str:
        return self._server.key("call", call_id, "kept")

    async def _fill_all(self) -> None:
        while True:
            await self._fill_some.wait()
            self._fill_some.clear()
            while self._to_fill:
                following = self._to_fill.popleft()
                try:
                    following.fill(await self._kept(following))
                except ClusterError:
                    self._to_fill.append(following)
                    await asyncio.sleep(_RETRY_S)
                stop_if_cancelled()

    async def _kept(self, following: "_Following") -> list[LiveEvent]:
        if self._following.get(following.call_id) is not following:
            return []  # nobody watches it any more
        first = f"{following.last_seq + 1}-0"
        stream = self._stream(following.call_id)
        found: Any = await self._server.ask(lambda client: client.xrange(stream, min=first))
        notes = (wire.read(fields.get(b"n", b""), wire.EventNote) for _, fields in found)
        return [LiveEvent(note.s, note.b, note.l) for note in notes if note is not None]


class _Following:
    """A call of another node that is watched here. Lives as long as it has watchers.

    What the channel brings is passed on while it has no hole; otherwise the stream is read first.
    """

    def __init__(self, call_id: str, channel: str, feed: Feed, fill: "Callable[[_Following], None]") -> None:
        self.call_id = call_id
        self.channel = channel
        self.watchers = 0
        self._feed = feed
        self._ask_fill = fill
        self._early: dict[int, LiveEvent] | None = {}  # None while nothing is missing

    @property
    def last_seq(self) -> int:
        """The number of the latest event that is here."""
        return self._feed.last_seq

    def incomplete(self) -> None:
        """Note that something may have been missed."""
        self._early = self._early or {}
        self._ask_fill(self)

    def heard(self, data: bytes) -> None:
        """Take a message of the channel."""
        note = wire.read(data, wire.EventNote)
        if note is None:
            return
        event = LiveEvent(note.s, note.b, note.l)
        if self._early is not None:
            if len(self._early) < KEPT:
                self._early[event.seq] = event
        elif event.seq > self.last_seq + 1:
            self._early = {event.seq: event}
            self._ask_fill(self)
        else:
            self._feed.put(event)

    def fill(self, kept: list[LiveEvent]) -> None:
        """Take what the stream had, then what came meanwhile."""
        early, self._early = self._early or {}, None
        self._feed.put_backlog([*kept, *(early[seq] for seq in sorted(early))])


def _seq_of(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
