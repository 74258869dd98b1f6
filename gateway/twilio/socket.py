"""The caller's socket: an aiohttp WebSocket that is read as messages and written without waiting.

Audio must never wait in a task for a slow peer, so ``send`` writes its frame straight to the transport and
says no when too much is queued already. All writing is done here, pongs and close frames too: aiohttp only
reads.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final, cast

from aiohttp import EofStream, WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.http_websocket import WebSocketError

from gateway.backlog import Backlog
from gateway.twilio.received import Upgrade

MAX_MESSAGE_BYTES: Final = 65_536
LIMIT_BYTES: Final = 32_768
"""Unsent bytes above which ``send`` says no: about 2.5 s of audio, beside what the kernel holds."""

_TEXT, _CLOSE, _PONG = 0x81, 0x88, 0x8A
_NO_STATUS = 1005
_MAX_PINGS = 100
_SEND_BUFFER_BYTES = 32_768
_USER_TIMEOUT_MS = 5_000
# Only this module writes, and it asks before it does: the transport's own mark must never make aiohttp's
# closing wait for a peer that does not read.
_NEVER_PAUSE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """The socket is closed.

    Attributes:
        code: the close code of the side that closed first; 1005 when it gave none, 1006 when the connection
            was lost (https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1).
        reason: the peer's words, or our slug: ``lost``, ``binary``, ``ping_flood``, ``protocol_error`` ...
    """

    code: int
    reason: str


async def prepare(
    request: web.Request,
    backlog: Backlog,
    *,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    limit_bytes: int = LIMIT_BYTES,
    close_timeout_s: float = 1.0,
) -> "CallerSocket":
    """Answer an upgrade with neither subprotocol nor extension, and tune the connection for voice.

    Return ``CallerSocket.response`` from the handler.

    Args:
        backlog: where texts wait for their turn; all sockets of the loop share one.

    Raises:
        aiohttp.web.HTTPBadRequest: the request is no WebSocket handshake.
        ConnectionResetError: the peer has gone.
    """
    response = Upgrade(
        backlog,
        autoclose=False,
        autoping=False,
        compress=False,
        # aiohttp refuses a message of exactly this size.
        max_msg_size=max_message_bytes + 1,
        timeout=close_timeout_s,
    )
    try:
        await response.prepare(request)
    except ValueError:
        # aiohttp decodes a key of other than ASCII characters unchecked.
        raise web.HTTPBadRequest(text="Sec-WebSocket-Key must be base64") from None
    return CallerSocket(request, response, limit_bytes=limit_bytes, close_timeout_s=close_timeout_s)


class CallerSocket:
    """One caller's connection; lives from the upgrade to the close.

    Attributes:
        response: what the handler returns to aiohttp.
    """

    def __init__(
        self,
        request: web.Request,
        response: Upgrade,
        *,
        limit_bytes: int = LIMIT_BYTES,
        close_timeout_s: float = 1.0,
    ) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the caller has gone")
        assert response.received is not None, "aiohttp begins to read in some other way"
        self.response = response
        self._received = response.received
        self._transport = cast(asyncio.WriteTransport, transport)
        self._limit_bytes = limit_bytes
        self._close_timeout_s = close_timeout_s
        self._closing: SocketClosed | None = None
        self._ended = False
        self._pings = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._transport.set_write_buffer_limits(high=_NEVER_PAUSE_BYTES)
        _tune(self._transport)

    @property
    def queued_bytes(self) -> int:
        """Measure what waits in this process for a slow peer."""
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    def send(self, text: str, *, urgent: bool = False) -> bool:
        """Write one text frame now; return False, writing nothing, if the queue is full or the end has begun.

        What is urgent (marks and ``clear``: small and rare) is written even when the queue is full.
        """
        transport = self._transport
        if self._closing is not None or transport.is_closing():
            return False
        if not urgent and transport.get_write_buffer_size() > self._limit_bytes:
            return False
        transport.write(_frame(_TEXT, text.encode()))
        return True

    async def listen(self, take: Callable[[str], None]) -> SocketClosed:
        """Have every text taken, in its turn of the backlog, until the socket is closed.

        To be called once: what waits when it is cancelled is thrown away.

        Args:
            take: must not raise. Called in the context of whoever listens, but in no task.
        """
        context = copy_context()

        def hand(text: str) -> None:
            if self._closing is None and self._received.hand is not None:
                self._pings = 0
                context.run(take, text)

        self._received.hand = hand
        try:
            while not isinstance(received := await self.receive(), SocketClosed):
                take(received)
        finally:
            self._received.hand = None
        return received

    async def receive(self) -> str | SocketClosed:
        """Wait for the next text; once the socket is closed, say so every time.

        A binary frame closes with 1003, a message beyond the limit with 1009, broken UTF-8 with 1007, any
        other breach of RFC 6455 with 1002, more than 100 pings between two texts with 1008.
        """
        while not self._idle.is_set():
            await self._idle.wait()
        self._idle.clear()
        try:
            while not self._ended:
                message = await self._next()
                if message.type is WSMsgType.TEXT and self._closing is None:
                    self._pings = 0
                    return cast(str, message.data)
                self._handle(message)
        finally:
            self._idle.set()
        return self._closing or _LOST

    async def _next(self) -> WSMessage:
        """Take the next message straight from aiohttp's queue.

        What its ``receive`` does beyond that, answering pings and closes, is done here; for the ends it
        knows better it is asked.
        """
        try:
            return cast(WSMessage, await self._received.read())
        except (WebSocketError, EofStream, RuntimeError):
            return await self.response.receive()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, wait up to ``close_timeout_s`` for the answer, and close the connection.

        What the peer still sends is thrown away. A ``receive`` that waits in another task returns.
        """
        # A connection that is going already has its own end, which may wait to be read.
        if not self._transport.is_closing():
            self._begin_close(SocketClosed(code, reason))
        while not self._ended:
            await self.receive()

    def _handle(self, message: WSMessage) -> None:
        """Act on everything that is not a text to be read."""
        match message.type:
            case WSMsgType.PING:
                self._answer_ping(message.data)
            case WSMsgType.PONG | WSMsgType.TEXT:
                pass
            case WSMsgType.BINARY:
                self._begin_close(SocketClosed(WSCloseCode.UNSUPPORTED_DATA, "binary"))
            case WSMsgType.CLOSE:
                self._begin_close(SocketClosed(message.data or _NO_STATUS, message.extra or ""))
                self._end()
            case WSMsgType.ERROR:
                self._closing = self._closing or _breach(message.data)
                self._end()
            case _:
                self._closing = self._closing or _LOST
                self._end()

    def _answer_ping(self, data: bytes) -> None:
        self._pings += 1
        if self._pings > _MAX_PINGS:
            self._begin_close(SocketClosed(WSCloseCode.POLICY_VIOLATION, "ping_flood"))
        elif self._closing is None and not self._is_full():
            self._transport.write(_frame(_PONG, data))

    def _is_full(self) -> bool:
        transport = self._transport
        return transport.is_closing() or transport.get_write_buffer_size() > self._limit_bytes

    def _begin_close(self, closed: SocketClosed) -> None:
        """Send the close frame, or answer the peer's, and bound how long the rest may take."""
        if self._closing is not None:
            return
        self._closing = closed
        if not self._transport.is_closing():
            self._transport.write(_frame(_CLOSE, _close_payload(closed)))
            # Closing flushes what is queued, which a peer that does not read would hold up for ever.
            asyncio.get_running_loop().call_later(self._close_timeout_s, self._transport.abort)

    def _end(self) -> None:
        self._ended = True
        self._transport.close()


_LOST = SocketClosed(WSCloseCode.ABNORMAL_CLOSURE, "lost")
_BREACHES: dict[int, str] = {
    WSCloseCode.PROTOCOL_ERROR: "protocol_error",
    WSCloseCode.INVALID_TEXT: "bad_utf8",
    WSCloseCode.MESSAGE_TOO_BIG: "too_big",
}


def _breach(error: object) -> SocketClosed:
    """Name why aiohttp gave the connection up; by then it has sent the close frame itself."""
    if isinstance(error, WebSocketError):
        return SocketClosed(int(error.code), _BREACHES.get(error.code, "protocol_error"))
    return _LOST


def _frame(head: int, payload: bytes) -> bytes:
    """Write one final, unmasked frame (https://www.rfc-editor.org/rfc/rfc6455#section-5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", head, 126, size) + payload
    return struct.pack("!BBQ", head, 127, size) + payload


def _close_payload(closed: SocketClosed) -> bytes:
    """Write code and reason, at most 125 bytes; 1005 stands for a close without a code and is never sent."""
    if closed.code == _NO_STATUS:
        return b""
    return struct.pack("!H", closed.code) + closed.reason.encode("ascii", "replace")[:123]


def _tune(transport: asyncio.WriteTransport) -> None:
    """Send at once, queue little in the kernel, and give a silent peer up after 5 s, where the system can."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    options = [
        (socket.IPPROTO_TCP, getattr(socket, "TCP_NODELAY", None), 1),
        (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", None), _USER_TIMEOUT_MS),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES),
    ]
    for level, option, value in options:
        if option is not None:
            # The peer may have gone already, and a Unix socket knows no TCP options.
            with suppress(OSError):
                connection.setsockopt(level, option, value)
