"""Connections that are open and those that were: upgrades, live sessions, records of the past."""

import asyncio
from collections import deque
from uuid import uuid4

from aiohttp import web

from gateway.sandbox.calllog import CallLog
from gateway.sandbox.callsheet import Subject
from gateway.sandbox.session import Session, SessionRecord
from gateway.sandbox.stage import Exit, Opening, Script
from gateway.sandbox.store import Store
from gateway.sandbox.switches import Switches
from gateway.sandbox.tape import Shelf

_MAX_MESSAGE_BYTES = 1024 * 1024
_KEPT_RECORDS = 1_000
GOODBYE_S = 1.0
"""How long a client has to answer a close."""


class Sessions:
    """Every session of a sandbox. Lives as long as it."""

    def __init__(self) -> None:
        self.records: deque[SessionRecord] = deque(maxlen=_KEPT_RECORDS)
        self._live: set[Session] = set()
        self._shelf = Shelf()

    @property
    def live(self) -> tuple[Session, ...]:
        """The sessions whose connections are open."""
        return tuple(self._live)

    def end_all(self) -> None:
        """End every session with 1001."""
        for session in self.live:
            session.end(Exit(1001), reason="server_stopped")

    async def run(
        self,
        request: web.Request,
        store: Store,
        subject: Subject,
        script: Script,
        switches: Switches,
        opening: Opening,
    ) -> web.StreamResponse:
        """Upgrade a connection and carry its session to the end."""
        upgraded = web.WebSocketResponse(
            timeout=GOODBYE_S, compress=False, max_msg_size=_MAX_MESSAGE_BYTES, autoping=True
        )
        try:
            await upgraded.prepare(request)
        except ConnectionResetError:  # the client left while the upgrade was on its way
            return web.Response()  # for nobody: an upgrade half made is nothing that aiohttp can finish
        if request.transport is None:
            return upgraded
        record = SessionRecord(subject.call_id, subject.agent_name, opening)
        self.records.append(record)
        log = CallLog(store, subject, asyncio.get_running_loop().time(), self._shelf)
        session = Session(upgraded, request.transport, script, switches, record, log)
        self._live.add(session)
        try:
            await session.run()
        finally:
            self._live.discard(session)
        return upgraded


def new_call_id() -> str:
    """Return the id of a call to come."""
    return str(uuid4())
