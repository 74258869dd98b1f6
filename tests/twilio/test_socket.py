"""The caller's socket against real peers: the websockets client, and one that writes its frames by hand."""

import asyncio
import base64
import contextlib
import itertools
import os
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from weakref import ref

import pytest
import uvloop
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.backlog import Backlog
from gateway.twilio.socket import LIMIT_BYTES, MAX_MESSAGE_BYTES, CallerSocket, SocketClosed, prepare
from tests.uncollected import uncollected

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
SIZES = [0, 1, 124, 125, 126, 127, 65_535, 65_536, 70_000]


@dataclass
class Gateway:
    """A server with one route; the test holds the socket of each caller."""

    port: int = 0
    requests: list[web.Request] = field(default_factory=list)
    callers: asyncio.Queue[CallerSocket] = field(default_factory=asyncio.Queue)
    handled: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    finish: asyncio.Event = field(default_factory=asyncio.Event)
    backlog: Backlog = field(default_factory=Backlog)
    max_message_bytes: int = MAX_MESSAGE_BYTES
    limit_bytes: int = LIMIT_BYTES
    close_timeout_s: float = 1.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        caller = await prepare(
            request,
            self.backlog,
            max_message_bytes=self.max_message_bytes,
            limit_bytes=self.limit_bytes,
            close_timeout_s=self.close_timeout_s,
        )
        self.requests.append(request)
        self.callers.put_nowait(caller)
        await self.finish.wait()
        self.handled.release()
        return caller.response


@asynccontextmanager
async def gateway(
    *,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    limit_bytes: int = LIMIT_BYTES,
    close_timeout_s: float = 1.0,
) -> AsyncIterator[Gateway]:
    served = Gateway(
        max_message_bytes=max_message_bytes, limit_bytes=limit_bytes, close_timeout_s=close_timeout_s
    )
    app = web.Application()
    app.router.add_get("/media", served.handle)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.port = runner.addresses[0][1]
    try:
        yield served
    finally:
        served.finish.set()
        await runner.cleanup()


@asynccontextmanager
async def joined(served: Gateway) -> AsyncIterator[tuple[CallerSocket, ClientConnection]]:
    """Join the socket under test with a client that somebody else wrote."""
    url = f"ws://127.0.0.1:{served.port}/media"
    async with connect(url, compression=None, max_size=None, ping_interval=None, close_timeout=1) as client:
        yield await served.callers.get(), client


class RawPeer:
    """A client that writes and reads frames by hand, right or wrong."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: str) -> None:
        self.reader, self.writer, self.answer = reader, writer, answer

    def send(self, head: int, payload: bytes = b"", *, declared: int | None = None) -> None:
        size = len(payload) if declared is None else declared
        mask = os.urandom(4)
        if size < 126:
            header = struct.pack("!BB", head, 0x80 | size)
        elif size < 65_536:
            header = struct.pack("!BBH", head, 0x80 | 126, size)
        else:
            header = struct.pack("!BBQ", head, 0x80 | 127, size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.writer.write(header + mask + masked)

    async def read(self) -> tuple[int, bytes]:
        """Read one frame: its first byte and its payload, which a server must not mask."""
        head, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return head, await self.reader.readexactly(size)


@asynccontextmanager
async def raw_peer(
    served: Gateway, *, receive_buffer: int | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[RawPeer]:
    # With the protocol named, asyncio switches Nagle's algorithm off.
    connection = socket.socket(proto=socket.IPPROTO_TCP)
    connection.setblocking(False)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", served.port))
    limit = 2**16 if receive_buffer is None else receive_buffer
    reader, writer = await asyncio.open_connection(sock=connection, limit=limit)
    lines = {
        "Host": "gw.example.com",
        "User-Agent": "Twilio.TmeWs/1.0",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    } | dict(headers or {})
    request = "GET /media HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(request.encode() + b"\r\n")
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    try:
        yield RawPeer(reader, writer, answer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def text_from(caller: CallerSocket) -> str:
    got = await caller.receive()
    assert isinstance(got, str)
    return got


async def end_of(caller: CallerSocket) -> SocketClosed:
    """Read until the socket says that it is closed."""
    while True:
        got = await caller.receive()
        if isinstance(got, SocketClosed):
            return got


async def fill(caller: CallerSocket, text: str) -> int:
    """Send until the socket says no; tell how often it said yes."""
    for accepted in range(10_000):
        if not caller.send(text):
            return accepted
        await asyncio.sleep(0)
    raise AssertionError


def close_frame(code: int, reason: str = "") -> bytes:
    return struct.pack("!H", code) + reason.encode()


async def texts_pass_both_ways() -> None:
    """Frames of every length form go out intact, and what the peer says comes in."""
    async with gateway(limit_bytes=1 << 20) as served, joined(served) as (caller, client):
        rng = random.Random(1)
        texts = ["".join(rng.choices('abc{}"é☎😀', k=size)) for size in SIZES]
        texts += ["x" * size for size in SIZES]
        for text in texts:
            assert caller.send(text)
            assert await client.recv() == text
        for text in texts:
            assert caller.send(text)
        assert [await client.recv() for _ in texts] == texts
        for text in [text for text in texts if len(text.encode()) <= MAX_MESSAGE_BYTES]:
            await client.send(text)
            assert await text_from(caller) == text


async def pongs_interleave_with_frames() -> None:
    """Each ping is answered with its own data, between frames that stay whole and in order."""
    async with gateway(limit_bytes=1 << 24) as served, joined(served) as (caller, client):
        texts = [f"{place}:" + "x" * (place * 37 % 70_000) for place in range(300)]

        async def speak() -> None:
            for text in texts:
                assert caller.send(text)
                await asyncio.sleep(0)

        async def serve() -> None:
            assert await end_of(caller) == SocketClosed(1000, "")

        async def ping() -> None:
            for place in range(50):
                await (await client.ping(f"ping {place}"))
                await client.send("x")

        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(serve())
            tasks.create_task(speak())
            pings = tasks.create_task(ping())
            assert [await client.recv() for _ in texts] == texts
            await pings
            await client.close()
            await reader


async def peer_that_does_not_read_is_bounded() -> None:
    """A stalled peer makes send say no, holds little memory, and loses nothing of what was accepted."""
    texts = (f"{place:06}" + "x" * 1_000 for place in itertools.count())
    async with gateway(limit_bytes=16_384) as served, raw_peer(served, receive_buffer=4_096) as peer:
        caller = await served.callers.get()
        accepted = 0
        for _ in range(50):
            # The kernel may take a little more each time; what it takes has an end.
            accepted += await fill(caller, next(texts))
        assert [caller.send("never") for _ in range(100)] == [False] * 100
        assert caller.queued_bytes <= 16_384 + 1_100
        frames = [await peer.read() for _ in range(accepted)]
        assert {(head, len(payload)) for head, payload in frames} == {(FIN | TEXT, 1_006)}
        assert [payload for _, payload in frames] == sorted(payload for _, payload in frames)
        assert caller.send("again")
        assert await peer.read() == (FIN | TEXT, b"again")
        assert caller.queued_bytes == 0


async def nothing_raises_after_the_end() -> None:
    """Once closed, sending says no, reading repeats the end, closing does nothing."""
    async with gateway() as served, joined(served) as (caller, client):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.close(4_001, "bye"))
            await end_of(caller)
        ends = {await end_of(caller) for _ in range(10)}
        assert ends == {SocketClosed(4_001, "bye")}
        assert [caller.send("x") for _ in range(10)] == [False] * 10
        await caller.close(1_011, "late")
        assert await end_of(caller) == SocketClosed(4_001, "bye")
        assert caller.queued_bytes == 0


async def lost_connection_is_1006() -> None:
    """A connection that ends or is reset without a close frame is lost, and sending goes nowhere."""
    for reset in (False, True):
        async with gateway() as served, raw_peer(served) as peer:
            caller = await served.callers.get()
            if reset:
                linger = struct.pack("ii", 1, 0)
                peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            peer.writer.close()
            assert await end_of(caller) == SocketClosed(1_006, "lost")
            assert not caller.send("x")
            await caller.close()
            assert await end_of(caller) == SocketClosed(1_006, "lost")


async def close_reaches_a_peer_in_the_middle_of_talking() -> None:
    """Our goodbye arrives although the peer was sending, and its late words are thrown away."""
    async with gateway() as served, joined(served) as (caller, client):

        async def talk() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await client.send("x" * 400)

        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(talk())
            assert await text_from(caller) == "x" * 400
            reading = tasks.create_task(end_of(caller))
            await caller.close(1_000, "done")
            assert await reading == SocketClosed(1_000, "done")
            await talking
        assert (client.close_code, client.close_reason) == (1_000, "done")


async def peer_that_never_answers_a_close_is_cut() -> None:
    """Neither a deaf peer nor a full queue holds a close longer than its deadline."""
    loop = asyncio.get_running_loop()
    async with gateway(close_timeout_s=0.1) as served, raw_peer(served, receive_buffer=4_096) as peer:
        caller = await served.callers.get()
        await fill(caller, "x" * 5_000)
        began = loop.time()
        await caller.close(1_001, "drain")
        assert loop.time() - began < 2.0
        assert await end_of(caller) == SocketClosed(1_001, "drain")
        assert not caller.send("x")
        peer.writer.transport.abort()


async def a_listener_takes_all_in_order() -> None:
    """What waited is taken before what comes, all once, and the end is returned."""
    texts = [f"{place}:" + "x" * (place * 37 % 9_000) for place in range(300)]
    async with gateway() as served, joined(served) as (caller, client):
        for text in texts[:20]:
            await client.send(text)
        await asyncio.sleep(0.05)  # they wait now
        taken: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(caller.listen(taken.append))
            for text in texts[20:]:
                await client.send(text)
            await client.close(4_001, "bye")
        assert taken == texts
        assert listening.result() == SocketClosed(4_001, "bye")
        assert await caller.listen(taken.append) == SocketClosed(4_001, "bye")
        assert taken == texts


async def a_large_message_that_waited_is_not_overtaken() -> None:
    """What aiohttp held back is parsed as the queue runs empty: behind the last message that waited."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        large = [str(place) * MAX_MESSAGE_BYTES for place in range(1, 7)]
        peer.send(FIN | PING, b"p")
        for text in [*large, "small", "last"]:
            peer.send(FIN | TEXT, text.encode())
        await asyncio.sleep(0.05)  # they wait now
        taken: list[str] = []
        done = asyncio.Event()

        def take(text: str) -> None:
            taken.append(text[:5])
            if text == "last":
                done.set()

        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(caller.listen(take))
            await done.wait()
            listening.cancel()
        assert taken == [*(text[:5] for text in large), "small", "last"]


async def a_listener_is_called_in_its_own_context() -> None:
    """What waited and what comes is logged as that of the same call."""
    whose = ContextVar("whose", default="nobody's")
    async with gateway() as served, joined(served) as (caller, client):
        await client.send("waits")
        await asyncio.sleep(0.05)
        seen: list[tuple[str, str]] = []

        async def listen() -> None:
            whose.set("the call's")
            await caller.listen(lambda text: seen.append((text, whose.get())))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen())
            await client.send("comes")
            await client.close()
        assert seen == [("waits", "the call's"), ("comes", "the call's")]


async def a_listener_that_gives_up_leaves_the_rest() -> None:
    """What comes after it was cancelled waits for the next one."""
    async with gateway() as served, joined(served) as (caller, client):
        taken: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await caller.listen(taken.append)
        await client.send("kept")
        assert await text_from(caller) == "kept"
        assert taken == []


async def nobody_is_listened_to_after_our_goodbye() -> None:
    """Texts behind our own close are thrown away, and the listener is told of it."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        taken: list[str] = []
        heard = asyncio.Event()

        def take(text: str) -> None:
            taken.append(text)
            heard.set()

        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(caller.listen(take))
            peer.send(FIN | TEXT, b"before")
            await heard.wait()
            tasks.create_task(caller.close(1_000, "done"))
            assert await peer.read() == (FIN | CLOSE, close_frame(1_000, "done"))
            peer.send(FIN | TEXT, b"late")
            peer.send(FIN | CLOSE, close_frame(1_000))
        assert taken == ["before"]
        assert listening.result() == SocketClosed(1_000, "done")


async def pings_between_texts_are_counted_while_somebody_listens() -> None:
    """A hundred between two texts are a flood; with texts in between they are none."""
    async with gateway(limit_bytes=1 << 20) as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        taken: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(caller.listen(taken.append))
            for _ in range(5):
                for _ in range(100):
                    peer.send(FIN | PING, b"p")
                peer.send(FIN | TEXT, b"x")
            assert {await peer.read() for _ in range(500)} == {(FIN | PONG, b"p")}
            assert taken == ["x"] * 5
            for _ in range(101):
                peer.send(FIN | PING, b"p")
            while (frame := await peer.read()) == (FIN | PONG, b"p"):
                pass
            assert frame == (FIN | CLOSE, close_frame(1_008, "ping_flood"))
            peer.send(FIN | CLOSE, close_frame(1_008))
        assert listening.result() == SocketClosed(1_008, "ping_flood")


SCENARIOS: list[Callable[[], Awaitable[None]]] = [
    texts_pass_both_ways,
    pongs_interleave_with_frames,
    peer_that_does_not_read_is_bounded,
    nothing_raises_after_the_end,
    lost_connection_is_1006,
    close_reaches_a_peer_in_the_middle_of_talking,
    peer_that_never_answers_a_close_is_cut,
    a_listener_takes_all_in_order,
    a_large_message_that_waited_is_not_overtaken,
    a_listener_is_called_in_its_own_context,
    a_listener_that_gives_up_leaves_the_rest,
    nobody_is_listened_to_after_our_goodbye,
    pings_between_texts_are_counted_while_somebody_listens,
]


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_socket_holds_on_asyncio(scenario: Callable[[], Awaitable[None]]) -> None:
    """Each scenario above holds on the standard event loop."""
    await scenario()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_socket_holds_on_uvloop(scenario: Callable[[], Awaitable[None]]) -> None:
    """Each scenario above holds on uvloop, whose transports differ in detail."""

    async def run() -> None:
        await scenario()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def test_upgrade_is_answered_without_subprotocol_and_extension() -> None:
    """Whatever a peer offers, it gets a plain socket with the options for voice."""
    offers = {
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol": "audio.twilio.com",
    }
    async with gateway() as served, raw_peer(served, headers=offers) as peer:
        caller = await served.callers.get()
        status, *headers = peer.answer.lower().split("\r\n")
        assert status.startswith("http/1.1 101")
        assert not [line for line in headers if line.startswith("sec-websocket-") and "accept" not in line]
        options = caller.response.get_extra_info("socket")
        assert options.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert options.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5_000
        assert caller.send("plain")
        assert await peer.read() == (FIN | TEXT, b"plain")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-WebSocket-Key": "é" * 24},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Version": "12"},
        {"Upgrade": "h2c"},
        {"Connection": "close"},
    ],
)
async def test_request_that_is_no_handshake_gets_400(headers: dict[str, str]) -> None:
    """A broken handshake is a plain refusal."""
    async with gateway() as served, raw_peer(served, headers=headers) as peer:
        assert peer.answer.startswith("HTTP/1.1 400")
        assert served.callers.empty()


async def test_peer_that_closes_gets_its_code_back() -> None:
    """A close frame is answered with the same code, then the connection ends."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        peer.send(FIN | CLOSE, close_frame(1_001, "going"))
        assert await end_of(caller) == SocketClosed(1_001, "going")
        assert await peer.read() == (FIN | CLOSE, close_frame(1_001, "going"))
        assert await peer.reader.read() == b""


async def test_peer_that_closes_without_a_code_is_1005() -> None:
    """Twilio's own way of closing has no code, and neither has the answer."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        peer.send(FIN | CLOSE)
        assert await end_of(caller) == SocketClosed(1_005, "")
        assert await peer.read() == (FIN | CLOSE, b"")


@pytest.mark.parametrize(
    ("frames", "closed"),
    [
        ([(FIN | BINARY, b"{}")], SocketClosed(1_003, "binary")),
        ([(FIN | TEXT, b"\xff")], SocketClosed(1_007, "bad_utf8")),
        ([(TEXT, b"\xc3"), (FIN, b"\x28")], SocketClosed(1_007, "bad_utf8")),
        ([(FIN | TEXT, b"x" * 65_537)], SocketClosed(1_009, "too_big")),
        ([(TEXT, b"x" * 40_000), (FIN, b"x" * 40_000)], SocketClosed(1_009, "too_big")),
        ([(FIN, b"lone")], SocketClosed(1_002, "protocol_error")),
        ([(FIN | 0x3, b"")], SocketClosed(1_002, "protocol_error")),
        ([(FIN | 0x40 | TEXT, b"x")], SocketClosed(1_002, "protocol_error")),
        ([(PING, b"")], SocketClosed(1_002, "protocol_error")),
        ([(FIN | PING, b"x" * 126)], SocketClosed(1_002, "protocol_error")),
        ([(FIN | CLOSE, b"x")], SocketClosed(1_002, "protocol_error")),
        ([(FIN | CLOSE, close_frame(1_004))], SocketClosed(1_002, "protocol_error")),
        ([(FIN | CLOSE, close_frame(1_000) + b"\xff")], SocketClosed(1_007, "bad_utf8")),
        ([(FIN | PING, b"p")] * 101, SocketClosed(1_008, "ping_flood")),
    ],
)
async def test_breach_closes_with_its_code(frames: list[tuple[int, bytes]], closed: SocketClosed) -> None:
    """Each breach of the protocol ends in a close frame with the code of RFC 6455, on both sides the same."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        for head, payload in frames:
            peer.send(head, payload)
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(end_of(caller))
            head, payload = await peer.read()
            while head == FIN | PONG:
                head, payload = await peer.read()
            assert head == FIN | CLOSE
            assert payload[:2] == close_frame(closed.code)
            peer.send(FIN | CLOSE, payload[:2])
        assert ending.result() == closed
        assert not caller.send("x")


async def test_declared_gigabyte_is_refused_before_it_is_read() -> None:
    """The header alone closes the socket; no memory waits for what it promises."""
    for declared in (1 << 30, 1 << 62, (1 << 64) - 1):
        async with gateway() as served, raw_peer(served) as peer:
            caller = await served.callers.get()
            peer.send(FIN | TEXT, declared=declared)
            assert await end_of(caller) == SocketClosed(1_009, "too_big")
            assert (await peer.read())[1][:2] == close_frame(1_009)


async def test_message_of_exactly_the_limit_is_read() -> None:
    """The limit is inclusive, in one frame and in many."""
    async with gateway(max_message_bytes=1_000) as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        peer.send(FIN | TEXT, b"x" * 1_000)
        assert await text_from(caller) == "x" * 1_000
        peer.send(TEXT, b"x" * 400)
        peer.send(FIN | PING, b"between")
        peer.send(0, b"x" * 400)
        peer.send(FIN, b"x" * 200)
        assert await text_from(caller) == "x" * 1_000
        assert await peer.read() == (FIN | PONG, b"between")


async def test_pings_among_texts_are_no_flood() -> None:
    """A peer that pings as often as it talks is welcome for ever."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        for place in range(300):
            peer.send(FIN | PING, b"p")
            peer.send(FIN | PONG, b"unasked")
            peer.send(FIN | TEXT, str(place).encode())
            assert await text_from(caller) == str(place)
        assert [await peer.read() for _ in range(300)] == [(FIN | PONG, b"p")] * 300


async def test_pongs_for_a_peer_that_does_not_read_are_bounded() -> None:
    """A full queue takes no more pongs, so that pings cannot fill memory."""
    async with gateway(limit_bytes=8_192) as served, raw_peer(served, receive_buffer=4_096) as peer:
        caller = await served.callers.get()
        await fill(caller, "x" * 5_000)
        full = caller.queued_bytes
        for _ in range(50):
            peer.send(FIN | PING, b"p" * 125)
        peer.send(FIN | TEXT, b"end")
        assert await text_from(caller) == "end"
        assert caller.queued_bytes <= full
        peer.writer.transport.abort()


async def test_reader_that_was_cancelled_leaves_the_close_working() -> None:
    """A task that stops waiting for messages does not keep the goodbye from being said."""
    async with gateway() as served, joined(served) as (caller, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await caller.receive()
        await client.send("kept")
        assert await text_from(caller) == "kept"
        await caller.close(1_000)
        await client.wait_closed()
        assert client.close_code == 1_000


async def test_urgent_text_goes_out_to_a_full_queue() -> None:
    """Marks and clear are never dropped for want of room, and arrive behind what was queued."""
    async with gateway(limit_bytes=8_192) as served, raw_peer(served, receive_buffer=4_096) as peer:
        caller = await served.callers.get()
        accepted = await fill(caller, "x" * 5_000)
        assert not caller.send("audio")
        assert caller.send("clear", urgent=True)
        assert not caller.send("audio")
        assert {await peer.read() for _ in range(accepted)} == {(FIN | TEXT, b"x" * 5_000)}
        assert await peer.read() == (FIN | TEXT, b"clear")


async def test_end_that_waits_to_be_read_is_told_as_it_was() -> None:
    """What the peer said before it left is read after it left; our close does not rewrite it."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        peer.send(FIN | TEXT, b"stop")
        peer.send(FIN | CLOSE, close_frame(4_002, "bye"))
        peer.writer.close()
        await peer.writer.wait_closed()
        await fill(caller, "")
        assert await text_from(caller) == "stop"
        await caller.close(1_000)
        assert await end_of(caller) == SocketClosed(4_002, "bye")


async def test_peer_that_left_before_its_socket_was_made_is_reported() -> None:
    """A connection that is gone by then raises what the handler knows how to end on."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        peer.writer.transport.abort()
        assert await end_of(caller) == SocketClosed(1_006, "lost")
        with pytest.raises(ConnectionResetError):
            CallerSocket(served.requests[0], caller.response)


async def test_closing_twice_at_once_says_goodbye_once() -> None:
    """Two tasks that close together wait for the same end; the first code counts."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(caller.close(1_000, "first"))
            tasks.create_task(caller.close(1_011, "second"))
            reading = tasks.create_task(end_of(caller))
            assert await peer.read() == (FIN | CLOSE, close_frame(1_000, "first"))
            peer.send(FIN | TEXT, b"late")
            peer.send(FIN | CLOSE, close_frame(1_000))
        assert reading.result() == SocketClosed(1_000, "first")
        assert await peer.reader.read() == b""


async def test_close_reason_is_cut_to_what_a_frame_holds() -> None:
    """A control frame carries 125 bytes and no more."""
    async with gateway() as served, raw_peer(served) as peer:
        caller = await served.callers.get()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(caller.close(1_000, "é" + "x" * 200))
            assert await peer.read() == (FIN | CLOSE, close_frame(1_000, "?" + "x" * 122))
            peer.send(FIN | CLOSE, close_frame(1_000))


async def test_handler_that_returns_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    """After the close aiohttp finishes the request without a word, and no task is left."""
    before = asyncio.all_tasks()
    async with gateway() as served, joined(served) as (caller, client):
        await client.send("x")
        assert await text_from(caller) == "x"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(caller.close())
            tasks.create_task(client.wait_closed())
        served.finish.set()
        await served.handled.acquire()
    assert asyncio.all_tasks() == before
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_handler_that_returns_without_closing_closes_in_time() -> None:
    """A handler that gives up leaves the goodbye to aiohttp, with the same deadline."""
    async with gateway(close_timeout_s=0.1) as served, raw_peer(served) as peer:
        await served.callers.get()
        served.finish.set()
        assert await peer.read() == (FIN | CLOSE, close_frame(1_000))
        assert await peer.reader.read() == b""


async def test_caller_that_has_gone_is_freed_at_once() -> None:
    """aiohttp cannot say goodbye on a closed connection; what it caught does not keep socket and request."""
    with uncollected():
        async with gateway() as served, joined(served) as (caller, client):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(caller.close())
                tasks.create_task(client.wait_closed())
            await caller.listen(print)
            kept: list[ref[object]] = [ref(caller.response), ref(served.requests.pop())]
            del caller
            served.finish.set()
            await served.handled.acquire()
            await client.wait_closed()

        assert [one() for one in kept] == [None, None]
