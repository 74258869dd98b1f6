"""POST /v1/session-token: the way into a session."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from aiohttp import web

from gateway.errors import ConfigError
from gateway.sandbox.documents import Document
from gateway.sandbox.rest import bodies
from gateway.sandbox.rest.answers import Refusal, page, read
from gateway.sandbox.rest.context import Api
from gateway.sandbox.stage import Opening
from gateway.sandbox.store import Tables
from gateway.sandbox.switches import Switches, with_switch
from gateway.sandbox.tokens import Grant

SWITCHES_HEADER = "Sandbox-Switches"
"""``name=value, name=value``: oddities of the session asked for, over those of its agent."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a token is for: the agent, and its version."""

    agent: Document
    version_id: str


async def mint(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Mint a token for one session of an agent of one's own."""
    wanted = await read(request, bodies.TokenRequest)
    plan = await api.store.run(lambda tables: _plan(tables, wanted, organization_id))
    switches = _asked(request, api.roster.draw(wanted.agent_id))
    if switches.token_delay_s:
        await asyncio.sleep(switches.token_delay_s)
    _refuse(switches, wanted)
    if wanted.transport == "webrtc" and not api.webrtc_url:
        raise Refusal(503, "media server not configured")
    return page(_answer(api, wanted, plan, organization_id, switches))


def _plan(tables: Tables, wanted: bodies.TokenRequest, organization_id: str) -> _Plan:
    agent_id = str(wanted.agent_id)
    agent = tables.get("agent", agent_id)
    if agent is None:
        raise Refusal(404, "agent not found")
    if tables.owner("agent", agent_id) != organization_id:
        raise Refusal(403, "the agent belongs to another organization")
    if agent["status"] != "active":
        raise Refusal(404, "the agent is not active")
    if wanted.version_id is msgspec.UNSET:
        if agent["_active_version_id"] is None:
            raise Refusal(404, "the agent has no published version: publish one first")
        return _Plan(agent, agent["_active_version_id"])
    version = tables.get("version", str(wanted.version_id))
    if version is None or version["agent_id"] != agent_id or version["published_at"] is None:
        raise Refusal(400)
    return _Plan(agent, version["id"])


def _asked(request: web.Request, switches: Switches) -> Switches:
    for assignment in request.headers.get(SWITCHES_HEADER, "").split(","):
        if assignment.strip():
            try:
                switches = with_switch(switches, assignment)
            except ConfigError as error:
                raise Refusal(400, f"{SWITCHES_HEADER}: {error}") from None
    return switches


def _refuse(switches: Switches, wanted: bodies.TokenRequest) -> None:
    if switches.token_status:
        raise refusal(switches, "token_status")
    if switches.refuse_variables and wanted.variables is not msgspec.UNSET:
        raise Refusal(400, "body: Object contains unknown field `variables`")


def refusal(switches: Switches, name: str) -> Refusal:
    """Return what a switch of a status answers with; 401 has no body."""
    status: int = getattr(switches, name)
    headers = {"Retry-After": str(switches.retry_after_s)} if switches.retry_after_s else {}
    return Refusal(status, None if status == 401 else f"refused by switch {name}", headers)


def _answer(
    api: Api, wanted: bodies.TokenRequest, plan: _Plan, organization_id: str, switches: Switches
) -> Document:
    grant = Grant(
        wanted.agent_id,
        ("voice", "chat") if wanted.chat else ("voice",),
        Opening(wanted.first_message or None, wanted.prompt or None, wanted.given),
        organization_id,
        plan.version_id,
        str(wanted.chat_id) if wanted.chat_id else None,
        switches,
    )
    now, issued_at = asyncio.get_running_loop().time(), int(datetime.now(UTC).timestamp())
    token = api.tokens.mint(grant, now, issued_at, switches.token_ttl_s)
    if switches.used_token:
        api.tokens.claim(token, now)
    return {"token": token, **(_room(api, grant) if wanted.transport == "webrtc" else {})}


def _room(api: Api, grant: Grant) -> Document:
    """Return what a WebRTC client joins with; nobody waits in the room."""
    room, identity = f"room-{uuid4()}", f"caller-{uuid4()}"
    video = {"room": room, "roomJoin": True}
    claims: dict[str, object] = {"sub": identity, "video": video, "attributes": grant.claims}
    media_token = api.tokens.sign(claims)
    return {"room": room, "identity": identity, "url": api.webrtc_url, "webrtc_token": media_token}
