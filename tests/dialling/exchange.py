"""A phone company for tests of dialling: Twilio's Calls resource over real HTTP, as a test wants it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web

from gateway.api.templates import fill
from gateway.dialling.config import DialConfig
from gateway.twilio.rest import TwilioClient
from tests.tenants import NOW, OURS

ACCOUNT = "AC" + "2" * 32
PUBLIC_URL = "https://voice.example.com"
TALKER = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"
CONFIG = DialConfig(
    public_url=PUBLIC_URL, fill=fill, from_number=OURS, default_vatel_agent_id=TALKER, calls_per_second=50.0
)


def call_sid(number: int = 1) -> str:
    """Return the SID of a call."""
    return f"CA{number:032x}"


def told(status: str, number: int = 1, **more: str) -> dict[str, str]:
    """Return what Twilio posts about a call."""
    call = {"CallSid": call_sid(number), "AccountSid": ACCOUNT, "From": "+4930123456", "To": OURS}
    return call | {"CallStatus": status} | more


@dataclass
class Time:
    """Both clocks, moved by hand."""

    passed_s: float = 0.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return NOW + timedelta(seconds=self.passed_s)

    def clock(self) -> float:
        """Return the monotonic clock."""
        return 1_000.0 + self.passed_s


@dataclass
class Exchange:
    """Twilio's end. Made by :func:`exchange`.

    Attributes:
        client: asks it.
        placed: the forms of its creates; ``sids`` their calls, ``at`` the loop's times.
        statuses: what it says of calls, by SID.
        hung_up: the SIDs it was asked to end.
        updated: other updates, by SID.
        lose: create calls and break the connection instead of answering.
        refuse: answer creates, or everything, with such a status.
        hidden: SIDs that its lists leave out.
        before_answer: set by a test that wants to act while a create is under way.
    """

    client: TwilioClient
    placed: list[dict[str, str]] = field(default_factory=list)
    events: list[list[str]] = field(default_factory=list)
    sids: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    answered_by: dict[str, str] = field(default_factory=dict)
    hung_up: list[str] = field(default_factory=list)
    updated: dict[str, dict[str, str]] = field(default_factory=dict)
    created_at: dict[str, datetime] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    lose: bool = False
    refuse: int = 0
    refuse_all: int = 0
    hidden: set[str] = field(default_factory=set)
    time: Time = field(default_factory=Time)
    asking: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event | None = None

    def call_ids(self) -> list[str]:
        """Return the ids of the calls that it was asked for."""
        return [parse_qs(urlsplit(form["Url"]).query)["call"][0] for form in self.placed]

    def resource(self, sid: str) -> dict[str, object]:
        """Describe a call."""
        form = self.placed[self.sids.index(sid)] if sid in self.sids else {}
        return {
            "sid": sid,
            "status": self.statuses.get(sid, "queued"),
            "direction": "outbound-api",
            "to": form.get("To"),
            "from": form.get("From"),
            "date_created": format_datetime(self.created_at.get(sid, self.time.now()).astimezone(UTC)),
            "answered_by": self.answered_by.get(sid),
        }

    async def create(self, request: web.Request) -> web.Response:
        """Make a call."""
        form = await request.post()
        self.asking.set()
        if self.go_on is not None:
            await self.go_on.wait()
        if self.refuse:
            return web.json_response({"code": 21211, "status": self.refuse}, status=self.refuse)
        sid = call_sid(len(self.sids) + 1)
        self.placed.append({name: str(value) for name, value in form.items()})
        self.events.append([str(event) for event in form.getall("StatusCallbackEvent", [])])
        self.sids.append(sid)
        self.at.append(asyncio.get_running_loop().time())
        self.created_at.setdefault(sid, self.time.now())
        if self.lose and request.transport is not None:
            request.transport.abort()
        return web.json_response(self.resource(sid), status=201)

    async def fetch(self, request: web.Request) -> web.Response:
        """Describe a call."""
        sid = request.match_info["sid"]
        self.asked.append(sid)
        if self.refuse_all:
            return web.Response(status=self.refuse_all)
        if sid not in self.statuses and sid not in self.sids:
            return web.json_response({"code": 20404, "status": 404}, status=404)
        return web.json_response(self.resource(sid))

    async def find(self, request: web.Request) -> web.Response:
        """List calls."""
        self.asked.append("list")
        if self.refuse_all:
            return web.Response(status=self.refuse_all)
        numbers = (request.query["To"], request.query["From"])
        found = [
            self.resource(sid)
            for sid, form in zip(self.sids, self.placed, strict=True)
            if (form["To"], form["From"]) == numbers and sid not in self.hidden
        ]
        return web.json_response({"calls": found[::-1]})

    async def update(self, request: web.Request) -> web.Response:
        """Change a call."""
        sid, form = request.match_info["sid"], await request.post()
        if self.refuse_all:
            return web.Response(status=self.refuse_all)
        if form.get("Status") == "completed":
            self.hung_up.append(sid)
        else:
            self.updated[sid] = {name: str(value) for name, value in form.items()}
        return web.json_response(self.resource(sid))


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    """Run one on a free port."""
    app = web.Application()
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with aiohttp.ClientSession(trust_env=False) as http:
        client = TwilioClient(http, ACCOUNT, "token", url, retry_pause_s=0.0, retry_after_cap_s=0.0)
        twilio = Exchange(client)
        calls = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
        app.router.add_post(f"{calls}.json", twilio.create)
        app.router.add_get(f"{calls}.json", twilio.find)
        app.router.add_get(f"{calls}/{{sid}}.json", twilio.fetch)
        app.router.add_post(f"{calls}/{{sid}}.json", twilio.update)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield twilio
        finally:
            await runner.cleanup()
