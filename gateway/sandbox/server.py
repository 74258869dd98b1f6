"""The sandbox as a whole: what it offers, from the first request to the last goodbye."""

import asyncio
import secrets
from collections import deque
from pathlib import Path

from aiohttp import web

from gateway.sandbox import admin, seed, talkpage
from gateway.sandbox.calllog import close_left_over
from gateway.sandbox.catalog import Entry, standard
from gateway.sandbox.documents import MAIN_ORGANIZATION
from gateway.sandbox.httpfaults import HttpFaults
from gateway.sandbox.organizations import Organizations, main_key
from gateway.sandbox.rest import routes
from gateway.sandbox.rest.context import Api, at, moment
from gateway.sandbox.rest.weather import weather
from gateway.sandbox.roster import Roster
from gateway.sandbox.session import SessionRecord
from gateway.sandbox.sessions import GOODBYE_S, Sessions
from gateway.sandbox.stage import Script
from gateway.sandbox.store import Store, Tables
from gateway.sandbox.switches import Switches, with_switch
from gateway.sandbox.talker import Talker, conversation
from gateway.sandbox.tokens import Tokens
from gateway.speech import extra


class Sandbox:
    """A local Vatel. Lives from :meth:`start` to :meth:`stop`.

    Args:
        api_key: the key of its own organization; None takes the database's, or makes one up.
        database: where it keeps what it knows; None forgets all at the end.
        reset: begin anew, whatever the database held.
        webrtc_url: where WebRTC clients are sent; empty answers 503 to them.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        database: Path | None = None,
        reset: bool = False,
        webrtc_url: str = "",
    ) -> None:
        self._given_key, self._reset = api_key, reset
        self.api_key = api_key or f"sandbox-{secrets.token_hex(12)}"
        self.url = ""
        self._roster = Roster(standard())
        self._api = Api(
            Store(database),
            self._roster,
            Organizations(),
            Tokens(secrets.token_bytes(32)),
            HttpFaults(),
            webrtc_url,
        )
        self._sessions = Sessions()
        self._runner: web.AppRunner | None = None

    @property
    def agents(self) -> tuple[Entry, ...]:
        """The agents with a script."""
        return self._roster.entries

    @property
    def records(self) -> deque[SessionRecord]:
        """What happened in the latest sessions."""
        return self._sessions.records

    @property
    def live_sessions(self) -> int:
        """How many connections are open."""
        return len(self._sessions.live)

    def agent_id(self, name: str) -> str:
        """Return the id of an agent, as the session-token endpoint wants it.

        Raises:
            ConfigError: there is no agent of this name.
        """
        return str(self._roster.named(name).agent_id)

    def add(self, name: str, script: Script, switches: Switches | None = None) -> str:
        """Offer an agent, in place of one of the same name, and return its id."""
        entry = self._roster.add(name, script, switches or Switches())
        if self._api.store.is_open:
            planted = moment()
            self._api.store.note(
                lambda tables: seed.plant_agent(tables, str(entry.agent_id), entry.fields(), planted)
            )
        return str(entry.agent_id)

    def set_switches(self, name: str, switches: Switches) -> None:
        """Set an agent's oddities, for tokens and sessions from now on."""
        self._roster.set(self._roster.named(name).agent_id, switches)

    def switch(self, assignment: str) -> None:
        """Set a switch as a person writes it: ``name=value`` for all agents, ``agent.name=value`` for one.

        Raises:
            ConfigError: no such agent or switch, or a value that does not fit.
        """
        agent, dot, rest = assignment.partition("=")[0].rpartition(".")
        setting = rest + assignment[len(agent + dot + rest) :]
        if dot:
            entry = self._roster.named(agent)
            self._roster.set(entry.agent_id, with_switch(entry.switches, setting))
        else:
            self._roster.switch_all(setting)

    async def warm_up(self) -> None:
        """Get the agents that speak ready, in a thread; without their extra there is nothing to get ready.

        Not while a session goes on: it would stall.

        Raises:
            ConfigError: an agent's grammar or voice does not exist.
        """
        scripts = [entry.script for entry in self.agents]
        for script in (*scripts, Talker(scenario=conversation())):
            if isinstance(script, Talker) and extra.available():
                await asyncio.to_thread(script.warm_up)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; :attr:`url` is set then.

        Raises:
            ConfigError: the database cannot be used.
            OSError: the port is taken.
        """
        await self._api.store.open(reset=self._reset)
        self.api_key = await self._api.store.run(self._settle)
        app = web.Application(middlewares=[weather(self._api.faults)])
        routes.add(app.router, self._api, self._sessions)
        admin.add(app.router, self._api, self._sessions, lambda: self.api_key)
        talkpage.add(app.router)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=GOODBYE_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.stop()
            raise
        bound = self._runner.addresses[0][1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"

    def _settle(self, tables: Tables) -> str:
        """Make a database what a sandbox expects; return the key of its own organization."""
        key = self._given_key or main_key(tables) or self.api_key
        organizations = self._api.organizations
        organizations.add(tables, "Sandbox", key, at(), MAIN_ORGANIZATION)
        organizations.load(tables)
        seed.plant(tables, self.agents, moment())
        close_left_over(tables, at())
        return key

    async def stop(self) -> None:
        """End every session with 1001 and stop listening; returns when nothing is left."""
        self._sessions.end_all()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._api.hang_up()
        await self._api.store.close()
