"""What goes wrong on the wire: each fault ends in one named close, or is skipped and counted."""

import asyncio
from weakref import ref

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.frames import Close, Frame, Opcode
from websockets.uri import parse_uri

from gateway.backlog import Backlog
from gateway.vatel import messages
from gateway.vatel.connection import Connection, Limits
from gateway.vatel.socket import AgentSocket, SocketClosed, connect
from tests.uncollected import uncollected
from tests.vatel.agent_host import Conduct, Peer, bare_host, websocket_host
from tests.vatel.both_loops import on_both_loops
from tests.vatel.hearing import HeldBacklog, full, receive

QUICK = Limits(close_timeout_s=0.02)
IMPATIENT = Limits(ping_interval_s=0.06, pong_timeout_s=0.04, close_timeout_s=0.1)
# Long enough that a busy machine is not taken for a dead peer.
PATIENT = Limits(ping_interval_s=0.25, pong_timeout_s=0.2, inbox_bytes=100_000)


async def dial(url: str, limits: Limits = QUICK, backlog: Backlog | None = None) -> AgentSocket:
    """Connect."""
    return await connect(url, token="t", timeout_s=5, backlog=backlog or Backlog(), limits=limits)


async def all_of(conduct: Conduct, limits: Limits = QUICK) -> list[str | SocketClosed]:
    """Return everything a peer's conduct makes of a connection, its end last."""
    async with bare_host(conduct) as url:
        return await all_from(await dial(url, limits))


async def all_from(socket: AgentSocket) -> list[str | SocketClosed]:
    """Return all that a socket receives, its end last."""
    received: list[str | SocketClosed] = []
    async with asyncio.timeout(10):
        while not received or isinstance(received[-1], str):
            received.append(await receive(socket))
        await socket.close()
    return received


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000, 4000, 4401])
@on_both_loops
async def test_the_peers_close_is_told_as_it_is(code: int) -> None:
    """Code and reason reach the reader, after what was said before."""

    async def leave(server: ServerConnection) -> None:
        await server.send("goodbye")
        await server.close(code, "that was all")

    async with websocket_host(leave) as url:
        received = await all_from(await dial(url))

    assert received == ["goodbye", SocketClosed(code, "that was all")]


@on_both_loops
async def test_a_close_without_a_code_is_1005() -> None:
    """An empty close frame is told apart from none."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.CLOSE, b"")
        await peer.until_gone()

    assert await all_of(conduct) == [SocketClosed(1005, "")]


@on_both_loops
async def test_the_peers_close_is_answered() -> None:
    """The close frame is echoed, masked, and told at once though the peer keeps the connection open."""
    echoed = bytearray()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.CLOSE, Close(1001, "").serialize())
        echoed.extend(await peer.until_gone())

    assert await all_of(conduct) == [SocketClosed(1001, "")]
    mask = echoed[2:6]
    assert echoed[:2] == b"\x88\x82"
    assert bytes(byte ^ mask[index % 4] for index, byte in enumerate(echoed[6:])) == b"\x03\xe9"


@on_both_loops
async def test_a_reset_is_a_loss() -> None:
    """RST ends as 1006, after what was received before."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.TEXT, b"before")
        await peer.reader.read(1)
        peer.reset()

    async with bare_host(conduct) as url:
        socket = await dial(url)
        first = await receive(socket)
        socket.send("go")
        rest = await all_from(socket)

    assert [first, *rest] == ["before", SocketClosed(1006, "connection lost")]


@on_both_loops
async def test_an_end_without_a_close_frame_is_a_loss() -> None:
    """A bare FIN is 1006."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.TEXT, b"before")
        peer.writer.write_eof()
        await peer.until_gone()

    assert await all_of(conduct) == ["before", SocketClosed(1006, "connection lost")]


@on_both_loops
async def test_an_end_inside_a_frame_is_a_loss() -> None:
    """Half a message is no message."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.write(Frame(Opcode.TEXT, b"a" * 100).serialize(mask=False)[:50])
        peer.writer.write_eof()
        await peer.until_gone()

    assert await all_of(conduct) == [SocketClosed(1006, "connection lost")]


@on_both_loops
async def test_messages_right_behind_the_handshake_are_not_lost() -> None:
    """A server that speaks in the same packet as it accepts is heard."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.TEXT, b"first")
        peer.frame(Opcode.TEXT, b"second")
        peer.frame(Opcode.CLOSE, b"")
        await peer.until_gone()

    assert await all_of(conduct) == ["first", "second", SocketClosed(1005, "")]


@on_both_loops
async def test_bytes_that_come_one_by_one_are_the_same_message() -> None:
    """Packets may end anywhere."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        text = Frame(Opcode.TEXT, ("é" * 10).encode()).serialize(mask=False)
        for byte in text + Frame(Opcode.CLOSE, b"").serialize(mask=False):
            peer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)
        await peer.until_gone()

    assert await all_of(conduct) == ["é" * 10, SocketClosed(1005, "")]


@on_both_loops
async def test_fragments_are_put_together() -> None:
    """A message in pieces, cut inside a character and around a ping, is one text."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        whole = "Café 🍽".encode()
        peer.frame(Opcode.TEXT, whole[:4], fin=False)
        peer.frame(Opcode.PING, b"still there?")
        peer.frame(Opcode.CONT, whole[4:7], fin=False)
        peer.frame(Opcode.CONT, b"", fin=False)
        peer.frame(Opcode.CONT, whole[7:])
        peer.frame(Opcode.CLOSE, b"")
        await peer.until_gone()

    assert await all_of(conduct) == ["Café 🍽", SocketClosed(1005, "")]


@on_both_loops
async def test_binary_messages_are_counted_and_skipped() -> None:
    """The contract has none: whole or in fragments, they disturb nothing."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.TEXT, b"one")
        peer.frame(Opcode.BINARY, b"\xff\xfe")
        peer.frame(Opcode.BINARY, b"\xff", fin=False)
        peer.frame(Opcode.CONT, b"\xff")
        peer.frame(Opcode.TEXT, b"two")
        peer.frame(Opcode.CLOSE, b"")
        await peer.until_gone()

    async with bare_host(conduct) as url:
        socket = await dial(url)
        received = await all_from(socket)

    assert received == ["one", "two", SocketClosed(1005, "")]
    assert socket.binary_frames == 2


@pytest.mark.parametrize("payload", [b"\xff", b"ok \xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
@on_both_loops
async def test_text_that_is_no_utf8_closes_with_1007(payload: bytes) -> None:
    """The peer is told why, what came before stays, what comes after is not looked at."""
    heard = bytearray()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.TEXT, b"before")
        peer.frame(Opcode.TEXT, payload)
        peer.frame(Opcode.TEXT, b"after")
        heard.extend(await peer.until_gone())

    assert await all_of(conduct) == ["before", SocketClosed(1007, "invalid UTF-8")]
    assert closed_with(heard) == 1007


@on_both_loops
async def test_fragments_that_are_no_utf8_close_with_1007() -> None:
    """Reassembled text is judged like any other."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.TEXT, b"\xc3", fin=False)
        peer.frame(Opcode.CONT, b"(")
        await peer.until_gone()

    assert await all_of(conduct) == [SocketClosed(1007, "invalid UTF-8")]


def closed_with(sent: bytes | bytearray) -> int:
    """Return the code of the masked close frame a client sent, and nothing else."""
    assert sent[0] == 0x88
    mask, payload = sent[2:6], sent[6:]
    plain = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return int.from_bytes(plain[:2], "big")


@pytest.mark.parametrize(
    "broken",
    [
        b"\xc1\x00",
        b"\x83\x00",
        b"\x81\x81\0\0\0\0a",
        b"\x80\x00",
        b"\x89\x7e\x00\x80" + b"a" * 128,
        b"\x09\x00",
        b"\x88\x01a",
        b"\x88\x02\x03\xec",
        b"\x01\x01a\x81\x01b",
        b"\x01\x01a\x88\x00",
    ],
    ids=[
        "reserved bit",
        "unknown opcode",
        "masked",
        "stray continuation",
        "long ping",
        "fragmented ping",
        "close of one byte",
        "close with 1004",
        "text inside a fragmented text",
        "close inside a fragmented text",
    ],
)
@on_both_loops
async def test_a_broken_frame_closes_with_1002(broken: bytes) -> None:
    """What is no WebSocket ends the connection; nothing of it reaches the reader."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.write(broken)
        await peer.until_gone()

    assert await all_of(conduct) == [SocketClosed(1002, "broken frame")]


@on_both_loops
async def test_a_message_too_big_closes_with_1009() -> None:
    """The size is judged by the header: nothing is read into memory."""
    heard = bytearray()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.write(b"\x81\x7f" + (10_000_000).to_bytes(8, "big") + b"a" * 1000)
        heard.extend(await peer.until_gone())

    assert await all_of(conduct) == [SocketClosed(1009, "message too big")]
    assert closed_with(heard) == 1009


@on_both_loops
async def test_fragments_too_big_together_close_with_1009() -> None:
    """A message in pieces has the same bound as a whole one."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.TEXT, b"a" * 60_000, fin=False)
        peer.frame(Opcode.CONT, b"a" * 60_000)
        await peer.until_gone()

    received = await all_of(conduct, Limits(message_bytes=100_000, close_timeout_s=0.02))

    assert received == [SocketClosed(1009, "message too big")]


@on_both_loops
async def test_ten_seconds_of_audio_pass_in_one_message() -> None:
    """A burst of 640 kB is within the default limit."""
    burst = messages.dump_server(messages.ResponseAudio("t", bytes(480_000), True))

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.TEXT, burst.encode())
        peer.frame(Opcode.CLOSE, b"")
        await peer.until_gone()

    assert await all_of(conduct) == [burst, SocketClosed(1005, "")]


@on_both_loops
async def test_a_peer_that_stops_answering_is_found_dead() -> None:
    """A half-open connection ends as 1006 within one interval and the answer's time."""

    over = asyncio.Event()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.stop_reading()
        await over.wait()

    loop = asyncio.get_running_loop()
    async with bare_host(conduct) as url:
        socket = await dial(url, IMPATIENT)
        began = loop.time()
        received = await receive(socket)
        took_s = loop.time() - began
        await socket.close()
        over.set()

    assert received == SocketClosed(1006, "no answer to ping")
    assert took_s >= 0.09


@on_both_loops
async def test_a_peer_that_only_answers_pings_lives() -> None:
    """Silence with pongs is a quiet agent, not a dead one."""
    pinged = asyncio.Event()

    async def quiet(server: ServerConnection) -> None:
        await pinged.wait()
        await server.send("here")
        await server.wait_closed()

    async with websocket_host(quiet) as url:
        socket = await dial(url, PATIENT)
        await asyncio.sleep(0.6)
        pinged.set()
        received = await receive(socket)
        await socket.close()

    assert received == "here"


@on_both_loops
async def test_a_reader_that_holds_the_peer_back_does_not_kill_it() -> None:
    """While nothing is read, missing pongs prove nothing."""

    async def flood(server: ServerConnection) -> None:
        for _ in range(60):
            await server.send("a" * 60_000)
        await server.wait_closed()

    async with websocket_host(flood) as url:
        socket = await dial(url, PATIENT)
        await asyncio.sleep(0.6)
        received = [await receive(socket) for _ in range(60)]
        await socket.close()

    assert set(received) == {"a" * 60_000}


@on_both_loops
async def test_what_waits_is_taken_after_the_peer_is_gone() -> None:
    """A reset while the peer was held back loses nothing that was received."""
    heard = asyncio.Event()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        for number in range(10):
            peer.frame(Opcode.TEXT, str(number).encode() * 1000)
        await heard.wait()
        peer.reset()

    async with bare_host(conduct) as url:
        socket = await dial(url, Limits(inbox_bytes=3000))
        received = [await receive(socket) for _ in range(3)]
        heard.set()
        await socket.close()

    assert received == [str(number) * 1000 for number in range(3)]


@on_both_loops
async def test_letting_go_of_a_lost_peer_is_no_error() -> None:
    """Once the transport is closing there is nothing to read on from."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        for _ in range(10):
            peer.frame(Opcode.TEXT, b"a" * 1000)
        await peer.until_gone()

    limits = Limits(inbox_bytes=3000)
    connection = Connection(parse_uri("ws://host/"), "t", limits, Backlog())
    async with bare_host(conduct) as url:
        port = parse_uri(url).port
        await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
        while connection.inbox.waiting_bytes <= limits.inbox_bytes:  # noqa: ASYNC110 -- it has no event
            await asyncio.sleep(0.001)
        connection.lose("given up")
        connection.inbox.discard()
        await connection.gone.wait()

    assert connection.inbox.closed == SocketClosed(1006, "given up")


@on_both_loops
async def test_nobody_is_pinged_once_the_close_is_on_its_way() -> None:
    """After our close frame nothing but the answer to it is waited for."""
    heard = bytearray()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        heard.extend(await peer.until_gone())

    limits = Limits(ping_interval_s=0.02, pong_timeout_s=0.019, close_timeout_s=0.1)
    async with bare_host(conduct) as url:
        await (await dial(url, limits)).close()

    assert closed_with(heard) == 1000
    assert len(heard) == 8


@on_both_loops
async def test_pings_are_answered() -> None:
    """The peer's own keep-alive gets its pong."""
    heard = bytearray()

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        peer.frame(Opcode.PING, b"abc")
        heard.extend(await peer.reader.readexactly(9))
        peer.frame(Opcode.CLOSE, b"")
        await peer.until_gone()

    await all_of(conduct)

    assert heard[:2] == b"\x8a\x83"


@on_both_loops
async def test_a_flood_of_pings_is_no_flood_of_memory() -> None:
    """Answers a peer never reads are bounded: it is given up."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        pings = Frame(Opcode.PING, b"a" * 125).serialize(mask=False) * 500
        while not peer.writer.transport.is_closing():
            peer.write(pings)
            await peer.writer.drain()
            await asyncio.sleep(0)

    async with bare_host(conduct, receive_buffer=4096) as url:
        socket = await dial(url, Limits(forced_bytes=200_000))
        async with asyncio.timeout(10):
            received = await receive(socket)
        await socket.close()

    assert received == SocketClosed(1006, "stalled")


@on_both_loops
async def test_frames_leave_masked_and_whole() -> None:
    """What the client writes is one masked text frame per message, as RFC 6455 5.1 demands."""
    heard: list[str | bytes] = []
    done = asyncio.Event()

    async def note(server: ServerConnection) -> None:
        heard.extend([message async for message in server])
        done.set()

    sizes = [0, 1, 125, 126, 65_535, 65_536]
    async with websocket_host(note) as url:
        socket = await dial(url)
        for size in sizes:
            assert socket.send("é" * (size // 2) + "a" * (size % 2))
        await socket.close()
        await asyncio.wait_for(done.wait(), 5)

    assert [len(str(text).encode()) for text in heard] == sizes


@on_both_loops
async def test_a_connection_never_made_can_be_lost() -> None:
    """Losing and closing need no transport."""
    connection = Connection(parse_uri("ws://host/"), "t", Limits(), Backlog())
    connection.lose("never mind")

    assert connection.buffered_bytes == 0
    assert not connection.is_open
    assert await receive(AgentSocket(connection, Limits())) == SocketClosed(1006, "never mind")


@on_both_loops
async def test_connection_that_is_gone_is_freed_at_once() -> None:
    """Its parts call it back, and yet nothing of it waits for the collector of cycles."""

    async def leave(server: ServerConnection) -> None:
        await server.send("goodbye")
        await server.close(1000)

    with uncollected():
        async with websocket_host(leave) as url:
            socket = await dial(url)
            await all_from(socket)
        kept: list[ref[object]] = [ref(socket._connection), ref(socket._connection.inbox)]
        del socket
        await asyncio.sleep(0)  # the transport lets go of it in a turn of its own

        assert [one() for one in kept] == [None, None]


@on_both_loops
async def test_audio_waits_in_the_backlog_it_was_given() -> None:
    """What is short does not."""
    listening = asyncio.Event()

    async def talk(server: ServerConnection) -> None:
        await listening.wait()
        await server.send("word")
        await server.send("audio" * 200)
        await server.wait_closed()

    backlog, taken = HeldBacklog(), list[str]()
    async with websocket_host(talk) as url:
        socket = await dial(url, backlog=backlog)
        socket.listen(lambda text: taken.append(str(text)))
        listening.set()
        async with asyncio.timeout(5):
            await full(socket)
        assert taken == ["word"]
        backlog.pass_by()
        assert taken == ["word", "audio" * 200]
        await socket.close()


@on_both_loops
async def test_peer_that_sends_empty_texts_is_held_back_as_well() -> None:
    """They hold nothing, and yet each takes memory."""

    async def conduct(peer: Peer) -> None:
        await peer.upgrade()
        for _ in range(50):
            peer.frame(Opcode.TEXT, b"")
        await peer.until_gone()

    limits = Limits(inbox_bytes=3000, close_timeout_s=0.02)
    async with bare_host(conduct) as url:
        socket = await dial(url, limits)
        async with asyncio.timeout(5):
            await full(socket, limits.inbox_bytes)
        await socket.close()
