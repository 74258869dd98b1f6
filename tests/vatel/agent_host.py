"""Hosts to connect to: a real WebSocket server, and bare TCP ones that misbehave byte by byte."""

import asyncio
import base64
import hashlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

Handler = Callable[[ServerConnection], Awaitable[None]]

TLS_FOLDER = Path(__file__).parent / "golden" / "tls"


@asynccontextmanager
async def websocket_host(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve a handler on a free loopback port; yield its URL."""
    async with serve(handler, "localhost" if tls else "127.0.0.1", 0, ssl=tls, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"wss://localhost:{port}/v1/connection" if tls else f"ws://127.0.0.1:{port}/v1/connection"


class Peer:
    """The bare side of one TCP connection, which does what a test tells it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.request = b""

    async def upgrade(self) -> None:
        """Read the handshake and accept it."""
        await self.read_request()
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", self.request)
        assert found is not None
        digest = hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        accept = base64.b64encode(digest)
        self.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    async def read_request(self) -> None:
        """Read the request and its headers."""
        self.request = await self.reader.readuntil(b"\r\n\r\n")

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    def frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        """Send a frame."""
        self.write(Frame(opcode, data, fin).serialize(mask=False))

    def reset(self) -> None:
        """Drop the connection with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def stop_reading(self) -> None:
        """Read nothing more; the system's buffers fill up."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads

    async def until_gone(self) -> bytes:
        """Read until the other side is gone; return what came."""
        with suppress(ConnectionError):
            return await self.reader.read()
        return b""


Conduct = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def bare_host(conduct: Conduct, *, receive_buffer: int | None = None) -> AsyncIterator[str]:
    """Accept TCP on a free loopback port and let `conduct` have each connection; yield the URL.

    In the end it waits until every connection is gone.
    """
    tasks: set[asyncio.Task[object]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError):
                await conduct(Peer(reader, writer))
        finally:
            writer.transport.abort()

    listener = socket.socket()
    if receive_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(connected, sock=listener, limit=2**16)
    async with server:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/connection"
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=5)
            assert not left, "a connection outlives its test"
