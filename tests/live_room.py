"""A room from which calls are watched: the real socket over real storage, and a ledger's hand that writes."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import aiohttp
from aiohttp import web

from gateway.api.first_start import create_key
from gateway.api.live import Live
from gateway.api.live_access import LiveGuard
from gateway.api.ratelimit import Limiter
from gateway.api.server import server
from gateway.api.tokens import hash_token, new_token
from gateway.cluster.inprocess import InProcessCluster
from gateway.cluster.interface import LiveEvent
from gateway.foundations import at_work
from gateway.ledger.live import body_of
from gateway.records import Ending
from gateway.storage.api_keys import AccessTokens
from gateway.storage.call_events import CallEvents
from gateway.storage.calls import Calls
from gateway.storage.rows import AccessToken, ApiKey, Call, CallEvent, Scope
from tests.tenants import HUNG_UP, Tenant

PUBLIC_URL = "https://voice.example.com"
OTHER_ORIGIN = "https://desk.example.com"
READ: list[Scope] = ["read"]
Socket = aiohttp.ClientWebSocketResponse


def real_now() -> datetime:
    """Return the wall clock's time."""
    return datetime.now(UTC)


@dataclass
class LiveRoom:
    """Lives as long as :func:`live_room` holds it.

    Attributes:
        key: an API key of the tenant, and its text.
    """

    tenant: Tenant
    live: Live
    cluster: InProcessCluster
    http: aiohttp.ClientSession
    url: str
    key: ApiKey
    key_text: str = field(repr=False)

    def watch(self, call_id: str, headers: Mapping[str, str] = MappingProxyType({}), **query: Any) -> Any:
        """Open a socket; with the room's key unless the query says otherwise."""
        return self.http.ws_connect(
            f"{self.url}/ws/calls/{call_id}", params=query or {"api_key": self.key_text}, headers=headers
        )

    async def refusal(self, call_id: str, headers: dict[str, str] | None = None, **query: str) -> Any:
        """Ask for a socket that is not given; return the status and the body."""
        upgrade = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        url = f"{self.url}/ws/calls/{call_id}"
        async with self.http.get(url, params=query, headers=upgrade | (headers or {})) as answer:
            return answer.status, await answer.json()

    async def token(self, call: Call, expires_at: datetime) -> str:
        """Return a fresh session token for a call, made with the room's key."""
        token = new_token()
        access = AccessToken(
            organization_id=call.organization_id,
            call_id=call.id,
            purpose="live",
            api_key_id=self.key.id,
            expires_at=expires_at,
        )
        await AccessTokens(self.tenant.database).add(access, hash_token(token), real_now())
        return token

    async def store(self, *events: CallEvent) -> None:
        """Store events, as the ledger does: over connections that no watcher has."""
        await CallEvents(self.tenant.database.for_calls).append(events)

    def tell(self, *events: CallEvent) -> None:
        """Tell events live, as the ledger does once they are stored."""
        for event in events:
            last = event.kind == "call_ended"
            self.cluster.events.publish(event.call_id, LiveEvent(event.seq, body_of(event), last=last))

    async def happen(self, *events: CallEvent) -> None:
        """Store events and tell them."""
        await self.store(*events)
        self.tell(*events)

    async def end(self, call: Call, ending: Ending = HUNG_UP) -> None:
        """End a call's row."""
        assert await Calls(self.tenant.database).end(call.id, ending, real_now()) is not None


async def said(socket: Socket, count: int) -> list[dict[str, Any]]:
    """Return the next messages of a socket."""
    return [await socket.receive_json(timeout=5) for _ in range(count)]


async def to_the_end(socket: Socket) -> list[dict[str, Any]]:
    """Return all messages of a socket until it is closed."""
    found = []
    while (message := await socket.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
        found.append(message.json())
    return found


def texts(messages: list[dict[str, Any]]) -> list[str]:
    """Return what was said in transcript updates, in order."""
    return [
        entry["text"]
        for message in messages
        if message["type"] == "transcript_update"
        for entry in message["data"]["transcript"]
    ]


def statuses(messages: list[dict[str, Any]]) -> list[str]:
    """Return the statuses that were told, in order."""
    return [message["data"]["status"] for message in messages if message["type"] == "call_status_update"]


@asynccontextmanager
async def live_room(
    tenant: Tenant,
    *,
    check_every_s: float = 0.02,
    now: Callable[[], datetime] = real_now,
    requests_per_key: int = 1_000,
) -> AsyncIterator[LiveRoom]:
    """Open the room for one tenant."""
    cluster = InProcessCluster()
    live = Live(
        tenant.database,
        cluster.events,
        LiveGuard(tenant.database, PUBLIC_URL, [OTHER_ORIGIN]),
        Limiter(cluster.limits, requests_per_key),
        now,
        check_every_s,
    )
    key, text = await create_key(tenant.database, tenant.id, "watcher", READ, real_now())
    runner = server(live.routes())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, at_work(live.run):
            yield LiveRoom(tenant, live, cluster, http, url, key, text)
    finally:
        live.dismiss()
        await runner.cleanup()
