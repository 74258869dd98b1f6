"""The agent's socket against real servers: opened, refused, used and closed."""

import asyncio
import contextlib
import http
import logging
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from gateway.backlog import Backlog
from gateway.errors import AgentConnectError
from gateway.vatel.addresses import Addresses
from gateway.vatel.keepalive import KeepAlive
from gateway.vatel.socket import AgentSocket, Limits, SocketClosed, connect
from tests.vatel.agent_host import TLS_FOLDER, Peer, bare_host, websocket_host
from tests.vatel.both_loops import on_both_loops
from tests.vatel.hearing import full, receive

TOKEN = "eyJ0b2tlbg.c2VjcmV0+/=&x"
QUOTED = "eyJ0b2tlbg.c2VjcmV0%2B%2F%3D%26x"
QUICK = Limits(close_timeout_s=0.1)


async def echo(server: ServerConnection) -> None:
    """Send back what comes."""
    async for text in server:
        await server.send(text)


async def dial(url: str, *, timeout_s: float = 5.0, limits: Limits | None = None) -> AgentSocket:
    """Connect with the tests' token."""
    return await connect(url, token=TOKEN, timeout_s=timeout_s, backlog=Backlog(), limits=limits)


async def refusal(
    url: str, *, timeout_s: float = 5.0, addresses: Addresses | None = None
) -> AgentConnectError:
    """Return how a connection fails, and see that the token is in no word of it."""
    with pytest.raises(AgentConnectError) as caught:
        await connect(url, token=TOKEN, timeout_s=timeout_s, backlog=Backlog(), addresses=addresses)
    error = caught.value
    said = f"{error} {error!r} {error.args} {error.__cause__!r} {error.__context__!r}"
    assert "c2VjcmV0" not in said
    return error


async def spin() -> None:
    """Let the loop turn once."""
    await asyncio.sleep(0)


@on_both_loops
async def test_what_is_sent_comes_back() -> None:
    """Messages go both ways, in order."""
    async with websocket_host(echo) as url:
        socket = await dial(url)
        assert all(socket.send(f"message {number} é🍽") for number in range(100))
        received = [await receive(socket) for _ in range(100)]
        await socket.close()

    assert received == [f"message {number} é🍽" for number in range(100)]


@on_both_loops
async def test_the_request_says_no_more_than_it_must() -> None:
    """The token is in the query; there is no subprotocol, no extension, no authorization, no origin."""
    requests: list[Request] = []

    async def note(server: ServerConnection) -> None:
        assert server.request is not None
        requests.append(server.request)

    async with websocket_host(note) as url:
        socket = await dial(url)
        await socket.close()

    assert requests[0].path == f"/v1/connection?token={QUOTED}"
    assert {name.lower() for name in requests[0].headers} == {
        "host",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
    }


@on_both_loops
async def test_a_query_in_the_url_is_kept() -> None:
    """The token joins what is there already."""
    paths: list[str] = []

    async def note(server: ServerConnection) -> None:
        assert server.request is not None
        paths.append(server.request.path)

    async with websocket_host(note) as url:
        await (await dial(f"{url}?region=eu")).close()

    assert paths == [f"/v1/connection?region=eu&token={QUOTED}"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "bad_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (418, "bad_request"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "server_error"),
        (302, "bad_handshake"),
        (200, "bad_handshake"),
    ],
)
@on_both_loops
async def test_a_refused_upgrade_has_status_and_reason(status: int, reason: str) -> None:
    """Each status is named, and neither token nor the server's words are repeated."""

    def refuse(server: ServerConnection, request: Request) -> Response:
        return server.respond(http.HTTPStatus(status), f"no: {request.path}")

    async with serve(echo, "127.0.0.1", 0, process_request=refuse) as server:
        error = await refusal(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/")

    assert (error.reason, error.status) == (reason, status)


@on_both_loops
async def test_a_refusal_without_a_body_is_understood() -> None:
    """Vatel declares 401 and 403 without any body (vatel.md 1)."""

    async def conduct(peer: Peer) -> None:
        await peer.read_request()
        peer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await peer.until_gone()

    async with bare_host(conduct) as url:
        error = await refusal(url)

    assert (error.reason, error.status) == ("unauthorized", 401)


@on_both_loops
async def test_a_host_that_never_answers_times_out() -> None:
    """One deadline covers it all, and no connection outlives it."""
    left = asyncio.Event()

    async def conduct(peer: Peer) -> None:
        await peer.until_gone()
        left.set()

    async with bare_host(conduct) as url:
        error = await refusal(url, timeout_s=0.1)
        await asyncio.wait_for(left.wait(), 5)

    assert (error.reason, error.status) == ("timeout", 0)


@on_both_loops
async def test_a_host_that_answers_half_times_out() -> None:
    """An answer that never ends is no answer."""

    async def conduct(peer: Peer) -> None:
        await peer.read_request()
        peer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs")
        await peer.until_gone()

    async with bare_host(conduct) as url:
        error = await refusal(url, timeout_s=0.1)

    assert error.reason == "timeout"


@on_both_loops
async def test_nobody_listening_is_unreachable() -> None:
    """A refused TCP connection is named."""
    async with bare_host(Peer.upgrade) as url:
        pass

    assert (await refusal(url)).reason == "unreachable"


@on_both_loops
async def test_a_name_without_an_address_is_a_dns_failure() -> None:
    """DNS has its own reason."""

    async def nothing(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    error = await refusal("ws://agent.invalid/", addresses=Addresses(resolve=nothing))

    assert error.reason == "dns"


@on_both_loops
async def test_an_empty_answer_of_dns_is_a_dns_failure() -> None:
    """A resolver that answers with nothing leaves nowhere to go."""

    async def nothing(host: str, port: int) -> list[str]:
        return []

    error = await refusal("ws://agent.invalid/", addresses=Addresses(resolve=nothing))

    assert error.reason == "dns"


@on_both_loops
async def test_the_next_address_is_tried_and_the_token_spent_once() -> None:
    """A dead address costs its share of the deadline, nothing else."""
    paths: list[str] = []

    async def note(server: ServerConnection) -> None:
        assert server.request is not None
        paths.append(server.request.path)

    async def two(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with websocket_host(note) as url:
        named = url.replace("127.0.0.1", "agent.test")
        socket = await connect(
            named, token=TOKEN, timeout_s=5, backlog=Backlog(), addresses=Addresses(resolve=two)
        )
        await socket.close()

    assert len(paths) == 1


@on_both_loops
async def test_a_plaintext_host_is_never_spoken_to_in_the_clear() -> None:
    """wss stays wss: a host without TLS gets no byte of the handshake."""
    heard = bytearray()

    async def conduct(peer: Peer) -> None:
        heard.extend(await peer.reader.read(1024))
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.until_gone()

    async with bare_host(conduct) as url:
        error = await refusal(url.replace("ws://", "wss://"))

    assert error.reason == "tls"
    assert b"GET" not in heard
    assert b"token" not in heard


def server_tls() -> ssl.SSLContext:
    """Return the TLS side of a host named localhost, with a certificate nobody signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FOLDER / "localhost.crt", TLS_FOLDER / "localhost.key")
    return context


@on_both_loops
async def test_a_certificate_nobody_vouches_for_is_refused() -> None:
    """The system's authorities decide; there is no way around them."""
    async with websocket_host(echo, tls=server_tls()) as url:
        error = await refusal(url)

    assert (error.reason, error.status) == ("tls", 0)


@on_both_loops
async def test_tls_carries_messages() -> None:
    """With a context that trusts the host, wss works like ws."""
    trusting = ssl.create_default_context(cafile=str(Path(TLS_FOLDER) / "localhost.crt"))

    async with websocket_host(echo, tls=server_tls()) as url:
        socket = await connect(url, token=TOKEN, timeout_s=5, backlog=Backlog(), ssl=trusting)
        socket.send("over TLS")
        received = await receive(socket)
        await socket.close()

    assert received == "over TLS"


@pytest.mark.parametrize(
    "url",
    [
        "http://host/",
        "host",
        "ws://",
        "ws:///v1",
        "ws://user:word@host/",
        "ws://user@host/",
        "ws://h/#top",
        "",
        "ws://h:x/",
    ],
)
@on_both_loops
async def test_a_url_that_is_none_is_refused(url: str) -> None:
    """Only plain ws and wss URLs are connected to."""
    assert (await refusal(url)).reason == "bad_url"


@on_both_loops
async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable may send callers' audio elsewhere."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")

    async with websocket_host(echo) as url:
        socket = await dial(url)
        await socket.close()

    assert await receive(socket) == SocketClosed(1000, "")


@on_both_loops
async def test_the_token_is_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    """Not even at DEBUG, where the library writes whole handshakes."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets.server").setLevel(logging.INFO)

    async with websocket_host(echo) as url:
        socket = await dial(url)
        opened = repr(socket)
        socket.send("x")
        await receive(socket)
        await socket.close()

    assert "c2VjcmV0" not in caplog.text + opened + repr(socket) + repr(vars(socket))
    assert (opened, repr(socket)) == ("<AgentSocket open>", "<AgentSocket closed>")


@on_both_loops
async def test_giving_up_on_connecting_leaves_nothing() -> None:
    """A caller who hangs up while the agent is dialled takes the connection along."""
    here, left = asyncio.Event(), asyncio.Event()

    async def conduct(peer: Peer) -> None:
        await peer.read_request()
        here.set()
        await peer.until_gone()
        left.set()

    async with bare_host(conduct) as url, asyncio.TaskGroup() as group:
        dialling = group.create_task(dial(url, timeout_s=30))
        await here.wait()
        dialling.cancel()
        await asyncio.wait_for(left.wait(), 5)

    assert dialling.cancelled()


@on_both_loops
async def test_closing_says_so_and_waits_for_the_answer() -> None:
    """The peer gets the code, and the reader its answer."""
    codes: list[int | None] = []

    async def note(server: ServerConnection) -> None:
        await server.wait_closed()
        codes.append(server.close_code)

    async with websocket_host(note) as url:
        socket = await dial(url)
        await socket.close(1001)

    assert codes == [1001]
    assert await receive(socket) == SocketClosed(1001, "")


@on_both_loops
async def test_closing_again_does_nothing() -> None:
    """Close may be called by everyone who thinks it is over, at once and later."""
    async with websocket_host(echo) as url:
        socket = await dial(url)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(socket.close())
        await socket.close()

    assert await receive(socket) == SocketClosed(1000, "")


@on_both_loops
async def test_closing_does_not_wait_for_a_peer_that_never_answers() -> None:
    """After the close timeout the connection is aborted."""
    left = asyncio.Event()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        await peer.until_gone()
        left.set()

    async with bare_host(conduct) as url:
        socket = await dial(url, limits=QUICK)
        async with asyncio.timeout(2):
            await socket.close()
        await asyncio.wait_for(left.wait(), 5)

    assert await receive(socket) == SocketClosed(1006, "no answer to close")


@on_both_loops
async def test_a_cancelled_close_still_ends_the_connection() -> None:
    """Whoever stops waiting does not keep the connection alive."""
    left = asyncio.Event()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        await peer.until_gone()
        left.set()

    async with bare_host(conduct) as url:
        socket = await dial(url, limits=QUICK)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await socket.close()
        await asyncio.wait_for(left.wait(), 5)


@on_both_loops
async def test_nothing_is_sent_after_the_end() -> None:
    """A closed socket refuses, even by force."""
    async with websocket_host(echo) as url:
        socket = await dial(url)
        await socket.close()

    assert not socket.send("late")
    assert not socket.send("late", force=True)


@on_both_loops
async def test_a_reader_that_waits_is_told_of_the_close() -> None:
    """Closing wakes the one who receives."""
    async with websocket_host(echo) as url:
        socket = await dial(url)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(receive(socket))
            await asyncio.sleep(0)
            await socket.close()

    assert reading.result() == SocketClosed(1000, "")


@on_both_loops
async def test_a_slow_peer_is_not_waited_for() -> None:
    """Above the high-water mark audio is refused at once; control messages still go."""
    limits = Limits(send_buffer_bytes=130_000, forced_bytes=10_000_000, close_timeout_s=0.1)
    release, heard = asyncio.Event(), bytearray()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        await release.wait()
        heard.extend(await peer.until_gone())

    async with bare_host(conduct, receive_buffer=4096) as url:
        socket = await dial(url, limits=limits)
        frame = "a" * 1322
        sent = 0
        while socket.send(frame):
            sent += 1
            await spin()
        backlog = socket.buffered_bytes
        forced = socket.send("tool output", force=True)
        refused_again = not socket.send(frame)
        grown = socket.buffered_bytes - backlog
        release.set()
        await socket.close()

    assert sent > 0
    assert 130_000 < backlog < 130_000 + 1322 + 14
    assert forced
    assert refused_again
    assert 0 < grown < 40


@on_both_loops
async def test_a_slow_peer_is_sent_to_again_once_it_reads() -> None:
    """Refusing ends when the backlog is gone, and what was accepted arrives."""
    release = asyncio.Event()

    async def slow(server: ServerConnection) -> None:
        server.transport.pause_reading()
        await release.wait()
        server.transport.resume_reading()
        async for text in server:
            if text == "done?":
                await server.send("done")

    async with websocket_host(slow) as url:
        socket = await dial(url, limits=Limits(send_buffer_bytes=20_000, forced_bytes=50_000_000))
        while socket.send("a" * 60_000):
            await spin()
        release.set()
        socket.send("done?", force=True)
        received = await receive(socket)
        sent_again = socket.send("more")
        await socket.close()

    assert received == "done"
    assert sent_again


@on_both_loops
async def test_a_peer_that_reads_nothing_is_given_up_before_memory_is() -> None:
    """Even forced messages have a bound."""

    over = asyncio.Event()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.stop_reading()
        await over.wait()

    async with bare_host(conduct, receive_buffer=4096) as url:
        socket = await dial(url, limits=Limits(forced_bytes=1_000_000))
        while socket.send("a" * 100_000, force=True):
            assert socket.buffered_bytes <= 1_200_000
        received = await receive(socket)
        await socket.close()
        over.set()

    assert received == SocketClosed(1006, "stalled")


@on_both_loops
async def test_a_peer_that_nobody_listens_to_is_held_back() -> None:
    """Texts nobody takes are bounded; once taken, all of them arrive in order."""
    count, size = 400, 64_000

    async def flood(server: ServerConnection) -> None:
        for number in range(count):
            await server.send(str(number).rjust(size))
        await server.wait_closed()

    limits = Limits(inbox_bytes=1_000_000)
    async with websocket_host(flood) as url:
        socket = await dial(url, limits=limits)
        await full(socket, limits.inbox_bytes)
        await asyncio.sleep(0.05)
        held = socket.waiting_bytes
        received = [await receive(socket) for _ in range(count)]
        await socket.close()

    assert limits.inbox_bytes < held < limits.inbox_bytes + 8 * size
    assert [int(str(text)) for text in received] == list(range(count))
    assert socket.waiting_bytes == 0


@on_both_loops
async def test_closing_with_a_full_inbox_is_as_quick() -> None:
    """A socket that held its peer back still hears the answer to its close."""

    async def flood(server: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            while True:
                await server.send("a" * 50_000)

    limits = Limits(inbox_bytes=200_000, close_timeout_s=5.0)
    async with websocket_host(flood) as url:
        socket = await dial(url, limits=limits)
        await full(socket, limits.inbox_bytes)
        async with asyncio.timeout(4):
            await socket.close()

    assert await receive(socket) == SocketClosed(1000, "")


def test_the_limits_are_what_the_reference_asks_for() -> None:
    """Two seconds of uplink, more than ten of one message, half-open seen within 15 s, close within 1 s."""
    limits = Limits()

    assert limits.send_buffer_bytes == pytest.approx(2 * 50 * 1330, rel=0.05)
    assert limits.message_bytes > 10 * 64_000
    assert limits.ping_interval_s + limits.pong_timeout_s <= 15
    assert limits.close_timeout_s <= 1


async def test_cancelled_in_the_turn_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who leaves in the very loop turn in which the agent answers leaves no connection behind."""
    gone = asyncio.Event()
    start = KeepAlive.start

    async def agent(server: ServerConnection) -> None:
        await server.wait_closed()
        gone.set()

    def start_and_cancel(keep_alive: KeepAlive) -> None:
        start(keep_alive)
        dialling.cancel()

    monkeypatch.setattr(KeepAlive, "start", start_and_cancel)
    async with websocket_host(agent) as url, asyncio.TaskGroup() as group:
        dialling = group.create_task(dial(url))
        async with asyncio.timeout(3):
            await gone.wait()
    assert dialling.cancelled()
