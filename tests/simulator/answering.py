"""A small gateway for the simulator's tests: real HTTP, real WebSocket, behaviour given by the test."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from gateway.audio import ulaw
from gateway.simulator.caller import sine
from gateway.twilio.signature import verify_upgrade, verify_webhook

ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "12345"
GREETING = ulaw.encode(sine(440, 800, -20))
HANGUP = "<Response><Hangup/></Response>"


@dataclass
class Request:
    """One form that arrived.

    Attributes:
        genuine: whether its signature is Twilio's.
    """

    path: str
    form: list[tuple[str, str]]
    headers: dict[str, str]
    genuine: bool

    @property
    def values(self) -> dict[str, str]:
        """The form as a mapping."""
        return dict(self.form)


@dataclass
class Stream:
    """One media socket at the gateway's end."""

    socket: web.WebSocketResponse
    headers: list[tuple[str, str]]
    genuine: bool
    texts: list[str] = field(default_factory=list)
    sid: str = ""

    @property
    def transport(self) -> asyncio.Transport:
        """The TCP connection under the socket."""
        request = self.socket._req
        assert request is not None
        assert request.transport is not None
        return request.transport

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Read messages until the socket ends."""
        async for message in self.socket:
            assert message.type is WSMsgType.TEXT
            self.texts.append(message.data)
            yield json.loads(message.data)

    async def started(self) -> dict[str, Any]:
        """Read up to ``start`` and return it."""
        async for message in self:
            if message["event"] == "start":
                self.sid = message["streamSid"]
                return message
        raise AssertionError("no start came")

    async def play(self, ulaw: bytes) -> None:
        """Send audio."""
        payload = base64.b64encode(ulaw).decode()
        await self.send({"event": "media", "streamSid": self.sid, "media": {"payload": payload}})

    async def mark(self, name: str) -> None:
        """Send a mark."""
        await self.send({"event": "mark", "streamSid": self.sid, "mark": {"name": name}})

    async def clear(self) -> None:
        """Send a clear."""
        await self.send({"event": "clear", "streamSid": self.sid})

    async def send(self, message: object) -> None:
        """Send anything as compact JSON."""
        await self.socket.send_str(json.dumps(message, separators=(",", ":")))

    async def drain(self) -> None:
        """Read until the socket ends."""
        async for _ in self:
            pass


Behaviour = Callable[[Stream], Awaitable[None]]


async def listen(stream: Stream) -> None:
    """Say nothing until the other side ends."""
    await stream.started()
    await stream.drain()


async def greet(stream: Stream) -> None:
    """Say 100 ms of something, then nothing."""
    await stream.started()
    await stream.play(GREETING)
    await stream.drain()


async def idle(stream: Stream) -> None:
    """Read whatever comes."""
    async for _ in stream.socket:
        pass


async def echo(stream: Stream) -> None:
    """Send every frame back."""
    await stream.started()
    async for message in stream:
        if message["event"] == "media":
            await stream.play(base64.b64decode(message["media"]["payload"]))


class Answering:
    """The gateway under the simulator's hand."""

    def __init__(self, behaviour: Behaviour, voice: str | None, resume: str) -> None:
        self.url = ""
        self.voice: str | None = voice
        self.resume = resume
        self.requests: list[Request] = []
        self.streams: list[Stream] = []
        self.refuse_media = False
        self.voice_status = 200
        self.content_type = "text/xml"
        self.failures: list[Exception] = []
        self.behaviour = behaviour

    def application(self) -> web.Application:
        """Build the server."""
        app = web.Application()
        app.router.add_route("*", "/twilio/voice", self._voice)
        app.router.add_post("/twilio/resume", self._resume)
        app.router.add_route("*", "/twilio/status", self._note)
        app.router.add_post("/twilio/stream-status", self._note)
        app.router.add_get("/twilio/media", self._media)
        return app

    def forms(self, path: str) -> list[dict[str, str]]:
        """Return the forms that arrived at a path, in order."""
        return [request.values for request in self.requests if request.path == path]

    def stream_twiml(self, attributes: str = "", parameters: str = "") -> str:
        """Write the TwiML our gateway answers."""
        url = self.url.replace("http", "ws") + "/twilio/media"
        return (
            f'<Response><Connect><Stream url="{url}" {attributes}>{parameters}</Stream></Connect>'
            f'<Redirect method="POST">{self.url}/twilio/resume</Redirect></Response>'
        )

    async def _voice(self, request: web.Request) -> web.Response:
        await self._remember(request)
        text = self.stream_twiml() if self.voice is None else self.voice
        return web.Response(text=text, content_type=self.content_type, status=self.voice_status)

    async def _resume(self, request: web.Request) -> web.Response:
        await self._remember(request)
        return web.Response(text=self.resume, content_type="text/xml")

    async def _note(self, request: web.Request) -> web.Response:
        await self._remember(request)
        return web.Response(status=204)

    async def _remember(self, request: web.Request) -> None:
        form = parse_qsl(await request.text(), keep_blank_values=True)
        genuine = verify_webhook(
            AUTH_TOKEN, request.headers.get("X-Twilio-Signature"), f"{self.url}{request.raw_path}", form
        )
        self.requests.append(Request(request.path, form, dict(request.headers), genuine))

    async def _media(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_media:
            return web.Response(status=403)
        genuine = verify_upgrade(
            AUTH_TOKEN, request.headers.get("X-Twilio-Signature"), f"{self.url}{request.path}"
        )
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        headers = [(name.decode(), value.decode()) for name, value in request.raw_headers]
        stream = Stream(socket, headers, genuine)
        self.streams.append(stream)
        try:
            await self.behaviour(stream)
        except (AssertionError, OSError) as error:
            self.failures.append(error)
        return socket


@asynccontextmanager
async def answering(
    behaviour: Behaviour = listen, *, voice: str | None = None, resume: str = HANGUP
) -> AsyncIterator[Answering]:
    """Run a gateway that behaves so; ``voice`` None answers with a stream."""
    gateway = Answering(behaviour, voice, resume)
    runner = web.AppRunner(gateway.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    gateway.url = f"http://{host}:{port}"
    try:
        yield gateway
    finally:
        await runner.cleanup()
    if gateway.failures:
        raise gateway.failures[0]
