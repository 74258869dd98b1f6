"""The control API on a free port of the loopback, over a real database, with two tenants.

What the rest of the gateway does for it (placing calls, ending them, audio) is played by :class:`Floor`,
which does to the database what the real one must.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web
from argon2 import PasswordHasher

from gateway.api.call_control import CallControl
from gateway.api.call_models import Capacity
from gateway.api.control import ControlPlane, control_routes
from gateway.api.envelope import Refusal
from gateway.api.fields import PUBLIC_WEBHOOKS
from gateway.api.first_start import ALL_SCOPES, create_key
from gateway.api.passwords import Passwords
from gateway.api.server import server
from gateway.cluster.inprocess import LocalLimits
from gateway.cluster.interface import RateLimits
from gateway.egress.destinations import Policy
from gateway.errors import TwilioApiError
from gateway.records import Ending, Reason, Result
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.dial_policy import DialPolicy
from gateway.storage.rows import Agent, Call, NewCall, Scope, Task
from tests.tenants import HUNG_UP, NOW, Tenant, call_of, tenant

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
REFUSED = Ending(Result.FAILED, Reason.CALLER_LOST, "twilio_refused")
AUDIO = b"RIFF" + bytes(range(100))


@dataclass
class Floor:
    """The gateway behind the API: what it was asked, and what it will answer."""

    database: Database
    clock: list[datetime]
    placed: list[str] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    twilio_refuses: bool = False
    record: dict[str, Any] | None = None

    def new_call(self, task: Task) -> NewCall:
        """Make a task's call."""
        return call_of(task, created_at=self.clock[0])

    async def place(self, call: Call, task: Task, agent: Agent) -> None:
        """Place a call, or be refused and end it."""
        if self.twilio_refuses:
            await Calls(self.database).end(call.id, REFUSED, self.clock[0])
            raise TwilioApiError("canary of Twilio", reason="refused", status=400, retry_after_s=7)
        self.placed.append(call.id)

    async def end(self, call: Call) -> None:
        """End a call."""
        self.asked.append(("end", call.id))
        await Calls(self.database).end(call.id, HUNG_UP, self.clock[0])

    async def cancel(self, call: Call) -> None:
        """Hang up a call."""
        self.asked.append(("cancel", call.id))

    async def transfer(self, call: Call, number: str) -> None:
        """Transfer a call."""
        self.asked.append(("transfer", call.id, number))

    async def erase(self, call: Call) -> None:
        """Erase a recording."""
        self.asked.append(("erase", call.id))

    async def fetch_record(self, call: Call) -> Mapping[str, Any] | None:
        """Return what the voice platform knows."""
        return self.record

    async def capacity(self) -> Capacity:
        """Count calls."""
        return Capacity(active=3, limit=200, available=197)

    async def stream(self, request: web.Request, call: Call, headers: Mapping[str, str]) -> web.Response:
        """Answer with audio, or say that there is none."""
        if call.erased_at is not None:
            raise Refusal(404, "There is no such recording.", reason="not_found")
        return web.Response(body=AUDIO, content_type="audio/wav", headers=headers)


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The whole JSON."""
        return json.loads(self.raw)

    @property
    def data(self) -> Any:
        """What a good answer holds."""
        assert self.body["success"] is True, self.body
        return self.body["data"]

    @property
    def reason(self) -> str:
        """Why it was refused."""
        assert self.body["success"] is False, self.body
        reason: str = self.body["details"]["reason"]
        return reason


@dataclass
class ControlRoom:
    """The API with what stands behind it, and who may ask. Made by :func:`control_room`."""

    http: aiohttp.ClientSession
    port: int
    floor: Floor
    acme: Tenant
    rival: Tenant
    keys: dict[str, str]
    clock: list[datetime]

    @property
    def database(self) -> Database:
        """Where everything is."""
        return self.floor.database

    def pass_time(self, seconds: float) -> None:
        """Let the wall clock go on."""
        self.clock[0] += timedelta(seconds=seconds)

    async def key(self, *scopes: Scope) -> str:
        """Make a key of the first tenant that may do only this."""
        return (await create_key(self.database, self.acme.id, "some", list(scopes), self.clock[0]))[1]

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "acme",
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        prefix: str = "/api/v1",
    ) -> Answer:
        """Ask, with a tenant's key unless told otherwise."""
        sent = dict(headers or {})
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {self.keys.get(key, key)}")
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        url = f"http://127.0.0.1:{self.port}{prefix}{path}"
        async with self.http.request(method, url, data=data, headers=sent) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def get(self, path: str, **more: Any) -> Answer:
        """Ask with GET."""
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        """Ask with POST."""
        return await self.ask("POST", path, body, **more)

    async def patch(self, path: str, body: Any, **more: Any) -> Answer:
        """Ask with PATCH."""
        return await self.ask("PATCH", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        """Ask with DELETE."""
        return await self.ask("DELETE", path, **more)


@asynccontextmanager
async def control_room(
    database: Database,
    *,
    policy: DialPolicy | None = None,
    requests_per_key: int = 1_000,
    public_url: str | None = "http://gateway.test",
    vatel_agent_id: str | None = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11",
    limits: RateLimits | None = None,
    calls_per_key: int = 1_000,
    webhooks: Policy = PUBLIC_WEBHOOKS,
) -> AsyncIterator[ControlRoom]:
    """Open the API; two tenants, each with a key of every scope."""
    clock = [NOW]
    floor = Floor(database, clock)
    acme, rival = await tenant(database), await tenant(database, "Rival")
    keys = {}
    for owner in (acme, rival):
        name = owner.organization.name.lower()
        keys[name] = (await create_key(database, owner.id, "all", ALL_SCOPES, NOW))[1]
    control = CallControl(
        end=floor.end,
        cancel=floor.cancel,
        transfer=floor.transfer,
        erase_recording=floor.erase,
        capacity=floor.capacity,
    )
    plane = ControlPlane(
        database=database,
        limits=limits or LocalLimits(),
        new_call=floor.new_call,
        place_call=floor.place,
        fetch_record=floor.fetch_record,
        stream_recording=floor.stream,
        control=control,
        policy=policy or DialPolicy(),
        default_vatel_agent_id=vatel_agent_id,
        public_url=public_url,
        webhooks=webhooks,
        passwords=CHEAP,
        requests_per_key=requests_per_key,
        calls_per_key=calls_per_key,
        now=lambda: clock[0],
    )
    runner = server(control_routes(plane))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    jar = aiohttp.DummyCookieJar()
    try:
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            yield ControlRoom(http, runner.addresses[0][1], floor, acme, rival, keys, clock)
    finally:
        await runner.cleanup()
