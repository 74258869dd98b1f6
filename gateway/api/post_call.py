"""After a call: the agent platform's record of it, asked for until it is there, merged into the report.

Which records are missing is read from the database, so that a node that dies owes nothing; of several nodes
one asks at a time.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.api.calls import FetchRecord
from gateway.cluster.interface import Leases
from gateway.errors import ClusterError, GatewayError, StorageError
from gateway.storage.call_events import CallEvents
from gateway.storage.database import Database
from gateway.storage.overview import Overview
from gateway.storage.report import report_of
from gateway.storage.reports import Reports
from gateway.storage.rows import Call
from gateway.telemetry.log import get_logger
from gateway.vatel import models
from gateway.vatel.rest import VatelClient

log = get_logger(__name__)

EVERY_S = 1.0
_WAITS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_GIVE_UP_S = 3_600.0
_AT_A_TIME = 8
_FINAL = frozenset({"ended", "completed", "failed"})
_EXTRACTED = frozenset({"extracted", None})
_ROLES = {"user": "caller", "caller": "caller", "agent": "agent", "assistant": "agent"}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class VatelRecords:
    """Lives as long as the process."""

    def __init__(self, vatel: VatelClient) -> None:
        self._vatel = vatel

    async def fetch(self, call: Call) -> Mapping[str, Any] | None:
        """Return Vatel's record of a call that has ended there: ``FetchRecord`` of the control plane.

        Raises:
            VatelApiError: Vatel refused, or did not answer.
        """
        if call.vatel_session_id is None:
            return None
        try:
            found = await self._vatel.calls.get(call.vatel_session_id)
        except GatewayError as fault:
            if fault.reason in ("not_found", "bad_id"):
                return None  # it appears a while after the call, if the session's id is the call's
            raise
        return record_of(found) if found.ended_at or found.status in _FINAL else None


def record_of(found: models.Call) -> dict[str, Any]:
    """Return what we keep of Vatel's record."""
    entries = found.transcript.entries if found.transcript is not None else ()
    return {
        "summary": found.summary,
        "extracted_data": {
            one.name: one.value
            for one in found.extracted_variables
            if one.name and one.type in _EXTRACTED  # what the session was given is no news
        },
        "tags": list(found.tags),
        "cost": found.cost,
        "duration_s": found.duration_seconds,
        "termination_reason": found.termination_reason,
        "transcript": [
            {"role": _ROLES[entry.role or ""], "text": entry.message}
            for entry in entries
            if entry.role in _ROLES and entry.message
        ],
    }


class PostCall:
    """Lives as long as the process.

    Args:
        fetch_record: asks the agent platform.
        leases: who asks, of all nodes.
        now: the wall clock.
    """

    def __init__(
        self,
        database: Database,
        fetch_record: FetchRecord,
        leases: Leases,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._overview = Overview(database)
        self._events = CallEvents(database)
        self._reports = Reports(database)
        self._fetch_record = fetch_record
        self._leases = leases
        self._now = now
        self._tries: dict[str, tuple[int, datetime]] = {}  # by call: how many there were, when the next is

    async def run(self, every_s: float = EVERY_S) -> None:
        """Ask for what is missing, again and again; ends by being cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                lease = await self._leases.acquire("post-call")
                if lease is not None:
                    try:
                        await self.sweep()
                    finally:
                        await self._leases.release(lease)
            except (StorageError, ClusterError) as fault:
                log.warning("post_call_waits", reason=fault.reason)

    async def sweep(self) -> int:
        """Ask once for each record that is due; return how many came.

        Raises:
            StorageError: the database is away.
        """
        now = self._now()
        missing = await self._overview.list_unfetched(now - timedelta(seconds=_GIVE_UP_S))
        known = {call.id for call in missing}
        self._tries = {call_id: tries for call_id, tries in self._tries.items() if call_id in known}
        due = [call for call in missing if self._due(call) <= now][:_AT_A_TIME]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(call, now)) for call in due]
        return sum(task.result() for task in tasks)

    def _due(self, call: Call) -> datetime:
        return self._tries.get(call.id, (0, call.ended_at or call.created_at))[1]

    async def _ask(self, call: Call, now: datetime) -> bool:
        tries = self._tries.get(call.id, (0, now))[0]
        wait_s = _WAITS_S[min(tries, len(_WAITS_S) - 1)]
        self._tries[call.id] = (tries + 1, now + timedelta(seconds=wait_s))
        try:
            record = await self._fetch_record(call)
            if record is None:
                return False
            await self._merge(call, dict(record), now)
        except GatewayError as fault:
            log.warning("post_call_failed", call_id=call.id, reason=fault.reason, tries=tries + 1)
            return False
        log.info("post_call_fetched", call_id=call.id, tries=tries + 1)
        return True

    async def _merge(self, call: Call, platform: dict[str, Any], now: datetime) -> None:
        events = await self._events.list_all(call.organization_id, call.id)
        report = report_of(call, events, platform)
        await self._reports.store(call.organization_id, call.id, now, report=report, platform=platform)
