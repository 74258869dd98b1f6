"""``/sandbox``: faults on demand, organizations and tokens for tests; with the sandbox's own key as Bearer.

None of it is Vatel's.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.errors import ConfigError
from gateway.sandbox.documents import shown
from gateway.sandbox.httpfaults import Rule
from gateway.sandbox.rest.answers import Refusal, bearer, page, path_id, read
from gateway.sandbox.rest.context import Api, at
from gateway.sandbox.session import Session
from gateway.sandbox.sessions import Sessions
from gateway.sandbox.stage import Exit
from gateway.sandbox.switches import Switches, with_switches
from gateway.sandbox.tokens import Grant

_Key = Callable[[], str]
_MOST_SESSIONS = 1_000


class NewOrganization(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /sandbox/organizations; without a key it gets one."""

    name: str
    api_key: str = ""


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /sandbox/tokens: a token of any organization for any agent, there or not."""

    agent_id: UUID
    organization_id: UUID
    ttl_s: float = 60.0


class Admin:
    """The sandbox's own operations. Lives as long as it listens."""

    def __init__(self, api: Api, sessions: Sessions) -> None:
        self._api = api
        self._sessions = sessions

    async def list_agents(self, _request: web.Request) -> web.Response:
        """Answer with every agent, of any organization, and its switches."""
        agents = await self._api.store.run(lambda tables: tables.of("agent"))
        return page(
            [
                {
                    "id": agent["id"],
                    "name": agent["name"],
                    "switches": asdict(self._api.roster.switches(UUID(agent["id"]))),
                }
                for agent in agents
            ]
        )

    async def switch_agent(self, request: web.Request) -> web.Response:
        """Set switches of an agent: for good, or with ``?sessions=N`` for its next N sessions."""
        agent_id = UUID(path_id(request, told=True))
        switches = _switched(self._api.roster.switches(agent_id), await _values(request))
        sessions = request.query.get("sessions", "")
        if not sessions:
            self._api.roster.set(agent_id, switches)
        elif sessions.isascii() and sessions.isdigit() and 0 < int(sessions[:5]) <= _MOST_SESSIONS:
            self._api.roster.set_next(agent_id, switches, int(sessions))
        else:
            raise Refusal(400, f"sessions: give 1 to {_MOST_SESSIONS}")
        return page(asdict(switches))

    async def switch_all(self, request: web.Request) -> web.Response:
        """Set switches of all agents."""
        values = await _values(request)
        _switched(Switches(), values)
        for name, value in values.items():
            self._api.roster.switch_all(f"{name}={str(value).lower() if isinstance(value, bool) else value}")
        return page(values)

    async def reset(self, _request: web.Request) -> web.Response:
        """Take all switches and faults back."""
        self._api.roster.reset()
        self._api.faults.clear()
        return web.Response(status=204)

    async def list_sessions(self, _request: web.Request) -> web.Response:
        """Answer with the sessions whose connections are open."""
        return page(
            [
                {"id": session.record.session_id, "agent": session.record.agent}
                for session in self._sessions.live
            ]
        )

    async def switch_session(self, request: web.Request) -> web.Response:
        """Set switches of a session that goes on: what is still to be decided is decided by them."""
        session = self._session(request)
        session.switches = _switched(session.switches, await _values(request))
        return page(asdict(session.switches))

    async def end_session(self, request: web.Request) -> web.Response:
        """End a session: as its switches say, or with ``?code=``."""
        session, code = self._session(request), request.query.get("code")
        if code is None:
            session.end()
        else:
            how = _switched(Switches(), {"close_code": code})
            session.end(Exit(how.close_code, reset=how.close_code == 1006))
        return web.Response(status=204)

    def _session(self, request: web.Request) -> Session:
        wanted = path_id(request, told=True)
        for session in self._sessions.live:
            if session.record.session_id == wanted:
                return session
        raise Refusal(404, "no such session is open")

    async def list_faults(self, _request: web.Request) -> web.Response:
        """Answer with the rules in force."""
        return page(msgspec.to_builtins(self._api.faults.rules))

    async def add_fault(self, request: web.Request) -> web.Response:
        """Put a rule in force."""
        self._api.faults.add(await read(request, Rule))
        return page(msgspec.to_builtins(self._api.faults.rules), 201)

    async def add_organization(self, request: web.Request) -> web.Response:
        """Add an organization, and tell its key this once."""
        wanted = await read(request, NewOrganization)
        key = wanted.api_key or f"sandbox-{secrets.token_hex(12)}"
        if self._api.organizations.is_taken(key):
            raise Refusal(409, "api_key: another organization has it")
        organizations = self._api.organizations
        made = await self._api.store.run(lambda tables: organizations.add(tables, wanted.name, key, at()))
        return page({**shown(made), "api_key": key}, 201)

    async def add_token(self, request: web.Request) -> web.Response:
        """Mint a token that the API itself would refuse, to see what becomes of its bearer."""
        wanted = await read(request, NewToken)
        grant = Grant(wanted.agent_id, organization_id=str(wanted.organization_id))
        now, issued_at = asyncio.get_running_loop().time(), int(datetime.now(UTC).timestamp())
        return page({"token": self._api.tokens.mint(grant, now, issued_at, wanted.ttl_s)}, 201)


def add(router: web.UrlDispatcher, api: Api, sessions: Sessions, key: _Key) -> None:
    """Offer the sandbox's own operations to whoever has its key."""
    admin = Admin(api, sessions)
    for method, path, operation in (
        ("GET", "/sandbox/agents", admin.list_agents),
        ("PATCH", "/sandbox/agents/{id}/switches", admin.switch_agent),
        ("PATCH", "/sandbox/switches", admin.switch_all),
        ("DELETE", "/sandbox/faults", admin.reset),
        ("GET", "/sandbox/faults", admin.list_faults),
        ("POST", "/sandbox/faults", admin.add_fault),
        ("GET", "/sandbox/sessions", admin.list_sessions),
        ("PATCH", "/sandbox/sessions/{id}/switches", admin.switch_session),
        ("DELETE", "/sandbox/sessions/{id}", admin.end_session),
        ("POST", "/sandbox/organizations", admin.add_organization),
        ("POST", "/sandbox/tokens", admin.add_token),
    ):
        router.add_route(method, path, partial(_serve, operation, key))


async def _serve(
    operation: Callable[[web.Request], Awaitable[web.Response]], key: _Key, request: web.Request
) -> web.Response:
    shown_key = bearer(request).encode(errors="surrogateescape")
    if not secrets.compare_digest(shown_key, key().encode()):
        return Refusal(401, "the sandbox's own key is missing or wrong").answer()
    try:
        return await operation(request)
    except Refusal as refusal:
        return refusal.answer()


async def _values(request: web.Request) -> dict[str, object]:
    return await read(request, dict[str, object])


def _switched(switches: Switches, values: dict[str, object]) -> Switches:
    try:
        return with_switches(switches, values)
    except ConfigError as error:
        raise Refusal(400, str(error)) from None
