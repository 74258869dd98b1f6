"""The sandbox's HTTP side: agents are shown, tokens minted, connections upgraded, sessions drained."""

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Literal
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.errors import ConfigError
from gateway.sandbox.catalog import Entry, numbered_id, standard
from gateway.sandbox.session import Session, SessionRecord
from gateway.sandbox.stage import Exit, Opening, Script
from gateway.sandbox.switches import Switches, with_switch
from gateway.sandbox.talker import Talker
from gateway.sandbox.tokens import Grant, Tokens
from gateway.speech import extra

_MAX_MESSAGE_BYTES = 1024 * 1024
_GOODBYE_S = 1.0
_KEPT_RECORDS = 1_000
_Unset = msgspec.UnsetType


class _Variable(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    value: str


class _TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /v1/session-token (vatel.md 1.3, the newest generation)."""

    agent_id: UUID
    version_id: UUID | _Unset = msgspec.UNSET
    chat_id: UUID | _Unset = msgspec.UNSET
    transport: Literal["websocket", "webrtc"] = "websocket"
    first_message: str | _Unset = msgspec.UNSET
    prompt: str | _Unset = msgspec.UNSET
    chat: bool = False
    variables: tuple[_Variable, ...] | _Unset = msgspec.UNSET

    @property
    def opening(self) -> Opening:
        variables = self.variables or ()
        return Opening(
            first_message=self.first_message or None,
            prompt=self.prompt or None,
            variables=tuple((variable.key, variable.value) for variable in variables),
        )


class Sandbox:
    """A local Vatel. Lives from :meth:`start` to :meth:`stop`.

    Args:
        api_key: the organization key clients must show; None makes one up.
    """

    def __init__(self, *, api_key: str | None = None) -> None:
        self.api_key = api_key or f"sandbox-{secrets.token_hex(12)}"
        self.url = ""
        self.records: deque[SessionRecord] = deque(maxlen=_KEPT_RECORDS)
        self._entries = {entry.agent_id: entry for entry in standard()}
        self._tokens = Tokens(secrets.token_bytes(32))
        self._sessions: set[Session] = set()
        self._runner: web.AppRunner | None = None

    @property
    def agents(self) -> tuple[Entry, ...]:
        """The agents on offer."""
        return tuple(self._entries.values())

    @property
    def live_sessions(self) -> int:
        """How many connections are open."""
        return len(self._sessions)

    def agent_id(self, name: str) -> str:
        """Return the id of an agent, as the session-token endpoint wants it.

        Raises:
            ConfigError: there is no agent of this name.
        """
        return str(self._entry(name).agent_id)

    def add(self, name: str, script: Script, switches: Switches | None = None) -> str:
        """Offer an agent, in place of one of the same name, and return its id."""
        agent_id = next(
            (e.agent_id for e in self.agents if e.name == name), numbered_id(len(self._entries) + 1)
        )
        self._entries[agent_id] = Entry(agent_id, name, script, switches or Switches())
        return str(agent_id)

    def set_switches(self, name: str, switches: Switches) -> None:
        """Set an agent's oddities, for tokens and sessions from now on."""
        entry = self._entry(name)
        self._entries[entry.agent_id] = replace(entry, switches=switches)

    def switch(self, assignment: str) -> None:
        """Set a switch as a person writes it: ``name=value`` for all agents, ``agent.name=value`` for one.

        Raises:
            ConfigError: no such agent or switch, or a value that does not fit.
        """
        agent, dot, rest = assignment.partition("=")[0].rpartition(".")
        chosen = [self._entry(agent)] if dot else list(self.agents)
        setting = rest + assignment[len(agent + dot + rest) :]
        for entry in chosen:
            self.set_switches(entry.name, with_switch(entry.switches, setting))

    def _entry(self, name: str) -> Entry:
        for entry in self.agents:
            if entry.name == name:
                return entry
        names = ", ".join(entry.name for entry in self.agents)
        raise ConfigError(f"the sandbox has no agent {name!r}; it has {names}", reason="unknown_agent")

    async def warm_up(self) -> None:
        """Get the agents that speak ready, in a thread; without their extra there is nothing to get ready.

        Not while a session goes on: it would stall.

        Raises:
            ConfigError: an agent's grammar or voice does not exist.
        """
        for entry in self.agents:
            if isinstance(entry.script, Talker) and extra.available():
                await asyncio.to_thread(entry.script.warm_up)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; :attr:`url` is set then.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application()
        app.router.add_post("/v1/session-token", self._session_token)
        app.router.add_get("/v1/connection", self._connection)
        app.router.add_get("/v1/agents/{id}", partial(_show_agent, self._entries, self.api_key))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_GOODBYE_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"

    async def stop(self) -> None:
        """End every session with 1001 and stop listening; returns when nothing is left."""
        for session in tuple(self._sessions):
            session.end(Exit(1001))
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _session_token(self, request: web.Request) -> web.Response:
        if not _shows_key(request, self.api_key):
            return web.Response(status=401)
        try:
            wanted = msgspec.json.decode(await request.read(), type=_TokenRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _error(400, f"body: {error}")
        entry = self._entries.get(wanted.agent_id)
        if entry is None:
            return _error(404, "agent not found")
        if entry.switches.token_delay_s:
            await asyncio.sleep(entry.switches.token_delay_s)
        return _refusal(entry, wanted) or self._token(entry, wanted)

    def _token(self, entry: Entry, wanted: _TokenRequest) -> web.Response:
        scopes = ("voice", "chat") if wanted.chat else ("voice",)
        grant = Grant(entry.agent_id, scopes, wanted.opening)
        now = asyncio.get_running_loop().time()
        issued_at = int(datetime.now(UTC).timestamp())
        token = self._tokens.mint(grant, now, issued_at, entry.switches.token_ttl_s)
        if entry.switches.used_token:
            self._tokens.claim(token, now)
        return web.json_response({"token": token})

    async def _connection(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("token", "")
        if not token:
            return _error(400, "query: token is missing")
        if token.count(".") != 2:
            return _error(400, "token validation failed")
        grant = self._tokens.claim(token, asyncio.get_running_loop().time())
        if not isinstance(grant, Grant):
            return web.Response(status=401)
        entry = self._entries[grant.agent_id]
        if entry.switches.upgrade_delay_s:
            await asyncio.sleep(entry.switches.upgrade_delay_s)
        if entry.switches.upgrade_status:
            return _error(entry.switches.upgrade_status, "refused by switch upgrade_status")
        return await self._run_session(request, entry, grant)

    async def _run_session(self, request: web.Request, entry: Entry, grant: Grant) -> web.StreamResponse:
        upgraded = web.WebSocketResponse(
            timeout=_GOODBYE_S, compress=False, max_msg_size=_MAX_MESSAGE_BYTES, autoping=True
        )
        try:
            await upgraded.prepare(request)
        except ConnectionResetError:  # the client left while the upgrade was on its way
            return web.Response()  # for nobody: an upgrade half made is nothing that aiohttp can finish
        if request.transport is None:
            return upgraded
        record = SessionRecord(secrets.token_hex(16), entry.name, grant.opening)
        self.records.append(record)
        session = Session(upgraded, request.transport, entry.script, entry.switches, record)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
        return upgraded


def _shows_key(request: web.Request, api_key: str) -> bool:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    right = secrets.compare_digest(key.strip().encode(errors="surrogateescape"), api_key.encode())
    return scheme.lower() == "bearer" and right


async def _show_agent(entries: Mapping[UUID, Entry], api_key: str, request: web.Request) -> web.Response:
    if not _shows_key(request, api_key):
        return web.Response(status=401)
    try:
        entry = entries.get(UUID(request.match_info["id"]))
    except ValueError:
        return web.Response(status=400)
    return _error(404, "agent not found") if entry is None else web.json_response(entry.resource())


def _refusal(entry: Entry, wanted: _TokenRequest) -> web.Response | None:
    switches = entry.switches
    if switches.token_status == 401:
        return web.Response(status=401)
    if switches.token_status:
        return _error(switches.token_status, "refused by switch token_status")
    if switches.refuse_variables and wanted.variables is not msgspec.UNSET:
        return _error(400, "body: Object contains unknown field `variables`")
    if wanted.transport == "webrtc":
        return _error(503, "media server not configured")
    if entry.needs_speech and not extra.available():
        return _error(503, "this agent needs speech: pip install 'vatel-gateway[demo]'")
    return None


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
