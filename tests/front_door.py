"""A front door for tests of Twilio's HTTP: the real server and registry, real calls, a Twilio that signs.

The gateway believes that it is ``https://voice.example.com``; the requests go to a free port of the loopback.
Signatures come from Twilio's own SDK.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4
from xml.etree import ElementTree

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect

from gateway.api.health import Health
from gateway.api.phone import Answers, Phone, PhoneConfig
from gateway.api.phone_callbacks import TakesNews
from gateway.api.routes import routes
from gateway.api.server import server
from gateway.audio.playout import Playout
from gateway.audio.resample import make_resampler
from gateway.backlog import Backlog
from gateway.bridge.caller_leg import CallerLeg
from gateway.bridge.clock import Clock
from gateway.bridge.machine import CallMachine
from gateway.bridge.media import Downlink, Uplink
from gateway.bridge.registry import Registry, Reservation
from gateway.bridge.session import CallSession
from gateway.journal import Journal, Watcher
from gateway.records import OUTLIVED, CallEnded, CallInfo, Ending, StreamLost
from gateway.twilio import messages as twilio
from gateway.twilio.protocol import MediaStream
from gateway.twilio.socket import CallerSocket
from tests.bridge.stage import QUIET, STREAM_SID, Agent, Carrier, Tools

PUBLIC_URL = "https://voice.example.com"
AUTH_TOKEN = "12345"
ACCOUNT = "AC" + "2" * 32
AGENT_ID = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"

Tree = tuple[str, dict[str, str], str, list["Tree"]]
Fields = dict[str, str] | Sequence[tuple[str, str]]


def tree(element: ElementTree.Element) -> Tree:
    """Return XML as plain values: tag, attributes, text, children."""
    return (element.tag, dict(element.attrib), element.text or "", [tree(child) for child in element])


def verb(tag: str, attributes: dict[str, str] | None = None, text: str = "", *children: Tree) -> Tree:
    """Return one verb as :func:`tree` does."""
    return (tag, attributes or {}, text, list(children))


def call_sid(number: int = 1) -> str:
    """Return the SID of a call."""
    return f"CA{number:032x}"


def form(number: int = 1, **more: str) -> dict[str, str]:
    """Return what Twilio posts about a call."""
    call = {"CallSid": call_sid(number), "AccountSid": ACCOUNT, "From": "+4930123456", "To": "+4930654321"}
    return call | {"CallStatus": "ringing", "Direction": "inbound"} | more


def sign(path: str, fields: Fields | None = None, *, token: str = AUTH_TOKEN, url: str = PUBLIC_URL) -> str:
    """Sign as Twilio's SDK does."""
    signature: str = RequestValidator(token).compute_signature(url + path, dict(fields or {}))
    return signature


@dataclass
class Answer:
    """What a webhook was answered."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def verbs(self) -> list[Tree]:
        """The verbs of TwiML."""
        tag, attributes, text, children = tree(ElementTree.fromstring(self.body))
        assert (tag, attributes, text.strip()) == ("Response", {}, "")
        return children

    @property
    def token(self) -> str:
        """The stream token in ``<Connect><Stream><Parameter>``."""
        return self.verbs[0][3][0][3][0][1]["value"]


@dataclass
class FrontDoor:
    """The gateway's HTTP face with everything behind it but Vatel. Made by :func:`front_door`."""

    phone: Phone
    registry: Registry
    http: aiohttp.ClientSession
    port: int
    journal: Journal
    watcher: Watcher
    skew_s: list[float]
    agents: list[Agent] = field(default_factory=list)
    sessions: list[CallSession] = field(default_factory=list)
    hung_up: list[CallInfo] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    tools: Tools = field(default_factory=Tools)
    carrier: Carrier = field(default_factory=lambda: Carrier(wait_s=0.02))
    started: asyncio.Queue[CallSession] = field(default_factory=asyncio.Queue)

    async def post(
        self,
        path: str,
        fields: Fields,
        *,
        signature: str | None = None,
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> Answer:
        """Post a webhook; signed as it is sent unless told otherwise."""
        sent = {"X-Twilio-Signature": sign(path, fields) if signature is None else signature}
        sent |= headers or {}
        data = aiohttp.FormData(list(dict(fields).items()) if isinstance(fields, dict) else list(fields))
        url = f"http://127.0.0.1:{self.port}{path}"
        kept = {name: value for name, value in sent.items() if value}
        async with self.http.post(url, data=body if body is not None else data, headers=kept) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.text())

    async def dial(self, number: int = 1) -> str:
        """Ring, and return the stream token."""
        return (await self.post("/twilio/voice", form(number))).token

    @asynccontextmanager
    async def stream(self, token: str | None = None, number: int = 1) -> AsyncIterator["Line"]:
        """Open the media socket; with a token, start the stream."""
        signature = {"X-Twilio-Signature": sign("/twilio/media", url="wss://voice.example.com")}
        url = f"ws://127.0.0.1:{self.port}/twilio/media"
        async with connect(url, additional_headers=signature, compression=None, proxy=None) as socket:
            line = Line(socket, number)
            if token is not None:
                await line.start(token)
            yield line

    @asynccontextmanager
    async def call(self, number: int = 1, token: str | None = None) -> AsyncIterator["Line"]:
        """Ring, open the stream and wait until the session runs and its agent is there."""
        async with self.stream(token or await self.dial(number), number) as line:
            await self.started.get()
            await line.speak()
            yield line

    async def ended(self) -> Ending:
        """Wait for the next stream to end, with its call or broken; a broken one's call ends unnoticed."""
        async with asyncio.timeout(5):
            async for _, happening in self.watcher:
                match happening:
                    case StreamLost(ending=ending):
                        return ending
                    case CallEnded(ending=ending) if ending.reason not in OUTLIVED:
                        return ending
        raise AssertionError


@dataclass
class Line:
    """A media socket as Twilio holds it."""

    socket: ClientConnection
    number: int = 1
    sequence: int = 1

    async def say(self, message: twilio.TwilioMessage) -> None:
        """Send a message."""
        await self.socket.send(twilio.dump_twilio(message))

    async def start(self, token: str, *, account: str = ACCOUNT, sid: str | None = None) -> None:
        """Say ``connected`` and ``start``."""
        await self.say(twilio.Connected())
        parameters = {"token": token}
        await self.say(twilio.Start(STREAM_SID, sid or call_sid(self.number), account, parameters=parameters))

    async def speak(self, frames: int = 1) -> None:
        """Send frames of the caller."""
        for _ in range(frames):
            self.sequence += 1
            chunk = self.sequence - 1
            await self.say(twilio.Media(STREAM_SID, self.sequence, chunk, 20 * chunk, QUIET))

    async def hang_up(self) -> None:
        """Send ``stop`` and close."""
        self.sequence += 1
        await self.say(twilio.Stop(STREAM_SID, self.sequence, call_sid(self.number), ACCOUNT))
        await self.socket.close()

    async def refused(self) -> tuple[int | None, str | None]:
        """Wait for the gateway to close; return its code and reason."""
        async with asyncio.timeout(6):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


class Quiet(logging.Handler):
    """Keeps what any library logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what was said."""
        self.said.append(self.format(record))


class Unlisted:
    """Answers every call with one agent, and keeps nothing."""

    async def answer(self, form: Mapping[str, str], call_id: str | None = None) -> CallInfo | None:
        """Return the call of a webhook."""
        return CallInfo(
            call_id=call_id or str(uuid4()),
            call_sid=form["CallSid"],
            account_sid=form["AccountSid"],
            caller_number=form["From"],
            called_number=form["To"],
            agent_id=AGENT_ID,
        )

    async def turn_away(self, call: CallInfo, why: str) -> None:
        """Take no note."""


class NoNews:
    """Keeps nothing of what Twilio tells."""

    async def status(
        self, form: Mapping[str, str], call_id: str | None = None, *, streamless: bool = False
    ) -> None:
        """Take a status callback."""

    async def machine(self, form: Mapping[str, str], call_id: str) -> None:
        """Take the result of answering machine detection."""


@asynccontextmanager
async def front_door(
    *,
    max_active: int = 10,
    start_timeout_s: float = 5.0,
    most_unclaimed: int = 200,
    auth_token: str | None = AUTH_TOKEN,
    switchboard: Answers | None = None,
    news: TakesNews | None = None,
) -> AsyncIterator[FrontDoor]:
    """Open the door; when it closes no call is left and no library has logged an error."""
    clock = Clock(asyncio.get_running_loop())
    registry, journal, skew_s = Registry(max_active=max_active), Journal(), [0.0]
    config = PhoneConfig(PUBLIC_URL, ACCOUNT, auth_token, start_timeout_s, most_unclaimed)

    def session(reservation: Reservation, stream: MediaStream, socket: CallerSocket) -> CallSession:
        agent = Agent().start()
        door.agents.append(agent)

        async def dial(so_far: str) -> Agent:
            door.told.append(so_far)
            return agent

        async def hang_up(call: CallInfo) -> None:
            door.hung_up.append(call)

        downlink = Downlink(make_resampler("low_delay", 24_000, 8_000), Playout())
        door.sessions.append(
            CallSession(
                reservation.call,
                machine=CallMachine(),
                caller=CallerLeg(stream, socket, downlink, clock.now),
                uplink=Uplink(make_resampler("low_delay", 8_000, 24_000)),
                dial=dial,
                tools=door.tools,
                hang_up=hang_up,
                transfer=door.carrier.transfer,
                tell_digits=lambda call, url, digits: None,
                journal=journal,
                clock=clock,
                before=reservation.before,
                streams=reservation.streams,
            )
        )
        door.started.put_nowait(door.sessions[-1])
        return door.sessions[-1]

    phone = Phone(
        *(config, registry, session, lambda: clock.now() + skew_s[0]),
        switchboard or Unlisted(),
        news or NoNews(),
        Backlog(),
    )
    runner = server(routes(phone, Health(registry)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    quiet = Quiet()
    logging.getLogger().addHandler(quiet)
    try:
        async with aiohttp.ClientSession() as http:
            with journal.watch() as watcher:
                door = FrontDoor(phone, registry, http, runner.addresses[0][1], journal, watcher, skew_s)
                yield door
                async with asyncio.timeout(5):
                    for known in door.sessions:
                        await known.gone.wait()
    finally:
        await runner.cleanup()
        registry.departures.settle()
        logging.getLogger().removeHandler(quiet)
    assert not quiet.said, quiet.said
