"""The media socket from Twilio's side, against a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import WSMsgType
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from gateway.simulator import codes
from gateway.simulator.codes import Fault
from gateway.simulator.wire import MediaWire, WireClosed, connect, text_frame
from tests.simulator.answering import AUTH_TOKEN, Stream, answering, idle

RawServer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Ears:
    """Takes what the wire hands on."""

    texts: list[str] = field(default_factory=list)
    binaries: int = 0
    closed: list[WireClosed] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def on_text(self, text: str) -> None:
        """Keep a text."""
        self.texts.append(text)
        self.heard.set()

    def on_binary(self) -> None:
        """Count a binary message."""
        self.binaries += 1
        self.heard.set()

    def on_closed(self, closed: WireClosed) -> None:
        """Keep the end."""
        self.closed.append(closed)
        self.heard.set()


async def opened(url: str, ears: Ears) -> MediaWire:
    """Connect where it must succeed."""
    wire = await connect(url.replace("http", "ws") + "/twilio/media", AUTH_TOKEN, ears)
    assert isinstance(wire, MediaWire)
    return wire


@asynccontextmanager
async def raw_server(behaviour: RawServer) -> AsyncIterator[str]:
    """Serve bytes on a free port, and give its ws URL."""
    server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/m"


class TestHandshake:
    """Exactly Twilio's upgrade."""

    async def test_headers_are_twilios_in_its_order(self) -> None:
        """No Origin, no extension, no subprotocol; signed over the ws URL."""
        async with answering(idle) as gateway:
            wire = await opened(gateway.url, Ears())
            await wire.close(None, 1)
            (stream,) = gateway.streams

        names = [name for name, _ in stream.headers]
        assert names == [
            "Host",
            "User-Agent",
            "Connection",
            "Upgrade",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "X-Twilio-Signature",
        ]
        assert dict(stream.headers)["User-Agent"] == "Twilio.TmeWs/1.0"
        assert stream.genuine

    async def test_the_query_is_dropped(self) -> None:
        """As observed; the signature covers the URL without it."""
        async with answering(idle) as gateway:
            url = gateway.url.replace("http", "ws") + "/twilio/media?token=secret"
            wire = await connect(url, AUTH_TOKEN, Ears())
            assert isinstance(wire, MediaWire)
            await wire.close(None, 1)

            assert gateway.streams[0].genuine

    async def test_a_refusal_is_31920(self) -> None:
        """With the status it came with."""
        async with answering(idle) as gateway:
            gateway.refuse_media = True
            fault = await connect(gateway.url.replace("http", "ws") + "/twilio/media", AUTH_TOKEN, Ears())

        assert isinstance(fault, Fault)
        assert fault.code == codes.HANDSHAKE_REFUSED
        assert "HTTP 403" in fault.detail

    async def test_a_closed_port_is_31902(self) -> None:
        """Nobody listens there any more."""
        async with answering(idle) as gateway:
            url = gateway.url.replace("http", "ws")

        fault = await connect(url, AUTH_TOKEN, Ears())
        assert isinstance(fault, Fault)
        assert fault.code == codes.CONNECT_REFUSED

    async def test_no_answer_is_31901(self) -> None:
        """After the deadline, and the connection does not stay behind."""
        gone = asyncio.Event()

        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.read(1_000):
                    pass
            except ConnectionError:
                pass
            gone.set()
            writer.close()

        async with raw_server(mute) as url:
            fault = await connect(url, AUTH_TOKEN, Ears(), timeout_s=0.05)
            await gone.wait()

        assert fault == Fault(codes.CONNECT_TIMEOUT)

    async def test_the_end_of_an_unanswered_connection_is_no_error(self) -> None:
        """What was given up after its time is lost quietly, a moment later."""
        unseen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))

        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                await reader.read()
            writer.close()

        async with raw_server(mute) as url:
            await connect(url, AUTH_TOKEN, Ears(), timeout_s=0.05)
            await asyncio.sleep(0.05)

        assert unseen == []

    async def test_a_close_instead_of_an_answer_is_31920(self) -> None:
        """The server went away in the middle of the handshake."""

        async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        async with raw_server(rude) as url:
            fault = await connect(url, AUTH_TOKEN, Ears())

        assert isinstance(fault, Fault)
        assert fault.code == codes.HANDSHAKE_REFUSED

    @pytest.mark.parametrize(
        ("url", "code"),
        [
            ("https://gw.example.com/m", codes.SCHEME_NOT_WSS),
            ("ws://gw.example.com/m", codes.SCHEME_NOT_WSS),
            ("ws://10.0.0.1/m", codes.SCHEME_NOT_WSS),
            ("wss://", codes.BAD_URL),
            ("wss://[::1", codes.BAD_URL),
            ("wss://gw.example.com:port/m", codes.BAD_URL),
        ],
    )
    async def test_a_url_that_twilio_refuses_is_refused(self, url: str, code: int) -> None:
        """Before anything is sent."""
        fault = await connect(url, AUTH_TOKEN, Ears())

        assert isinstance(fault, Fault)
        assert fault.code == code


class TestMessages:
    """What comes in and goes out."""

    async def test_texts_arrive_in_both_directions(self) -> None:
        """Unchanged."""
        got: list[str] = []

        async def behaviour(stream: Stream) -> None:
            await stream.socket.send_str("to twilio")
            got.extend([message.data async for message in stream.socket])

        ears = Ears()
        async with answering(behaviour) as gateway:
            wire = await opened(gateway.url, ears)
            wire.send(b"to the gateway")
            await ears.heard.wait()
            await wire.close(1000, 1)

        assert (ears.texts, got) == (["to twilio"], ["to the gateway"])

    async def test_binary_is_told_apart(self) -> None:
        """Twilio warns 31950."""

        async def behaviour(stream: Stream) -> None:
            await stream.socket.send_bytes(b"\x00\x01")
            await stream.socket.receive()

        ears = Ears()
        async with answering(behaviour) as gateway:
            wire = await opened(gateway.url, ears)
            await ears.heard.wait()
            await wire.close(1000, 1)

        assert (ears.binaries, ears.texts) == (1, [])

    async def test_fragments_are_put_together(self) -> None:
        """A ping may stand between them."""

        async def behaviour(stream: Stream) -> None:
            for frame in (
                Frame(Opcode.TEXT, b"one ", fin=False),
                Frame(Opcode.PING, b"?"),
                Frame(Opcode.CONT, b"two", fin=True),
            ):
                stream.transport.write(frame.serialize(mask=False))
            await stream.socket.receive()

        ears = Ears()
        async with answering(behaviour) as gateway:
            wire = await opened(gateway.url, ears)
            await ears.heard.wait()
            await wire.close(1000, 1)

        assert ears.texts == ["one two"]

    async def test_pings_are_answered(self) -> None:
        """With what they carried."""
        pong: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def behaviour(stream: Stream) -> None:
            stream.socket._autoping = False
            await stream.socket.ping(b"there?")
            message = await stream.socket.receive()
            assert message.type is WSMsgType.PONG
            pong.set_result(message.data)
            await stream.socket.receive()

        async with answering(behaviour) as gateway:
            wire = await opened(gateway.url, Ears())
            assert await pong == b"there?"
            await wire.close(1000, 1)

    async def test_a_server_that_does_not_read_is_noticed(self) -> None:
        """Congested above the limit, and free again when it reads."""
        go_on = asyncio.Event()

        async def behaviour(stream: Stream) -> None:
            stream.transport.pause_reading()
            await go_on.wait()
            stream.transport.resume_reading()
            async for message in stream.socket:
                if message.data == "last":
                    await stream.socket.send_str("read it all")

        ears = Ears()
        async with answering(behaviour) as gateway:
            wire = await opened(gateway.url, ears)
            while not wire.congested:
                wire.send(b"x" * 60_000)
                await asyncio.sleep(0)
            wire.send(b"last")
            go_on.set()
            await ears.heard.wait()

            assert not wire.congested
            await wire.close(1000, 1)


class TestEnds:
    """How it stops."""

    @pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
    async def test_a_close_by_the_server_is_31921(self, code: int) -> None:
        """Even when it was meant; the code is kept."""

        async def behaviour(stream: Stream) -> None:
            await stream.socket.close(code=code)

        ears = Ears()
        async with answering(behaviour) as gateway:
            await opened(gateway.url, ears)
            await ears.heard.wait()

        assert ears.closed == [WireClosed(code, Fault(codes.SERVER_CLOSED, f"code {code}"))]

    async def test_a_lost_connection_is_31903(self) -> None:
        """No close frame came."""

        async def behaviour(stream: Stream) -> None:
            stream.transport.abort()

        ears = Ears()
        async with answering(behaviour) as gateway:
            await opened(gateway.url, ears)
            await ears.heard.wait()

        assert ears.closed == [WireClosed(1006, Fault(codes.BROKEN_PIPE))]

    async def test_a_broken_frame_is_31924(self) -> None:
        """A fragmented control frame, for one."""

        async def behaviour(stream: Stream) -> None:
            stream.transport.write(b"\x09\x00")
            await stream.socket.receive()

        ears = Ears()
        async with answering(behaviour) as gateway:
            await opened(gateway.url, ears)
            await ears.heard.wait()

        assert [closed.fault and closed.fault.code for closed in ears.closed] == [codes.PROTOCOL_ERROR]

    @pytest.mark.parametrize(("ours", "seen"), [(None, 1005), (1000, 1000)])
    async def test_our_close_is_seen_with_its_code(self, ours: int | None, seen: int) -> None:
        """An empty close frame is 1005 to servers; no fault is noted."""
        ears = Ears()
        async with answering(idle) as gateway:
            wire = await opened(gateway.url, ears)
            await wire.close(ours, 1)
            (stream,) = gateway.streams

        # aiohttp reads an empty close frame as 0 or 1000, depending on its version.
        assert stream.socket.close_code in {seen, *([0, 1000] if seen == 1005 else [])}
        assert [closed.fault for closed in ears.closed] == [None]

    async def test_a_server_that_never_answers_the_close_is_dropped(self) -> None:
        """After the deadline."""
        done = asyncio.Event()

        async def behaviour(stream: Stream) -> None:
            await done.wait()

        async with answering(behaviour) as gateway:
            wire = await opened(gateway.url, Ears())
            await wire.close(1000, 0.05)
            done.set()

    async def test_a_reset_reaches_the_server_as_one(self) -> None:
        """No close frame, no FIN."""
        reading = asyncio.Event()
        lost = asyncio.Event()

        async def behaviour(stream: Stream) -> None:
            reading.set()
            message = await stream.socket.receive()
            assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE)
            assert stream.socket.close_code in (1006, None)
            lost.set()

        async with answering(behaviour) as gateway:
            wire = await opened(gateway.url, Ears())
            await reading.wait()
            wire.reset()
            await lost.wait()

    async def test_nothing_is_sent_after_the_end(self) -> None:
        """And it is no error to try."""
        async with answering(idle) as gateway:
            wire = await opened(gateway.url, Ears())
            await wire.close(1000, 1)
            wire.send(b"late")
            wire.reset()


@given(st.binary(max_size=300) | st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 65_535, b"x" * 65_536]))
def test_frames_are_readable_by_websockets(text: bytes) -> None:
    """Header, mask and length of every size."""
    reader = StreamReader()
    reader.feed_data(text_frame(text))
    parser = Frame.parse(reader.read_exact, mask=True, max_size=None)
    with pytest.raises(StopIteration) as stopped:
        next(parser)

    frame = stopped.value.value
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, text)
