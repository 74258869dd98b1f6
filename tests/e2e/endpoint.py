"""A tool endpoint that misbehaves by path, byte by byte, and the catalogue of tools that lead to it."""

import asyncio
import gzip
import json
import re
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trustme

DEADLINE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """One request's connection, once its head has been read.

    Attributes:
        number: which request for this path it is, from 1.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    def write(self, *data: bytes) -> None:
        """Write to the gateway."""
        self.writer.write(b"".join(data))

    async def stay(self) -> None:
        """Do nothing until the gateway has had enough."""
        await self.reader.read()


Answer = Callable[[Line], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What an endpoint does, and what has to come of it.

    Attributes:
        answer: what is written; None where nobody is to be reached.
        failure: what the run has to come to; empty for a good answer.
        output: what the agent has to get of a good answer.
        keys: of the tool's entry, beside its name and URL.
        base: of the URL, where it is not the endpoint's own.
    """

    answer: Answer | None
    failure: str = ""
    output: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)
    base: str = "{http}"


def says(head: str, body: bytes = b"") -> Answer:
    """Answer with these bytes."""

    async def answer(line: Line) -> None:
        length = f"Content-Length: {len(body)}\r\n" if "Content-Length" not in head else ""
        line.write(f"HTTP/1.1 {head}\r\nConnection: close\r\n{length}\r\n".encode(), body)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Answer otherwise each time, in the end always the same."""

    async def answer(line: Line) -> None:
        await answers[min(line.number, len(answers)) - 1](line)

    return answer


async def _hang(line: Line) -> None:
    await line.stay()


async def _hang_in_body(line: Line) -> None:
    line.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf of it")
    await line.stay()


async def _drip(line: Line) -> None:
    line.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n")
    while not line.writer.is_closing():
        line.write(b"x")
        await line.writer.drain()
        await asyncio.sleep(0.01)


async def _endless(line: Line) -> None:
    line.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not line.writer.is_closing():
        line.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        await line.writer.drain()


async def _reset(line: Line) -> None:
    line.writer.transport.abort()


_TEXT = "200 OK\r\nContent-Type: text/plain"
_JSON = "200 OK\r\nContent-Type: application/json"
_LARGE: Final = json.dumps(
    [{"name": f"guest {n}", "card": "none", "table": n} for n in range(4_500)]
).encode()
_RETRY: Final = {"retry": {"count": 2, "on": ["5xx", "429"], "backoff_s": 0.05}}

FAULTS: Final[Mapping[str, Fault]] = {
    "json": Fault(says(_JSON, b'{"free": true}'), output='{"free": true}'),
    "text": Fault(says(_TEXT, b"free"), output="free"),
    "large": Fault(says(_JSON, _LARGE), output=_LARGE.decode(), keys={"sensitive": ["card"]}),
    "empty": Fault(says(_JSON), output="ok"),
    "no_content": Fault(says("204 No Content\r\nContent-Length: 0"), output="ok"),
    "not_found": Fault(says("404 Not Found"), "http_404"),
    "recovers": Fault(in_turn(says("503 Busy"), says(_TEXT, b"free")), output="free", keys=_RETRY),
    "stays_broken": Fault(says("500 Oops"), "http_500", keys=_RETRY),
    "told_to_wait": Fault(
        in_turn(says("429 Slow\r\nRetry-After: 0"), says(_TEXT, b"free")), output="free", keys=_RETRY
    ),
    "told_to_wait_long": Fault(says("429 Slow\r\nRetry-After: 60"), "http_429", keys=_RETRY),
    "hangs": Fault(_hang, "timeout"),
    "hangs_in_body": Fault(_hang_in_body, "timeout"),
    "resets": Fault(_reset, "reset"),
    "drips": Fault(_drip, "timeout"),
    "endless": Fault(_endless, "too_large"),
    "bomb": Fault(says(f"{_JSON}\r\nContent-Encoding: gzip", gzip.compress(b"0" * 5_000_000)), "encoded"),
    "redirects": Fault(says("302 Found\r\nLocation: /json"), "http_302"),
    "bad_json": Fault(says(_JSON, b'{"free": '), "bad_json"),
    "page": Fault(says("200 OK\r\nContent-Type: text/html", b"<html>"), "wrong_type"),
    "picture": Fault(says("200 OK\r\nContent-Type: image/png", b"\x89PNG"), "wrong_type"),
    "no_http": Fault(says("OK COMPUTER"), "bad_http"),
    "bad_tls": Fault(None, "tls", base="{https}"),
    "no_such_host": Fault(None, "dns", base="http://nobody.invalid"),
    "nobody_there": Fault(None, "connect", base="http://127.0.0.1:9"),
}


class Endpoint:
    """Lives as long as :func:`misbehaving` holds it.

    Attributes:
        asked: how often each path was asked for.
    """

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and do what its path says; every answer ends its connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if length := re.search(r"(?i)content-length: (\d+)", head):
                await reader.readexactly(int(length[1]))  # who closes before it has read all, resets
            name = head.split(" ")[1].removeprefix("/")
            self.asked[name] = self.asked.get(name, 0) + 1
            answer = FAULTS[name].answer
            assert answer is not None
            await answer(Line(reader, writer, self.asked[name]))
            if not writer.is_closing():
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def catalog(self, http: str, https: str) -> dict[str, Any]:
        """Return the tables of the tools file, a tool for each fault."""
        tools = [
            {
                "name": name,
                "url": fault.base.format(http=http, https=https) + f"/{name}",
                "deadline_s": DEADLINE_S,
                **fault.keys,
            }
            for name, fault in FAULTS.items()
        ]
        return {"tools": tools}


@asynccontextmanager
async def misbehaving() -> AsyncIterator[tuple[Endpoint, dict[str, Any]]]:
    """Serve the endpoint, plain and with a certificate that nobody knows; yield it and its catalogue."""
    endpoint = Endpoint()
    plain = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    secure = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, ssl=_unknown_certificate())
    urls = [f"://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in (plain, secure)]
    try:
        yield endpoint, endpoint.catalog("http" + urls[0], "https" + urls[1])
    finally:
        for server in (plain, secure):
            server.close()


def _unknown_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder) / "chain.pem"
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
        context.load_cert_chain(chain)
    return context
