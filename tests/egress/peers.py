"""Servers that do as a test says, byte by byte, and a canary that must see nobody."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire."""

    head: str
    body: bytes

    @property
    def line(self) -> str:
        """Return the request line."""
        return self.head.split("\r\n", 1)[0]

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers by lower-case name."""
        lines = self.head.rstrip("\r\n").split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


Script = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request; the connection goes on afterwards unless the script closed it."""


@dataclass
class Peer:
    """A server on loopback. Lives as long as `peer` holds it.

    Attributes:
        requests: what came so far, on all connections.
        connections: how many were opened.
        live: how many are open now.
        written_bytes: what scripts that count it have written.
        names: what names clients of TLS asked for.
    """

    port: int = 0
    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    live: int = 0
    written_bytes: int = 0
    names: list[str | None] = field(default_factory=list)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    alone: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook", *, host: str | None = None, scheme: str = "http") -> str:
        """Return a URL that leads here."""
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    async def flood(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        """Write without end."""
        while not writer.is_closing():
            writer.write(chunk)
            await writer.drain()
            self.written_bytes += len(chunk)
            await asyncio.sleep(0)  # the client has the same loop


@asynccontextmanager
async def peer(
    script: Script, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """Serve on a free port until the context is left."""
    served = Peer(host=host)
    if tls is not None:
        tls.sni_callback = lambda sock, name, context: served.names.append(name)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.tasks.add(task)
        served.connections += 1
        served.live += 1
        served.alone.clear()
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                while not writer.is_closing():
                    served.requests.append(await _request(reader))
                    served.asked.set()
                    await script(served, reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()
            served.live -= 1
            served.tasks.discard(task)
            if not served.live:
                served.alone.set()

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        while served.tasks:
            for task in served.tasks:
                task.cancel()
            await asyncio.wait(list(served.tasks))
        for _ in range(10):
            await asyncio.sleep(0)  # the server's own tasks, of handshakes that failed, end by themselves


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
    return Request(head, await reader.readexactly(int(lengths[0].split(":")[1])) if lengths else b"")


def saying(*pieces: bytes, close: bool = False) -> Script:
    """Answer with these bytes, each a packet of its own as far as that can be had."""

    async def script(served: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002 if len(pieces) > 1 else 0)
        if close:
            writer.close()

    return script


def flooding(head: bytes, chunk: bytes) -> Script:
    """Answer with a beginning, and then the same without end."""

    async def script(served: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await served.flood(writer, chunk)

    return script


def hanging(*pieces: bytes) -> Script:
    """Answer with these bytes and then no more, until the client hangs up."""

    async def script(served: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
        await reader.read()
        writer.close()

    return script


def dripping(head: bytes, chunk: bytes, pause_s: float) -> Script:
    """Answer a little at a time, for ever."""

    async def script(served: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return script


def resetting(*pieces: bytes) -> Script:
    """Answer with these bytes and then reset the connection."""

    async def script(served: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        await asyncio.sleep(0.02)  # else the reset may overtake what was written
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        writer.transport.abort()

    return script


def in_turn(*scripts: Script) -> Script:
    """Answer the first request with the first script, and so on; the last one serves for all that follow."""

    async def script(served: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await scripts[min(len(served.requests), len(scripts)) - 1](served, reader, writer)

    return script


class Canary:
    """Listens, and counts who comes. Lives as long as `canary` holds it.

    Attributes:
        visits: connections so far; none is expected.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.visits = 0


@asynccontextmanager
async def canary(*hosts: str) -> AsyncIterator[Canary]:
    """Listen on one free port of loopback addresses; at the end nobody must have come."""
    with contextlib.ExitStack() as listeners:
        first = listeners.enter_context(_listener(hosts[0], 0))
        seen = Canary(first.getsockname()[1])
        others = [listeners.enter_context(_listener(host, seen.port)) for host in hosts[1:]]
        yield seen
        for listener in (first, *others):
            with contextlib.suppress(BlockingIOError):
                listener.accept()[0].close()
                seen.visits += 1
    assert seen.visits == 0, "a connection reached the canary"


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((host, port))
    listener.listen()
    listener.setblocking(False)
    return listener


def has_ipv6() -> bool:
    """Tell whether this machine has an IPv6 loopback address."""
    try:
        _listener("::1", 0).close()
    except OSError:
        return False
    return True
