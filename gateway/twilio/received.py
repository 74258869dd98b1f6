"""How a caller's connection is read: by aiohttp, but into a queue of ours that hands texts on by itself."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import WSMessage, WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue  # aiohttp makes its own, and offers no other way in
from aiohttp.http_websocket import WebSocketReader, WebSocketWriter

from gateway.backlog import Backlog

_LEAST_CHARACTERS = 100  # for what a message takes, however short it is


class Received(WebSocketDataQueue):
    """What was received and not read yet. Lives as long as its connection.

    Args:
        protocol: the connection, which is held back while too much waits.
        limit_bytes: how much that is, half of it.
        backlog: through which texts are handed on.

    Attributes:
        hand: takes texts while somebody listens: a frame of audio that wakes a task costs a tenth more, and
            waits for all else that woke.
    """

    hand: Callable[[str], None] | None = None

    def __init__(self, protocol: web.RequestHandler, limit_bytes: int, backlog: Backlog) -> None:
        super().__init__(protocol, limit_bytes, loop=asyncio.get_running_loop())
        self._backlog = backlog

    def feed_data(self, data: WSMessage, size: int) -> None:  # type: ignore[override]  # wider than it is fed
        """Hand a message on, or have it wait; after one that waits all wait, so that order is kept."""
        if self.hand is not None and data.type is WSMsgType.TEXT and not self._buffer:
            self._backlog.add(partial(self.hand, data.data), max(len(data.data), _LEAST_CHARACTERS))
            return
        if self.hand is not None:
            self._backlog.do_all()
        super().feed_data(data, size)

    def feed_eof(self) -> None:
        """Note that nothing follows what came."""
        self._backlog.do_all()
        super().feed_eof()

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Note that the connection broke behind what came."""
        self._backlog.do_all()
        super().set_exception(exc, *cause)


class Upgrade(web.WebSocketResponse):
    """The upgrade's answer; returned by the handler once the connection is closed.

    Attributes:
        received: what comes; None before the upgrade.
    """

    received: Received | None = None

    def __init__(self, backlog: Backlog, **options: Any) -> None:
        super().__init__(**options)
        self._backlog = backlog

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter) -> None:
        """Begin to read as aiohttp does, but into our own queue."""
        self._ws_protocol, self._writer = protocol, writer
        # Held back at twice these bytes, the peer goes on below them: not before the last message that waits,
        # of any size, has been taken, else what comes then would overtake it.
        limit_bytes = 2 * self._max_msg_size
        self._reader = self.received = Received(request.protocol, limit_bytes, self._backlog)
        # Without compression, and with text as str.
        self._parser = WebSocketReader(self.received, self._max_msg_size, False, True)
        request.protocol.set_parser(self._parser)
        request.protocol.keep_alive(False)

    async def write_eof(self) -> None:  # type: ignore[override]  # as aiohttp's own
        """Let aiohttp come to its end.

        It finds the connection closed, and would keep the failure: with a traceback that keeps the answer,
        the request and the call, so that all of them would wait for the collector of cycles.
        """
        await super().write_eof()
        self._exception = None
