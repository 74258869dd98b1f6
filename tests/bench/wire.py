"""WebSocket frames by hand (RFC 6455 clause 5.2): built once where they can be, read by their headers alone.

Frames of a client must be masked; a masking key of zero is legal and leaves the payload as it is, so the
caller's side sends what it has. What the gateway sends masked is counted by its header and never unmasked,
pings apart.
"""

import asyncio
import os
import struct
from typing import cast

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_NO_MASK = b"\0\0\0\0"
_BUFFER = bytearray(1 << 18)
_VIEW = memoryview(_BUFFER)


def frame(payload: bytes, *, opcode: int = TEXT, client: bool = False) -> bytes:
    """Return one final frame; a client's carries the masking key zero."""
    size = len(payload)
    bit = 0x80 if client else 0
    if size < 126:
        head = bytes((0x80 | opcode, bit | size))
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, bit | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, bit | 127, size)
    return head + (_NO_MASK if client else b"") + payload


def unmask(payload: bytes, key: bytes) -> bytes:
    """Undo (or do) the masking."""
    return bytes(byte ^ key[at & 3] for at, byte in enumerate(payload))


class Peer(asyncio.BufferedProtocol):
    """One connection: HTTP first, frames then. All connections share one receive buffer.

    Subclasses say what to do with the HTTP head and with frames. The usual read holds exactly one text frame
    of 126 to 65,535 bytes; for it :meth:`text_frame` is called with the payload still in the buffer.
    """

    masked = False
    """Whether the gateway's frames on this connection are masked (it is the client)."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.fd = -1
        self.open = False
        self.gone = asyncio.Event()
        self._rest = bytearray()
        self._length_byte = 0xFE if self.masked else 0x7E
        self._head_bytes = 8 if self.masked else 4

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.fd = self.transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self.fd = -1
        self.gone.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _VIEW

    def buffer_updated(self, nbytes: int) -> None:
        if (
            self.open
            and not self._rest
            and _BUFFER[0] == 0x81
            and _BUFFER[1] == self._length_byte
            and nbytes == (_BUFFER[2] << 8 | _BUFFER[3]) + self._head_bytes
        ):
            self.text_frame(_BUFFER, self._head_bytes, nbytes)
            return
        self._rest += _VIEW[:nbytes]
        if not self.open:
            self._read_http()
        if self.open:
            self._read_frames()

    def _read_http(self) -> None:
        end = self._rest.find(b"\r\n\r\n")
        if end >= 0:
            self.http(bytes(self._rest[:end]), end + 4)

    def taken(self, count: int) -> bytes:
        """Take bytes off the front of what has been received and not read."""
        data = bytes(self._rest[:count])
        del self._rest[:count]
        return data

    @property
    def received(self) -> int:
        """How many bytes have been received and not read."""
        return len(self._rest)

    def _read_frames(self) -> None:
        rest = self._rest
        while len(rest) >= 2:
            size, head = rest[1] & 0x7F, 2
            if size == 126:
                size, head = int.from_bytes(rest[2:4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(rest[2:10], "big"), 10
            if self.masked:
                head += 4
            if len(rest) < head + size:
                return
            if rest[0] & 0x0F == TEXT:
                self.text_frame(rest, head, head + size)
            else:
                self._control(rest[0] & 0x0F, bytes(rest[head - 4 : head]), bytes(rest[head : head + size]))
            del rest[: head + size]

    def _control(self, opcode: int, key: bytes, payload: bytes) -> None:
        payload = unmask(payload, key) if self.masked else payload
        if opcode == PING:
            self.write(frame(payload, opcode=PONG, client=not self.masked))
        elif opcode == CLOSE:
            self.write(frame(payload[:2], opcode=CLOSE, client=not self.masked))
            self.open = False
            self.transport.close()

    def write(self, data: bytes) -> None:
        """Write at once, past the event loop's own queue unless something waits in it."""
        transport = self.transport
        if self.fd < 0 or transport.is_closing():
            return
        if transport.get_write_buffer_size():
            transport.write(data)
            return
        try:
            done = os.write(self.fd, data)
        except BlockingIOError:
            done = 0
        except (BrokenPipeError, ConnectionResetError):
            return
        if done < len(data):
            transport.write(data[done:])

    def http(self, head: bytes, size: int) -> None:
        """Take an HTTP head (without its blank line; with it ``size`` bytes are to be taken off)."""
        raise NotImplementedError

    def text_frame(self, data: bytearray, start: int, end: int) -> None:
        """Take a text frame whose payload is ``data[start:end]``; valid only during the call."""
        raise NotImplementedError
