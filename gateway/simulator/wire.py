"""The media socket from Twilio's side: the upgrade with exactly Twilio's headers, then text frames.

websockets' sans-I/O client does the protocol; its own headers are replaced, because Twilio offers no
extension and no subprotocol and sends no Origin (captured upgrades, reference section 1). The fifty frames a
second are written straight to the transport: at load they are all the cost there is.
"""

import asyncio
import random
import socket
import ssl
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Protocol, cast
from urllib.parse import urlsplit, urlunsplit

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.uri import WebSocketURI, parse_uri

from gateway.simulator import codes
from gateway.simulator.codes import Fault
from gateway.simulator.forms import signed_url
from gateway.twilio.signature import sign

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiler where websockets was installed
    from websockets.utils import apply_mask

USER_AGENT: Final = "Twilio.TmeWs/1.0"
HIGH_WATER_BYTES: Final = 32_768  # 1.6 s of frames; above, caller audio is discarded (31930)
MAX_MESSAGE_BYTES: Final = 16 * 1_048_576  # ten minutes of audio in one message have 6.4 MB
_ABNORMAL: Final = 1006


@dataclass(frozen=True, slots=True)
class WireClosed:
    """How the socket ended.

    Attributes:
        code: the close code received, 1005 for none, 1006 without a close frame.
        fault: what Twilio's debugger would show; None when we closed it.
    """

    code: int
    fault: Fault | None


class Listener(Protocol):
    """Who reads the socket."""

    def on_text(self, text: str) -> None:
        """Take one message."""

    def on_binary(self) -> None:
        """Take note of a binary message."""

    def on_closed(self, closed: WireClosed) -> None:
        """Learn, once, that nothing more will come."""


class MediaWire(asyncio.Protocol):
    """One media socket. Lives as long as its stream.

    Attributes:
        congested: the server reads too slowly; send no audio.
        closed: set once ``on_closed`` was called.
    """

    def __init__(self, uri: WebSocketURI, signature: str, listener: Listener) -> None:
        self.congested = False
        self.closed = asyncio.Event()
        self.handshake: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()
        self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES)
        self._signature = signature
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._opcode = Opcode.TEXT
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the upgrade."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        request = self._protocol.connect()
        headers = _twilio_headers(request.headers, self._signature)
        self._protocol.send_request(Request(request.path, headers))
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Feed the protocol, answer what it wants answered, hand on what came."""
        self._protocol.receive_data(data)
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Response):
                self._answered(event)
        if self._protocol.close_rcvd is not None or self._protocol.parser_exc is not None:
            self._finish()

    def eof_received(self) -> None:
        """Let the transport close."""
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end, if no close frame did."""
        self._finish()

    def pause_writing(self) -> None:
        """Note that the server does not keep up."""
        self.congested = True

    def resume_writing(self) -> None:
        """Note that it has caught up."""
        self.congested = False

    def send(self, text: bytes) -> None:
        """Write one text frame: ASCII JSON. After the end it does nothing."""
        if not self._closing and self._transport is not None:
            self._transport.write(text_frame(text))

    async def close(self, code: int | None, timeout_s: float) -> None:
        """Close with a code, or with an empty close frame (servers see 1005), and wait for the answer."""
        if not self._closing:
            self._closing = True
            self._protocol.send_close(code)
            self._flush()
        try:
            async with asyncio.timeout(timeout_s):
                await self.closed.wait()
        except TimeoutError:
            self.reset()

    def reset(self) -> None:
        """Drop the connection with a TCP reset, as a crashed media server does."""
        self._closing = True
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _answered(self, response: Response) -> None:
        if self.handshake.done():
            return
        refused = self._protocol.handshake_exc
        self.handshake.set_result(
            Fault(codes.HANDSHAKE_REFUSED, f"HTTP {response.status_code}, {type(refused).__name__}")
            if refused
            else None
        )

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._opcode, self._parts = frame.opcode, []
        elif frame.opcode is not Opcode.CONT:
            return
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        if self._opcode is Opcode.BINARY:
            self._listener.on_binary()
        else:
            # The sans-I/O layer does not check UTF-8; what is not becomes a message that is not JSON.
            self._listener.on_text(b"".join(self._parts).decode("utf-8", "surrogateescape"))

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)

    def _finish(self) -> None:
        if self._transport is not None:
            self._transport.close()
        if not self.handshake.done():
            self.handshake.set_result(Fault(codes.HANDSHAKE_REFUSED, "the connection was closed"))
        elif not (self.closed.is_set() or self.handshake.cancelled() or self.handshake.result()):
            received = self._protocol.close_rcvd
            self._listener.on_closed(WireClosed(received.code if received else _ABNORMAL, self._fault()))
        self._closing = True
        self.closed.set()

    def _fault(self) -> Fault | None:
        if self._closing:
            return None
        broken = self._protocol.parser_exc
        if broken is not None and not isinstance(broken, EOFError):
            return Fault(codes.PROTOCOL_ERROR, type(broken).__name__)
        received = self._protocol.close_rcvd
        if received is None:
            return Fault(codes.BROKEN_PIPE)
        return Fault(codes.SERVER_CLOSED, f"code {received.code}")


def _twilio_headers(ours: Headers, signature: str) -> Headers:
    return Headers(
        [
            ("Host", ours["Host"]),
            ("User-Agent", USER_AGENT),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", ours["Sec-WebSocket-Key"]),
            ("Sec-WebSocket-Version", "13"),
            ("X-Twilio-Signature", signature),
        ]
    )


def text_frame(text: bytes) -> bytes:
    """Build one masked text frame (RFC 6455 section 5.2)."""
    mask = random.getrandbits(32).to_bytes(4)
    size = len(text)
    if size < 126:
        head = bytes((0x81, 0x80 | size))
    elif size < 65_536:
        head = b"\x81\xfe" + size.to_bytes(2)
    else:
        head = b"\x81\xff" + size.to_bytes(8)
    return head + mask + apply_mask(text, mask)


def _check(url: str) -> WebSocketURI | Fault:
    # A query is dropped before connecting (observed, https://github.com/openclaw/openclaw/pull/12471).
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss"):
            return Fault(codes.SCHEME_NOT_WSS, parts.scheme)
        uri = parse_uri(urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")))
    except (InvalidURI, ValueError):
        return Fault(codes.BAD_URL)
    if not uri.secure and not _is_loopback(uri.host):
        return Fault(codes.SCHEME_NOT_WSS, "ws is for loopback hosts only")
    return uri


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def connect(
    url: str,
    auth_token: str,
    listener: Listener,
    *,
    timeout_s: float = 5.0,
    tls: ssl.SSLContext | None = None,
) -> MediaWire | Fault:
    """Open a media socket as Twilio does.

    Args:
        url: wss, or ws on a loopback host.
        tls: trust for wss; the system's by default.
    """
    uri = _check(url)
    if isinstance(uri, Fault):
        return uri
    wire = MediaWire(uri, sign(auth_token, signed_url(_without_query(url)), []), listener)
    secure = (tls or ssl.create_default_context()) if uri.secure else None
    try:
        async with asyncio.timeout(timeout_s):
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: wire, uri.host, uri.port, ssl=secure)
            fault = await wire.handshake
    except TimeoutError:
        wire.reset()
        return Fault(codes.CONNECT_TIMEOUT)
    except OSError as error:
        return Fault(codes.CONNECT_REFUSED, type(error).__name__)
    return fault or wire


def _without_query(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]
