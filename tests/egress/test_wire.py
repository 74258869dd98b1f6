"""Connections by themselves: refused when opened, cut when flooded, named when lost, and gone when closed."""

import asyncio
import io
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from weakref import ref

import aiohttp
import pytest

from gateway.egress.addresses import Allowance
from gateway.egress.connecting import RefusedAddress, Resolve
from gateway.egress.wire import MAX_FRAMING_BYTES, MAX_HEAD_BYTES, Connector, Lost, Unreadable, Wire
from tests.egress.peers import OK, Script, canary, flooding, hanging, in_turn, peer, resetting, saying
from tests.uncollected import uncollected
from tests.vatel.both_loops import on_both_loops

LOOPBACK = Allowance.parse(["127.0.0.1"])
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def loopback(host: str, port: int) -> list[str]:
    """Resolve every name to loopback."""
    return ["127.0.0.1"]


@asynccontextmanager
async def session(
    allowed: Allowance = LOOPBACK, *, keep: bool = True, resolve: Resolve = loopback
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a plain session over our connections."""
    connector = Connector(allowed, resolve, keep=keep)
    async with aiohttp.ClientSession(connector=connector, max_headers=10_000) as made:
        yield made


async def fetch(made: aiohttp.ClientSession, url: str, method: str = "GET") -> bytes:
    """Return the body of an answer."""
    async with asyncio.timeout(10), made.request(method, url) as response:
        return await response.read()


# --- opened


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "rebind.test", "localhost"])
@on_both_loops
async def test_connection_to_a_closed_address_is_not_opened(host: str) -> None:
    """A literal address, which no resolver is asked about, is stopped at the socket."""
    async with canary("127.0.0.1") as seen, session(Allowance()) as made:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await fetch(made, f"http://{host}:{seen.port}/")

    assert isinstance(caught.value.os_error, RefusedAddress)
    assert str(caught.value.os_error) == "a loopback address"


@on_both_loops
async def test_every_connection_is_one_of_ours() -> None:
    """Kept or not, it is opened through the check and serves."""
    async with peer(saying(OK)) as served:
        for keep, connections in ((True, 1), (False, 3)):
            async with session(keep=keep) as made:
                before = served.connections
                for _ in range(3):
                    assert await fetch(made, served.url()) == b"hi"
                assert served.connections - before == connections


@on_both_loops
async def test_name_is_looked_up_once_for_many() -> None:
    """Requests that start together ask DNS once, so that a slow name server is asked by one thread."""
    asked = 0

    async def resolve(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return ["127.0.0.1"]

    async with peer(saying(OK)) as served, session(resolve=resolve) as made, asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(fetch(made, served.url(host="hooks.test")))

    assert (asked, len(served.requests)) == (1, 10)


# --- flooded


@pytest.mark.parametrize(
    "script",
    [
        flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000),
        flooding(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100),
        flooding(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 1000),
        flooding(CHUNKED, b"1\r\na\r\n" * 100),
        flooding(CHUNKED + b"1;", b"a" * 1000),
        flooding(CHUNKED + b"0\r\n", b"A: b\r\n" * 100),
        saying(CHUNKED + b"1\r\na\r\n", b"zz\r\n"),
        saying(CHUNKED, b"1\r\naa\r\n"),
        saying(b"HTTP/9 nonsense\r\n\r\n"),
    ],
)
@on_both_loops
async def test_what_is_not_http_or_too_much_of_it_fails_at_once(script: Script) -> None:
    """Whoever waits for the head, or for more of the body, is told; nobody waits for the deadline."""
    async with peer(script) as served, session() as made:
        with pytest.raises(Unreadable):
            await fetch(made, served.url())
        async with asyncio.timeout(5):
            await served.alone.wait()


def padded(size: int) -> bytes:
    """Return an answer whose head has a size."""
    lines, rest = divmod(size - len(OK) + 2, 1000)
    head, body = OK.split(b"\r\n\r\n")
    padding = b"\r\nX: " + b"x" * 995
    return head + padding * lines + b"\r\nX: " + b"x" * (rest - 5) + b"\r\n\r\n" + body


@pytest.mark.parametrize(("surplus", "taken"), [(-2000, True), (130_000, False)])
async def test_head_has_a_cap(surplus: int, taken: bool) -> None:
    """So much is taken, and little more than a packet beyond; interim answers before it count."""
    answer = padded(MAX_HEAD_BYTES + surplus - 2500)
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 100
    pieces = [interim, *(answer[start : start + 9000] for start in range(0, len(answer), 9000))]
    async with peer(saying(*pieces)) as served, session() as made:
        if taken:
            assert await fetch(made, served.url()) == b"hi"
        else:
            with pytest.raises(Unreadable):
                await fetch(made, served.url())


@pytest.mark.parametrize(("chunks", "taken"), [(0.9, True), (3.0, False)])
async def test_framing_has_a_cap(chunks: float, taken: bool) -> None:
    """Chunks of a byte each cost five more; a body is not counted, however large."""
    count = int(MAX_FRAMING_BYTES / 5 * chunks)
    large = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    async with (
        peer(saying(CHUNKED + large, b"1\r\na\r\n" * count, b"0\r\n\r\n")) as served,
        session() as made,
    ):
        if taken:
            assert len(await fetch(made, served.url())) == 0x100000 + count
        else:
            with pytest.raises(Unreadable):
                await fetch(made, served.url())


@on_both_loops
async def test_caps_begin_anew_with_each_request() -> None:
    """A connection that is kept serves as much as it can."""
    answer = padded(MAX_HEAD_BYTES // 2)
    async with peer(saying(answer)) as served, session() as made:
        for _ in range(12):
            assert await fetch(made, served.url()) == b"hi"

    assert served.connections == 1


# --- lost


@pytest.mark.parametrize(
    ("served_first", "script", "stale"),
    [
        (0, saying(close=True), False),
        (0, resetting(), False),
        (1, saying(close=True), True),
        (3, resetting(), True),
        (1, saying(b"H", close=True), False),
        (1, resetting(b"H"), False),
        (1, saying(b"HTTP/1.1 100 Continue\r\n\r\n", close=True), False),
    ],
)
@on_both_loops
async def test_lost_connection_tells_whether_it_was_stale(
    served_first: int, script: Script, stale: bool
) -> None:
    """Used before, and not a byte of an answer: only then may the peer not have seen the request."""
    script = in_turn(*[saying(OK)] * served_first, script)
    async with peer(script) as served, session() as made:
        for _ in range(served_first):
            await fetch(made, served.url())
        error = await lost(made, served.url())

    assert error.stale is stale
    assert len(served.requests) == served_first + 1  # aiohttp itself would have repeated a GET


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", CHUNKED + b"2\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
@on_both_loops
async def test_answer_that_is_reset_does_not_count_as_whole(head: bytes) -> None:
    """Not even one that would have lasted until the end of the connection."""
    async with peer(resetting(head + b"hi")) as served, session() as made:
        with pytest.raises((Lost, aiohttp.ClientPayloadError)):
            await fetch(made, served.url())


# --- closed


@on_both_loops
async def test_surplus_answer_costs_the_connection() -> None:
    """The next request goes out on another one, and gets its own answer."""
    wrong, right = saying(OK, OK), saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright")
    async with peer(in_turn(wrong, right)) as served, session() as made:
        assert await fetch(made, served.url()) == b"hi"
        await asyncio.sleep(0.05)
        assert await fetch(made, served.url()) == b"right"

    assert served.connections == 2


@on_both_loops
async def test_closed_connection_does_not_wait_for_a_peer_that_reads_nothing() -> None:
    """What is still to be written is dropped, and the socket with it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        async with session() as made:
            before = len(os.listdir("/dev/fd"))
            for _ in range(8):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await made.post(url, data=io.BytesIO(bytes(9_000_000)))
            await asyncio.sleep(0.01)
            assert len(os.listdir("/dev/fd")) <= before + 1


@on_both_loops
async def test_hanging_connection_is_gone_with_its_session() -> None:
    """Closing the pool ends what is under way."""
    async with peer(hanging()) as served, asyncio.TaskGroup() as group:
        async with session() as made:
            waiting = group.create_task(lost(made, served.url()))
            await served.asked.wait()
        assert (await waiting).stale is False
        async with asyncio.timeout(5):
            await served.alone.wait()


async def lost(made: aiohttp.ClientSession, url: str) -> Lost:
    """Return how a request fails whose connection goes."""
    with pytest.raises(Lost) as caught:
        await fetch(made, url)
    return caught.value


# --- waited for


class Line(asyncio.Transport):
    """A connection on which nothing is sent."""

    def abort(self) -> None:
        """Be gone."""

    def is_closing(self) -> bool:
        """Stay open."""
        return False


def waiting_wire() -> Wire:
    """Return a connection on which a request is under way."""
    wire = Wire(asyncio.get_running_loop())
    wire.connection_made(Line())
    wire.set_response_params()
    return wire


@on_both_loops
async def test_whoever_waits_goes_on_in_the_step_in_which_the_answer_comes() -> None:
    """Half a head is nothing to go on with; with the other half no turn of the loop is waited for."""
    wire = waiting_wire()
    came: list[tuple[int, asyncio.Task[object] | None]] = []

    async def ask() -> None:
        message, _ = await wire.read()
        came.append((message.code, asyncio.current_task()))

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(wire.data_received, OK[:20])
        await asyncio.sleep(0.01)
        assert came == []
        seen_at_once: list[int] = []

        def rest() -> None:
            wire.data_received(OK[20:])
            seen_at_once.append(len(came))

        asyncio.get_running_loop().call_soon(rest)

    assert seen_at_once == [1]
    assert came == [(200, asking)]


@on_both_loops
async def test_whoever_waits_can_be_cancelled() -> None:
    """The answer that comes in the same turn is left; nobody goes on twice."""
    wire = waiting_wire()
    ended: list[str] = []

    async def ask() -> None:
        try:
            await wire.read()
        finally:
            ended.append("once")

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask())
        await asyncio.sleep(0)
        asking.cancel()
        asyncio.get_running_loop().call_soon(wire.data_received, OK)

    assert asking.cancelled()
    assert ended == ["once"]
    assert len(wire) == 1


@on_both_loops
async def test_whoever_waits_is_told_of_a_loss() -> None:
    """And sees the context that its task has, not that of the network."""
    wire = waiting_wire()
    ours = ContextVar("ours", default="nobody's")

    async def ask() -> str:
        ours.set("the task's")
        with pytest.raises(Lost):
            await wire.read()
        return ours.get()

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(wire.connection_lost, ConnectionResetError())

    assert asking.result() == "the task's"


@on_both_loops
async def test_connection_that_breaks_as_it_is_closed_is_lost() -> None:
    """Whoever waits is told so, and not of the end of a stream."""
    wire = waiting_wire()

    async def ask() -> None:
        with pytest.raises(Lost):
            await wire.read()

    def end() -> None:
        wire.connection_lost(ConnectionResetError())
        wire.close()

    async with asyncio.TaskGroup() as group:
        group.create_task(ask())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(end)


@pytest.mark.parametrize("end", ["answered", "lost", "cancelled"])
@on_both_loops
async def test_whoever_waited_is_freed_at_once(end: str) -> None:
    """However the wait ended, nothing of it is left to the collector of cycles."""

    async def ask(wire: Wire) -> None:
        with suppress(Lost):
            await wire.read()

    async def wait() -> list[ref[object]]:
        wire = waiting_wire()
        asking = asyncio.get_running_loop().create_task(ask(wire))
        await asyncio.sleep(0)
        waiting: list[ref[object]] = [ref(asking), ref(wire._arrival)]
        if end == "answered":
            asyncio.get_running_loop().call_soon(wire.data_received, OK)
        elif end == "lost":
            asyncio.get_running_loop().call_soon(wire.connection_lost, None)
        else:
            asking.cancel()
        await asyncio.wait([asking])
        wire.close()
        return waiting

    with uncollected():
        kept = await wait()
        await asyncio.sleep(0)

        assert [one() for one in kept] == [None, None]
