"""GET /v1/connection: a token becomes a session, or is refused before the upgrade."""

import asyncio
from dataclasses import replace

from aiohttp import web

from gateway.sandbox.callsheet import Subject
from gateway.sandbox.cast import Role, role_of
from gateway.sandbox.documents import Document
from gateway.sandbox.rest.answers import Refusal
from gateway.sandbox.rest.context import Api
from gateway.sandbox.rest.session_token import refusal
from gateway.sandbox.sessions import Sessions, new_call_id
from gateway.sandbox.store import Tables
from gateway.sandbox.tokens import Grant


async def connect(api: Api, sessions: Sessions, request: web.Request) -> web.StreamResponse:
    """Take a token back and run its session."""
    grant = _claimed(api, request)
    agent = await api.store.run(lambda tables: _agent(tables, grant))
    switches = grant.switches
    if switches.upgrade_delay_s:
        await asyncio.sleep(switches.upgrade_delay_s)
    if switches.upgrade_status:
        raise refusal(switches, "upgrade_status")
    role = role_of(api.roster.get(grant.agent_id), agent)
    opening = replace(grant.opening, first_message=grant.opening.first_message or role.first_message)
    subject = _subject(grant, agent, role)
    return await sessions.run(request, api.store, subject, role.script, switches, opening)


def _claimed(api: Api, request: web.Request) -> Grant:
    token = request.query.get("token", "")
    if not token:
        raise Refusal(400, "query: token is missing")
    if token.count(".") != 2:
        raise Refusal(400, "token validation failed")
    grant = api.tokens.claim(token, asyncio.get_running_loop().time())
    if not isinstance(grant, Grant):
        raise Refusal(401)
    return grant


def _agent(tables: Tables, grant: Grant) -> Document:
    agent_id = str(grant.agent_id)
    agent = tables.get("agent", agent_id)
    if agent is None:
        raise Refusal(404)
    if tables.owner("agent", agent_id) != grant.organization_id:
        raise Refusal(403)
    return agent


def _subject(grant: Grant, agent: Document, role: Role) -> Subject:
    return Subject(
        new_call_id(),
        grant.organization_id,
        str(grant.agent_id),
        role.name,
        grant.version_id or agent["_active_version_id"],
        agent["summarize_calls"],
        grant.opening.variables,
    )
