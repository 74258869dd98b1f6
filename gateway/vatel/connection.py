"""One WebSocket connection to the agent: websockets' sans-I/O client under a plain asyncio protocol.

No queue of tasks and no stream reader stands between the network and the session. Audio waits in exactly
two places, both bounded (`Limits`): texts received and not yet taken, and bytes written that the peer has
not read.
"""

import asyncio
import logging
import socket
from dataclasses import dataclass
from functools import partial
from typing import cast

from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import WebSocketURI

from gateway.backlog import Backlog
from gateway.vatel.assembly import Assembly
from gateway.vatel.closing import SocketClosed
from gateway.vatel.handshake import Handshake
from gateway.vatel.inbox import Inbox
from gateway.vatel.keepalive import KeepAlive
from gateway.vatel.masking import Masker
from gateway.weakly import weakly

# The library traces handshakes at DEBUG, token included: it gets a logger that says nothing.
# Not `getLogger`: configuring logging anew would enable it again.
_SILENT = logging.Logger("vatel-socket")  # noqa: LOG001
_SILENT.disabled = True

# What the kernel may hold unsent: a longer backlog stays where `send` can see it and refuse.
_NOTSENT_BYTES = 16 * 1024
_USER_TIMEOUT_MS = 5000
_LEAST_BYTES = 100  # for what a text takes, however short it is

_OWN_VERDICTS = {1002: "broken frame", 1007: "invalid UTF-8", 1009: "message too big"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and timers of one socket.

    Attributes:
        message_bytes: largest message taken. A burst of 10 s in one message is 640 kB, so 2 MiB (32 s of
            audio) gives it room three times over. A larger one closes the socket with 1009.
        inbox_bytes: texts waiting to be taken before the peer is held back; 4 MiB are 65,000 ms of agent
            audio.
        send_buffer_bytes: bytes the peer has not read before `AgentSocket.send` refuses; 130 kB are
            2,000 ms of caller audio.
        forced_bytes: the same for what is sent by force and for answers to pings; beyond it the peer is
            given up.
        ping_interval_s: from one ping to the next.
        pong_timeout_s: silence after a ping that means a dead peer.
        close_timeout_s: how long the peer has to answer a close.
    """

    message_bytes: int = 2 * 1024 * 1024
    inbox_bytes: int = 4 * 1024 * 1024
    send_buffer_bytes: int = 130_000
    forced_bytes: int = 2 * 1024 * 1024
    ping_interval_s: float = 10.0
    pong_timeout_s: float = 4.0
    close_timeout_s: float = 1.0


class Connection(asyncio.Protocol):
    """The machinery of one connection. Lives from its first byte to the loss of its transport.

    Args:
        uri: where to, without the token.
        token: the session token, URL-quoted; in the request and nowhere else.
        limits: bounds and timers.
        backlog: where long texts wait for their turn.

    Attributes:
        handshake: whether and how it was answered.
        inbox: what was received.
        assembly: how frames become messages; counts what is skipped.
        gone: set when the transport is lost.
    """

    def __init__(self, uri: WebSocketURI, token: str, limits: Limits, backlog: Backlog) -> None:
        self._protocol = ClientProtocol(uri, max_size=limits.message_bytes, logger=_SILENT)
        self._masker = Masker()
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._abort_timer: asyncio.TimerHandle | None = None
        self._keepalive = KeepAlive(
            limits.ping_interval_s,
            limits.pong_timeout_s,
            ping=weakly(self._ping),
            dead=partial(weakly(self.lose), "no answer to ping"),
        )
        self.handshake = Handshake(
            self._protocol, token, opened=self._keepalive.start, refused=partial(weakly(self.lose), "refused")
        )
        self.inbox = Inbox(limits.inbox_bytes, soon=backlog.add, reading=weakly(self._set_reading))
        self.assembly = Assembly()
        self.gone = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """True from a good handshake to the first sign of an end."""
        return self._protocol.state is State.OPEN and self.inbox.closed is None

    @property
    def buffered_bytes(self) -> int:
        """Bytes written that the transport still holds."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        # uvloop's transports are none by inheritance.
        self._transport = cast(asyncio.Transport, transport)
        _tune(transport.get_extra_info("socket"))
        self.handshake.send()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the network, to completion."""
        self._keepalive.heard = True
        self._protocol.receive_data(data)
        self.handshake.look()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._flush()
        if self._protocol.close_expected():
            self._note_close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End everything that waits for this connection."""
        self.gone.set()
        self._keepalive.stop()
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self._protocol.receive_eof()
        self.handshake.cut(exc)
        self._note_close()
        self.inbox.close(SocketClosed(1006, "connection lost"))

    def write(self, text: str) -> None:
        """Write one text message; only while `is_open`."""
        assert self._transport is not None
        # Past the library, which for a text frame does the same and takes four times as long.
        self._transport.write(self._masker.frame(text.encode()))
        if self._transport.get_write_buffer_size() > self._limits.forced_bytes:
            self.lose("stalled")

    def begin_close(self, code: int) -> None:
        """Send a close frame if that still makes sense, and drop the connection soon in any case."""
        if self.is_open:
            self._protocol.send_close(code)
            self._flush()
        self.inbox.discard()
        self._abort_soon()

    def lose(self, why: str) -> None:
        """Drop the connection without a close frame; safe at any time."""
        self.inbox.close(SocketClosed(1006, why))
        if self._transport is not None:
            self._transport.abort()

    def _take(self, frame: Frame) -> None:
        payload = self.assembly.push(frame)
        if payload is None:
            return
        try:
            text = str(payload, "utf-8")
        except UnicodeDecodeError:
            self.inbox.close(SocketClosed(1007, _OWN_VERDICTS[1007]))
            self._protocol.fail(1007, _OWN_VERDICTS[1007])
        else:
            self.inbox.put(text, max(len(payload), _LEAST_BYTES))

    def _note_close(self) -> None:
        """Tell the listener as soon as the end is known; the transport may linger a little."""
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        if self._protocol.parser_exc is not None and sent is not None and sent.code in _OWN_VERDICTS:
            self.inbox.close(SocketClosed(int(sent.code), _OWN_VERDICTS[sent.code]))
        elif received is not None:
            self.inbox.close(SocketClosed(int(received.code), received.reason))
        self._abort_soon()

    def _abort_soon(self) -> None:
        if self._abort_timer is None and not self.gone.is_set():
            self._abort_timer = asyncio.get_running_loop().call_later(
                self._limits.close_timeout_s, self.lose, "no answer to close"
            )

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._protocol.data_to_send():
            # An empty piece says that we may half-close; the transport closes itself on the peer's EOF.
            if data:
                self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._limits.forced_bytes:
            self.lose("stalled")

    def _ping(self) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def _set_reading(self, on: bool) -> None:
        """Hold the peer back, or let it go on; while it is held its silence proves nothing."""
        self._keepalive.deaf = not on
        self._keepalive.heard = True
        if self._transport is None or self._transport.is_closing():
            return
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


def _tune(sock: socket.socket) -> None:
    """Send at once, keep no backlog in the kernel, and give up data unacknowledged for 5 s."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option, value in (("TCP_NOTSENT_LOWAT", _NOTSENT_BYTES), ("TCP_USER_TIMEOUT", _USER_TIMEOUT_MS)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
