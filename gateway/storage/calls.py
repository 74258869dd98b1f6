"""Calls: a row before anybody answers, the time of each step, one ending.

A terminal status is never overwritten: every change names the statuses that it may start from, in the
statement itself, so that two nodes that end the same call end it once, with one event in the outbox.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from gateway.errors import StorageError
from gateway.records import Ending, Reason
from gateway.storage import schema
from gateway.storage.call_events import events_of
from gateway.storage.database import Database
from gateway.storage.outbox import announce
from gateway.storage.queries import changed, fetch_all, fetch_one, fetch_page, values_of
from gateway.storage.report import report_excerpt, report_of
from gateway.storage.rows import LIVE, Call, EventType, NewCall, Page
from gateway.storage.transcript import excerpt, transcript_of

_table = schema.calls
_tasks = schema.tasks
_ONE = sa.select(_table).where(
    _table.c.organization_id == sa.bindparam("organization_id"), _table.c.id == sa.bindparam("call_id")
)
_FINAL_RANK = 4

Step = Literal["asked_at", "ringing_at", "answered_at", "agent_joined_at", "stop_asked_at"]

PHONE_RANKS = {"queued": 0, "initiated": 1, "ringing": 2, "in-progress": 3, "answered": 3} | dict.fromkeys(
    ("completed", "busy", "failed", "no-answer", "canceled"), _FINAL_RANK
)
"""Twilio's call statuses by how far the call has come; its callbacks arrive in any order."""
_PHONE_STEPS: dict[str, Step] = {
    "ringing": "ringing_at",
    "in-progress": "answered_at",
    "answered": "answered_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuery:
    """Which calls to list; None does not narrow. ``number`` is either side's."""

    task_id: str | None = None
    agent_id: str | None = None
    status: str | None = None
    result: str | None = None
    reason: str | None = None
    number: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return it as SQL."""
        equal = ("task_id", "agent_id", "status", "result", "reason")
        found = [_table.c[name] == getattr(self, name) for name in equal if getattr(self, name) is not None]
        if self.number is not None:
            found.append(sa.or_(_table.c.from_number == self.number, _table.c.to_number == self.number))
        if self.since is not None:
            found.append(_table.c.created_at >= self.since)
        if self.until is not None:
            found.append(_table.c.created_at < self.until)
        return found


class Calls:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, call: NewCall, *, hold_s: float | None = None) -> Call:
        """Add a call; of one whose Twilio SID is known (a webhook told twice), return the one there is.

        Args:
            hold_s: for how long the call's node holds a call that is new here; None holds it for nobody.
        """
        async with self._database.writing() as connection:
            row = begun(call)
            if hold_s is not None:
                until = await self._database.clock(connection) + timedelta(seconds=hold_s)
                row |= {"lease_until": until, "fence": 1}
            await connection.execute(self._database.insert(_table).values(row).on_conflict_do_nothing())
            known = _table.c.id == call.id if call.call_sid is None else _table.c.call_sid == call.call_sid
            found = await fetch_one(connection, Call, sa.select(_table).where(known))
        if found is None:
            raise StorageError("the call's id is taken", reason="conflict")
        return found

    async def find(self, organization_id: str, call_id: str) -> Call | None:
        """Return one of an organization."""
        async with self._database.reading() as connection:
            return await fetch_one(connection, Call, _ONE, organization_id=organization_id, call_id=call_id)

    async def find_by_id(self, call_id: str) -> Call | None:
        """Return one by its id alone, whoever's it is: for Twilio's signed requests."""
        async with self._database.reading() as connection:
            return await fetch_one(connection, Call, sa.select(_table).where(_table.c.id == call_id))

    async def find_by_sid(self, call_sid: str) -> Call | None:
        """Return the one that Twilio knows by a SID, whoever's it is: for Twilio's signed requests."""
        async with self._database.reading() as connection:
            return await fetch_one(connection, Call, sa.select(_table).where(_table.c.call_sid == call_sid))

    async def list_page(
        self, organization_id: str, limit: int, offset: int, query: CallQuery | None = None
    ) -> Page[Call]:
        """Return an organization's calls, newest first."""
        wanted = [_table.c.organization_id == organization_id, *(query or CallQuery()).conditions()]
        async with self._database.reading() as connection:
            return await fetch_page(connection, Call, _table, wanted, limit, offset)

    async def note_step(self, call_id: str, step: Step, now: datetime) -> bool:
        """Set the time of a step of a live call, the first time it is told."""
        column = _table.c[step]
        statement = sa.update(_table).where(_live(call_id), column.is_(None)).values({step: now})
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def note_sid(self, call_id: str, call_sid: str) -> bool:
        """Remember Twilio's SID of a call that we placed.

        Raises:
            StorageError: ``conflict``: another call has it.
        """
        statement = (
            sa.update(_table)
            .where(_table.c.id == call_id, _table.c.call_sid.is_(None))
            .values(call_sid=call_sid)
        )
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def note_agent(self, call_id: str, session_id: str, now: datetime) -> bool:
        """Remember the agent's session; of several, the latest."""
        joined = sa.func.coalesce(_table.c.agent_joined_at, sa.literal(now, _table.c.agent_joined_at.type))
        statement = (
            sa.update(_table)
            .where(_table.c.id == call_id)
            .values(vatel_session_id=session_id, agent_joined_at=joined)
        )
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def note_answered_by(self, call_id: str, answered_by: str) -> bool:
        """Remember who picked up, as Twilio's answering machine detection says."""
        statement = sa.update(_table).where(_table.c.id == call_id).values(answered_by=answered_by)
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def note_phone_status(self, call_sid: str, status: str, now: datetime) -> Call | None:
        """Take what Twilio says of a call, unless it has said more before.

        Returns:
            The call as it is now; None when this tells nothing new.
        """
        rank = PHONE_RANKS.get(status)
        if rank is None:
            return None
        values: dict[str, object] = {"phone_status": status, "phone_rank": rank}
        if (step := _PHONE_STEPS.get(status)) is not None:
            values[step] = sa.func.coalesce(_table.c[step], sa.literal(now, _table.c[step].type))
        statement = (
            sa.update(_table)
            .where(_table.c.call_sid == call_sid, _table.c.phone_rank < rank)
            .values(values)
            .returning(*_table.c)
        )
        async with self._database.writing() as connection:
            return await fetch_one(connection, Call, statement)

    async def start(self, call_id: str, now: datetime) -> Call | None:
        """Say that the talk has begun: initiated → in_progress, with ``call_started`` in the outbox.

        Returns:
            The call as it is now; None when it was not waiting for that.
        """
        answered = sa.func.coalesce(_table.c.answered_at, sa.literal(now, _table.c.answered_at.type))
        statement = (
            sa.update(_table)
            .where(_table.c.id == call_id, _table.c.status == "initiated")
            .values(status="in_progress", answered_at=answered)
            .returning(*_table.c)
        )
        async with self._database.writing() as connection:
            call = await fetch_one(connection, Call, statement)
            if call is None:
                return None
            nothing_yet: dict[str, Any] = {"transcript_excerpt": [], "report_excerpt": {}}
            announced = await announce(connection, call, "call_started", now, nothing_yet)
        if announced:
            self._database.outbox_filled()
        return call

    async def end(
        self,
        call_id: str,
        ending: Ending,
        now: datetime,
        *,
        counters: dict[str, int | float] | None = None,
        fence: int | None = None,
    ) -> Call | None:
        """End a call and its task, with its one terminal event in the outbox, in one transaction.

        Args:
            fence: the fence under which the writer holds the call; a node that lost it is refused.

        Returns:
            The call as it is now; None when it had ended before, is unknown, or is another node's.
        """
        statement = (
            sa.update(_table)
            .where(_live(call_id), *([] if fence is None else [_table.c.fence == fence]))
            .values(
                status=ending.result.value,
                result=ending.result.value,
                reason=ending.reason.value,
                detail=ending.detail,
                counters=counters or {},
                ended_at=now,
                lease_until=None,
            )
            .returning(*_table.c)
        )
        async with self._database.writing() as connection:
            call = await fetch_one(connection, Call, statement)
            if call is None:
                return None
            await connection.execute(
                sa.update(_tasks)
                .where(_tasks.c.call_id == call_id, _tasks.c.status == "in_progress")
                .values(status=call.status, updated_at=now)
            )
            events = await events_of(connection, call.id, call.organization_id)
            data = {
                "transcript_excerpt": excerpt(transcript_of(events)),
                "report_excerpt": report_excerpt(report_of(call, events)),
            }
            event_type: EventType = "call_completed" if call.status == "completed" else "call_failed"
            announced = await announce(connection, call, event_type, now, data)
        if announced:
            self._database.outbox_filled()
        return call

    async def list_unsettled(self, before: datetime, limit: int = 100) -> list[Call]:
        """Return calls that nobody holds, not over though they began long ago: ask Twilio of them."""
        statement = (
            sa.select(_table)
            .where(_table.c.status.in_(LIVE), _table.c.lease_until.is_(None), _table.c.created_at < before)
            .order_by(_table.c.created_at)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return await fetch_all(connection, Call, statement)

    async def count_attempts(self, organization_id: str, to_number: str, since: datetime) -> int:
        """Count the calls that an organization placed to a number, without those that were never dialled."""
        statement = sa.select(sa.func.count()).where(
            _table.c.organization_id == organization_id,
            _table.c.to_number == to_number,
            _table.c.direction == "outbound",
            _table.c.created_at >= since,
            dialled(),
        )
        async with self._database.reading() as connection:
            return int((await connection.execute(statement)).scalar_one())


def dialled() -> sa.ColumnElement[bool]:
    """Tell whether a placed call rang somebody, or may yet, as SQL."""
    return sa.or_(_table.c.reason.is_(None), _table.c.reason != Reason.NOT_PLACED.value)


def begun(call: NewCall) -> dict[str, object]:
    """Return the row that a new call begins as."""
    return values_of(call) | {"status": "initiated", "detail": "", "phone_status": "", "counters": {}}


def _live(call_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(_table.c.id == call_id, _table.c.status.in_(LIVE))
