"""One connection that listens to all channels a node wants, and comes back when it breaks.

Whoever wants a channel says so and goes on; the channel is heard a moment later, which its taker is told, and
told again after every reconnection: what was said meanwhile it has to fetch itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from gateway.cluster.server import Server
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_PING_AFTER_S = 5.0
_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_BROKEN = (RedisError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Taker:
    """Who hears a channel.

    Attributes:
        heard: takes a message.
        listening: told when the channel is heard from now on, again after each reconnection.
    """

    heard: Callable[[bytes], None]
    listening: Callable[[], None] = lambda: None


class Listener:
    """Lives as long as the process.

    Args:
        server: whom it listens to.

    Attributes:
        connected: whether it hears anything now.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._takers: dict[str, Taker] = {}
        self._left: dict[str, Taker] = {}  # heard until the server has stopped saying it
        self._changed = asyncio.Event()
        self.connected = False

    def want(self, channel: str, taker: Taker) -> None:
        """Hear a channel from a moment later on."""
        self._takers[channel] = taker
        self._changed.set()

    def leave(self, channel: str) -> None:
        """Hear a channel no more, from a moment later on; what comes until then is still taken."""
        taker = self._takers.pop(channel, None)
        if taker is not None:
            self._left[channel] = taker
            self._changed.set()

    async def run(self) -> None:
        """Listen, and come back after every break; ends by being cancelled. Somebody has wanted a channel."""
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._listen()
            except _BROKEN as fault:
                log.warning("cluster_unheard", error=type(fault).__name__)
            if asyncio.get_running_loop().time() - began > _PING_AFTER_S:
                failures = 0
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    async def _listen(self) -> None:
        """Listen on one connection until it breaks."""
        self._left.clear()
        wanted = dict(self._takers)
        try:
            async with self._server.channels() as channels:
                await channels.subscribe(*wanted)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._hear(channels))
                    group.create_task(self._follow_wishes(channels, wanted))
        except* _BROKEN as faults:
            raise faults.exceptions[0] from None
        finally:
            self.connected = False

    async def _hear(self, channels: Any) -> None:
        asked = False
        while True:
            message = await channels.get_message(timeout=_PING_AFTER_S)
            if message is not None:
                asked = False
                self._take(message)
            elif asked:
                raise TimeoutError
            else:
                asked = True
                await channels.ping()

    async def _follow_wishes(self, channels: Any, asked: dict[str, Taker]) -> None:
        while True:
            self._changed.clear()
            wanted = dict(self._takers)
            if gone := asked.keys() - wanted.keys():
                await channels.unsubscribe(*gone)
            # A new taker of a channel that is heard already is to be told so, which the server does again.
            if new := [channel for channel, taker in wanted.items() if asked.get(channel) is not taker]:
                await channels.subscribe(*new)
            asked = wanted
            await self._changed.wait()

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode() if message["channel"] else ""
        taker = self._takers.get(channel) or self._left.get(channel)
        if message["type"] == "subscribe":
            self.connected = True
            if taker is not None:
                taker.listening()
        elif message["type"] == "unsubscribe":
            self._left.pop(channel, None)
        elif message["type"] == "message" and taker is not None:
            taker.heard(message["data"])
