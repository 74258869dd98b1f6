"""One connection that listens to all channels a node wants, and comes back when it breaks.

Whoever wants a channel says so and goes on; the channel is heard a moment later, which its taker is told, and
told again after every reconnection: what was said meanwhile it has to fetch itself.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from gateway.cluster.server import Server, stop_if_cancelled
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
        self._asked: dict[str, Taker] = {}  # what this connection was asked to bring
        self._channels: Any = None
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
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stay_connected())
            group.create_task(self._follow_wishes())

    async def _stay_connected(self) -> None:
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
        self._asked.clear()
        async with self._server.channels() as channels:
            try:
                await self._ask_for_changes(channels)
                self._channels = channels
                self._changed.set()  # for what was wanted meanwhile
                await self._hear(channels)
            finally:
                self._channels = None
                self.connected = False

    async def _hear(self, channels: Any) -> None:
        pinged = False
        while True:
            message = await channels.get_message(timeout=_PING_AFTER_S)
            stop_if_cancelled()
            if message is not None:
                pinged = False
                self._take(message)
            elif pinged:
                raise TimeoutError
            else:
                pinged = True
                await channels.ping()

    async def _follow_wishes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._channels is not None:
                with suppress(*_BROKEN):  # who hears notices it too, and asks for everything again
                    await self._ask_for_changes(self._channels)
            stop_if_cancelled()

    async def _ask_for_changes(self, channels: Any) -> None:
        wanted, asked = dict(self._takers), self._asked
        self._asked = wanted
        if gone := asked.keys() - wanted.keys():
            await channels.unsubscribe(*gone)
        # A new taker of a channel that is heard already is to be told so, which the server does again.
        if new := [channel for channel, taker in wanted.items() if asked.get(channel) is not taker]:
            await channels.subscribe(*new)

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
