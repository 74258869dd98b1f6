"""The live transcript of a call, as a WebSocket: what was said so far, then the rest in order, nothing twice.

A watcher reads the stored events, then the live ones from there on; what it is too slow for is its own loss:
events are kept for all watchers together and none of them can hold a call up. Once every two seconds each
call that is watched is looked up, so that one whose node has died ends for its watchers too, and so is each
key, so that a revoked one lets nobody watch on. A crowd that joins at once reads a few at a time.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

from aiohttp import web

from gateway.api.envelope import Refusal, failure, unavailable
from gateway.api.live_access import LiveGuard, Pass
from gateway.api.live_watch import Leave, Watch
from gateway.api.ratelimit import Limiter
from gateway.cluster.interface import LiveEvents
from gateway.errors import StorageError
from gateway.storage.call_events import CallEvents
from gateway.storage.database import Database
from gateway.storage.rows import Call
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

CHECK_EVERY_S = 2.0
_PING_EVERY_S = 25.0
_MOST_MESSAGE_BYTES = 4_096
_CLOSE_WITHIN_S = 1.0
_READ_TOGETHER = 4  # of the database's ten connections, so that a crowd of watchers leaves some to the API
_ADMIT_WITHIN_S = 10.0
_POLICY, _AWAY = 1008, 1001


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Live:
    """Serves ``/ws/calls/{call_id}``; lives as long as the process.

    Args:
        events: the live events of all nodes.
        guard: knows who may watch.
        limiter: opening a socket counts as a request.
        now: the wall clock.
    """

    def __init__(
        self,
        database: Database,
        events: LiveEvents,
        guard: LiveGuard,
        limiter: Limiter,
        now: Callable[[], datetime] = _utc_now,
        check_every_s: float = CHECK_EVERY_S,
    ) -> None:
        self._stored = CallEvents(database)
        self._events = events
        self._guard = guard
        self._limiter = limiter
        self._now = now
        self._check_every_s = check_every_s
        self._watches: dict[Watch, Pass] = {}
        self._turns = asyncio.Semaphore(_READ_TOGETHER)

    @property
    def watchers(self) -> int:
        """How many sockets are open."""
        return len(self._watches)

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get("/ws/calls/{call_id}", self.watch, allow_head=False)]

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Let somebody watch a call until it is over, or until they may not any more."""
        request_id, headers = str(uuid4()), {"Cache-Control": "no-store"}
        try:
            async with asyncio.timeout(_ADMIT_WITHIN_S), self._turns:
                shown, call = await self._admit(request, headers)
        except Refusal as refusal:
            return self._refused(refusal, request_id, headers)
        except (StorageError, TimeoutError) as fault:
            reason = getattr(fault, "reason", "crowded")
            log.warning("live_refused", reason=reason, request_id=request_id)
            away = unavailable("The database does not answer; try again.", "storage", 1.0)
            return self._refused(away, request_id, headers)
        socket = web.WebSocketResponse(
            timeout=_CLOSE_WITHIN_S, heartbeat=_PING_EVERY_S, max_msg_size=_MOST_MESSAGE_BYTES, compress=False
        )
        socket.headers.update({**headers, "X-Request-Id": request_id})
        await socket.prepare(request)
        watch = Watch(call, socket, self._stored, self._events, self._guard, self._turns)
        self._watches[watch] = shown
        try:
            leave = await self._run(watch, shown)
        finally:
            del self._watches[watch]
        await watch.close(leave)
        if not socket.closed and request.transport is not None:
            request.transport.abort()  # it does not even take a farewell
        log.info("live_left", request_id=request_id, call_id=call.id, reason=leave.reason)
        return socket

    async def _run(self, watch: Watch, shown: Pass) -> Leave:
        """Run a watch to its end; return why it ended."""
        left_s = None if shown.expires_at is None else (shown.expires_at - self._now()).total_seconds()
        try:
            async with asyncio.timeout(left_s):
                return await watch.run()
        except TimeoutError:
            return Leave(_POLICY, "token_expired")

    async def _admit(self, request: web.Request, headers: dict[str, str]) -> tuple[Pass, Call]:
        now, call_id = self._now(), request.match_info["call_id"]
        try:
            self._guard.check_page(request)
            shown = await self._guard.recognize(request, call_id, now)
        except Refusal:
            await self._limiter.count_failure(str(request.remote), headers, now)
            raise
        await self._limiter.count(f"key:{shown.key_id}", headers, now)
        call = await self._guard.call(shown.organization_id, call_id)
        if not web.WebSocketResponse().can_prepare(request):
            raise Refusal(426, "This address speaks WebSocket.", reason="upgrade_required")
        return shown, call

    def _refused(self, refusal: Refusal, request_id: str, headers: dict[str, str]) -> web.Response:
        sent = {**headers, "X-Request-Id": request_id}
        if refusal.status == 426:
            sent |= {"Upgrade": "websocket", "Connection": "Upgrade"}
        if refusal.retry_after_s is not None:
            sent["Retry-After"] = str(max(1, round(refusal.retry_after_s + 0.5)))
        return web.json_response(
            failure(refusal, request_id, self._now()), status=refusal.status, headers=sent
        )

    async def run(self) -> None:
        """Look after the calls and keys of all watchers; ends by being cancelled."""
        while True:
            await asyncio.sleep(self._check_every_s)
            with suppress(StorageError):  # while it is away nobody is sent away
                await self._check()

    def dismiss(self) -> None:
        """Send all watchers away: the process stops."""
        for watch in self._watches:
            watch.leave(Leave(_AWAY, "going_away"))

    async def _check(self) -> None:
        for shown in set(self._watches.values()):
            if not await self._guard.still_good(shown):
                self._send_away(shown)
        for owner, call_id in {(watch.call.organization_id, watch.call.id) for watch in self._watches}:
            try:
                over = not (await self._guard.call(owner, call_id)).live
            except Refusal:
                over = True
            if over:
                self._note_over(call_id)

    def _send_away(self, shown: Pass) -> None:
        for watch, its in self._watches.items():
            if its == shown:
                watch.leave(Leave(_POLICY, "key_revoked"))

    def _note_over(self, call_id: str) -> None:
        for watch in self._watches:
            if watch.call.id == call_id:
                watch.note_over()
