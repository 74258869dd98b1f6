"""What the control plane costs the calls: readers of the API, or many watchers of one call, beside the audio.

    python -m tests.bench api        so many reads a second of lists, calls, transcripts and reports
    python -m tests.bench watchers   so many live sockets on one call

Each measures three windows: without them, with them, and without them again, so that what else goes on in the
machine can be told from what they do. The database is a SQLite file.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import aiohttp

from gateway.audio.resample import Kind
from tests.bench.calls import Bench, Row, Say, benching
from tests.bench.histogram import Histogram
from tests.bench.mix import Mix
from tests.bench.wire import Peer

READ_P99_MS = 50.0
_KINDS = ("list", "call", "transcript", "report")
_OPENING = 20
_PATIENCE_S = 20.0
_STORED_S = 5.0
_CAUGHT_UP_S = 2.0


class Readers:
    """Asks the API at a steady rate, whether it has answered or not. Lives as long as a window.

    Args:
        rate: requests per second.

    Attributes:
        failed: answers that were none of 200.
    """

    def __init__(self, bench: Bench, http: aiohttp.ClientSession, call_ids: list[str], rate: float) -> None:
        self._bench = bench
        self._http = http
        self._paths = _paths(call_ids)
        self._pause_s = 1 / rate
        self.failed = 0

    async def run(self) -> None:
        """Ask; ends by being cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._read(*next(self._paths)))
                due += self._pause_s
                await asyncio.sleep(due - loop.time())

    async def _read(self, kind: str, path: str) -> None:
        began = time.monotonic()
        async with self._http.get(path) as answer:
            await answer.read()
            self._bench.load.board.reads.setdefault(kind, Histogram()).add(time.monotonic() - began)
            self.failed += answer.status != 200


class Watcher(Peer):
    """One live socket, which counts what it is told and reads none of it. Lives as long as its connection.

    Attributes:
        upgraded: set when the gateway has answered the handshake, or gone.
        told: messages that came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.upgraded = asyncio.Event()
        self.told = 0

    def ask(self, host: str, call_id: str, key: str) -> None:
        """Ask for the upgrade."""
        self.transport.write(
            f"GET /ws/calls/{call_id}?api_key={key} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def http(self, head: bytes, size: int) -> None:
        self.taken(size)
        self.open = head.split(b" ", 2)[1] == b"101"
        self.upgraded.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.upgraded.set()

    def text_frame(self, data: bytearray, start: int, end: int) -> None:
        self.told += 1


async def readers(
    kind: Kind, mix: Mix, calls: int, seconds: float, rate: float, say: Say, *, pinned: bool
) -> bool:
    """Hold a number of calls and read the API beside them; tell how soon it answers and how late audio is.

    Args:
        rate: reads a second.
        pinned: whether the gateway's one core has to do for the threads of its database too.
    """
    async with benching(kind, mix) as bench, _office(bench) as http:
        say(f"resampler {kind}, mix {mix}, {calls} calls, {rate:g} reads a second")
        begins = _nothing if pinned else bench.gateway.unpin_threads
        await _window(bench, calls, seconds, "without readers", say, begins)
        await asyncio.sleep(_STORED_S)
        asking = Readers(bench, http, await _live(http, calls), rate)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(asking.run())
            await _window(bench, calls, seconds, "with readers", say, begins)
            reads = dict(bench.load.board.reads)
            running.cancel()
        await _window(bench, calls, seconds, "without readers", say, begins)
        await bench.load.shrink()
    for name in _KINDS:
        say(f"{'read ' + name:25} {reads[name].line()}")
    slowest_ms = max(one.quantile_ms(0.99) for one in reads.values())
    kept = slowest_ms < READ_P99_MS and not asking.failed
    say(
        f"reads                     {'' if kept else 'NOT '}kept: p99 of the slowest kind {slowest_ms:.1f} ms"
        f" (below {READ_P99_MS:g}), {asking.failed} failed"
    )
    return kept


async def watchers(kind: Kind, mix: Mix, calls: int, seconds: float, count: int, say: Say) -> bool:
    """Hold calls, and let many watch one of them; tell how late audio is."""
    async with benching(kind, mix) as bench, _office(bench) as http:
        say(f"resampler {kind}, mix {mix}, {calls} calls, {count} watchers of one of them")
        await _window(bench, calls, seconds, "without watchers", say)
        (call_id, *_) = await _live(http, calls)
        watching = await _watch(bench, call_id, count)
        await asyncio.sleep(_CAUGHT_UP_S)
        before, began = [one.told for one in watching], time.monotonic()
        await _window(bench, calls, seconds, "with watchers", say)
        took_s = time.monotonic() - began
        told = [one.told - was for one, was in zip(watching, before, strict=True)]
        lost = sum(not one.open for one in watching)
        for one in watching:
            one.transport.abort()
        await _window(bench, calls, seconds, "without watchers", say)
        await bench.load.shrink()
    # A message may be on its way as the count begins, and another as it ends.
    kept = not lost and max(told) - min(told) <= 2
    say(
        f"watchers                  {'' if kept else 'NOT '}kept: {lost} lost, each was told "
        f"{min(told)} to {max(told)} messages, {sum(told) / took_s:.0f} a second in all"
    )
    return kept


def _nothing() -> None:
    """Leave the threads on the one core."""


async def _window(
    bench: Bench, calls: int, seconds: float, title: str, say: Say, begins: Callable[[], None] = _nothing
) -> Row:
    row = await bench.window(calls, seconds, begins)
    board = bench.load.board
    say(f"--- {title}")
    say(f"audio lateness            mean {board.late.mean_ms:.3f}  {board.late.line()}")
    say(f"uplink added              {board.uplink.line()}")
    say(f"agent → caller first byte {board.first_byte.line()}")
    say(f"generator's own slip      {board.slip.line()}")
    say(
        f"core of the gateway       {100 * row.core:.1f} %, others on it {100 * row.others:.1f} %, "
        f"generator {100 * row.load:.1f} % of its own; calls broken {bench.load.broken()}"
    )
    return row


@asynccontextmanager
async def _office(bench: Bench) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {bench.gateway.api_key()}"}
    async with aiohttp.ClientSession(f"http://{bench.gateway.host}/api/v1/", headers=headers) as http:
        yield http


async def _live(http: aiohttp.ClientSession, calls: int) -> list[str]:
    """Return the ids of the calls that are live, up to a hundred of them."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            page = await _asked(http, "calls?status=in_progress&limit=100")
            if page["total"] == calls:
                return [str(one["id"]) for one in page["items"]]
            await asyncio.sleep(0.1)


async def _asked(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(path) as answer:
        told = json.loads(await answer.read())
    if not told["success"]:
        raise SystemExit(f"the API refuses {path}: {told['error']}")
    return told["data"]


def _paths(call_ids: list[str]) -> Iterator[tuple[str, str]]:
    for call_id in cycle(call_ids):
        yield "list", "calls?limit=50"
        yield "call", f"calls/{call_id}"
        yield "transcript", f"calls/{call_id}/transcript"
        yield "report", f"calls/{call_id}/report"


async def _watch(bench: Bench, call_id: str, count: int) -> list[Watcher]:
    """Open so many sockets, some at a time."""
    host, port = bench.gateway.host.split(":")
    loop, key, watching = asyncio.get_running_loop(), bench.gateway.api_key(), list[Watcher]()
    while len(watching) < count:
        opening = min(_OPENING, count - len(watching))
        made = [(await loop.create_connection(Watcher, host, int(port)))[1] for _ in range(opening)]
        for one in made:
            one.ask(bench.gateway.host, call_id, key)
        async with asyncio.timeout(_PATIENCE_S):
            for one in made:
                await one.upgraded.wait()
        watching += made
    if refused := sum(not one.open for one in watching):
        raise SystemExit(f"{refused} of {count} watchers were refused")
    return watching
