"""The outbox: event webhooks, written with the change that they tell of, delivered afterwards.

What one URL is to hear of a call is handed out in order: a later event only when the earlier is delivered or
given up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_all, fetch_one, fetch_page, new_id, values_of
from gateway.storage.rows import (
    Call,
    DeliveryAttempt,
    DeliveryState,
    DialledType,
    EventType,
    OutboxEvent,
    Page,
    Task,
)

_table = schema.outbox
_attempts = schema.delivery_attempts
_calls = schema.calls
_tasks = schema.tasks

_STARTED, _TERMINAL = ("started", 1), ("terminal", 2_000_000_000)
_DIALLED: DialledType = "dtmf_received"


@dataclass(frozen=True, slots=True, kw_only=True)
class DialledDigits:
    """What a webhook is to be told of that the caller dialled.

    Attributes:
        id: of the event to be.
        at: when they were dialled.
    """

    id: str
    call_id: str
    url: str = field(repr=False)
    digits: str = field(repr=False)
    at: datetime


async def announce(
    connection: AsyncConnection,
    call: Call,
    event_type: EventType,
    now: datetime,
    data: Mapping[str, Any],
) -> bool:
    """Put an event of a call into the outbox, in the transaction of the change, if its task wants it.

    Returns:
        Whether it did: then ``outbox_filled`` of the database is to be called after the transaction.
    """
    if call.task_id is None:
        return False
    task = await fetch_one(connection, Task, sa.select(_tasks).where(_tasks.c.id == call.task_id))
    if task is None or task.webhook_url is None or event_type not in task.webhook_events:
        return False
    slot, seq = _STARTED if event_type == "call_started" else _TERMINAL
    row = _row(call, event_type, now, data) | {
        "id": new_id(),
        "task_id": task.id,
        "slot": slot,
        "seq": seq,
        "url": task.webhook_url,
        "state": "disabled" if task.webhook_disabled else "pending",
    }
    await connection.execute(sa.insert(_table).values(row))
    return True


def _row(
    call: Call, event_type: EventType | DialledType, now: datetime, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the rows of all events of a call have in common."""
    return {
        "organization_id": call.organization_id,
        "call_id": call.id,
        "event_type": event_type,
        "body": {
            "event_type": event_type,
            "task_id": call.task_id,
            "call_id": call.id,
            "status": call.status,
            "data": dict(data),
        },
        "next_attempt_at": now,
        "created_at": now,
    }


class Outbox:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_digits(self, dialled: DialledDigits) -> None:
        """Put in what a caller dialled, for the URL of a DTMF rule; said twice, it is there once.

        It is told after what was put in earlier, and before the call's end. The row is no task's: a receiver
        that is gone takes no other webhook of the task with it.
        """
        of_call = sa.select(_calls).where(_calls.c.id == dialled.call_id, _calls.c.erased_at.is_(None))
        async with self._database.writing() as connection:
            call = await fetch_one(connection, Call, of_call)
            if call is None:
                return
            before = sa.select(sa.func.coalesce(sa.func.max(_table.c.seq), _STARTED[1])).where(
                _table.c.call_id == call.id, _table.c.seq < _TERMINAL[1]
            )
            seq = int((await connection.execute(before)).scalar_one()) + 1
            data = {"agent_id": call.agent_id, "digits": dialled.digits}
            row = _row(call, _DIALLED, dialled.at, data) | {
                "id": dialled.id,
                "slot": f"dialled {dialled.id}",
                "seq": seq,
                "url": dialled.url,
                "state": "pending",
            }
            await connection.execute(self._database.insert(_table).values(row).on_conflict_do_nothing())
        self._database.outbox_filled()

    async def claim_due(
        self, node: str, now: datetime, *, limit: int = 50, lease_s: float = 30.0
    ) -> list[OutboxEvent]:
        """Take events that are due, so that no other node delivers them while the lease lasts."""
        earlier = _table.alias("earlier")
        blocked = sa.exists().where(
            earlier.c.call_id == _table.c.call_id,
            earlier.c.url == _table.c.url,
            earlier.c.seq < _table.c.seq,
            earlier.c.state == "pending",
        )
        due = (
            sa.select(_table.c.id)
            .where(
                _table.c.state == "pending",
                _table.c.next_attempt_at <= now,
                sa.or_(_table.c.claimed_until.is_(None), _table.c.claimed_until <= now),
                ~blocked,
            )
            .order_by(_table.c.next_attempt_at, _table.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        async with self._database.writing() as connection:
            ids = (await connection.execute(due)).scalars().all()
            claim = (
                sa.update(_table)
                .where(_table.c.id.in_(ids))
                .values(claimed_by=node, claimed_until=now + timedelta(seconds=lease_s))
                .returning(*_table.c)
            )
            claimed = await fetch_all(connection, OutboxEvent, claim)
        return sorted(claimed, key=lambda event: (event.next_attempt_at, event.id))

    async def record_attempt(
        self, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at: datetime
    ) -> None:
        """Put a try on record, say what the event is now, and let go of it."""
        values: dict[str, Any] = {
            "state": state,
            "attempts": attempt.number,
            "next_attempt_at": next_attempt_at,
            "claimed_by": None,
            "claimed_until": None,
        }
        if state == "delivered":
            values["delivered_at"] = attempt.at
        update = (
            sa.update(_table)
            .where(_table.c.id == attempt.event_id)
            .values(values)
            .returning(_table.c.organization_id)
        )
        async with self._database.writing() as connection:
            owner = (await connection.execute(update)).scalar_one_or_none()
            if owner is not None:
                row = values_of(attempt) | {"organization_id": owner}
                await connection.execute(
                    self._database.insert(_attempts).values(row).on_conflict_do_nothing()
                )

    async def disable(self, task_id: str) -> None:
        """Send nothing more to a task's webhook: it said that it is gone."""
        async with self._database.writing() as connection:
            await connection.execute(
                sa.update(_tasks).where(_tasks.c.id == task_id).values(webhook_disabled=True)
            )
            await connection.execute(
                sa.update(_table)
                .where(_table.c.task_id == task_id, _table.c.state == "pending")
                .values(state="disabled")
            )

    async def find(self, organization_id: str, event_id: str) -> OutboxEvent | None:
        """Return one of an organization."""
        async with self._database.reading() as connection:
            return await fetch_one(
                connection, OutboxEvent, sa.select(_table).where(*_one(organization_id, event_id))
            )

    async def list_page(
        self,
        organization_id: str,
        limit: int,
        offset: int,
        *,
        call_id: str | None = None,
        task_id: str | None = None,
        state: str | None = None,
    ) -> Page[OutboxEvent]:
        """Return an organization's events, newest first."""
        wanted = {"call_id": call_id, "task_id": task_id, "state": state}
        conditions = [_table.c.organization_id == organization_id]
        conditions += [_table.c[name] == value for name, value in wanted.items() if value is not None]
        async with self._database.reading() as connection:
            return await fetch_page(connection, OutboxEvent, _table, conditions, limit, offset)

    async def attempts_of(self, organization_id: str, event_id: str) -> list[DeliveryAttempt]:
        """Return the tries to deliver an event, oldest first."""
        statement = (
            sa.select(_attempts)
            .where(_attempts.c.organization_id == organization_id, _attempts.c.event_id == event_id)
            .order_by(_attempts.c.number)
        )
        async with self._database.reading() as connection:
            return await fetch_all(connection, DeliveryAttempt, statement)

    async def redeliver(self, organization_id: str, event_id: str, now: datetime) -> bool:
        """Let an event be delivered once more, now, whatever became of it."""
        statement = (
            sa.update(_table)
            .where(*_one(organization_id, event_id))
            .values(state="pending", next_attempt_at=now, claimed_by=None, claimed_until=None)
        )
        async with self._database.writing() as connection:
            found = await changed(connection, statement) == 1
        if found:
            self._database.outbox_filled()
        return found


def _one(organization_id: str, event_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _table.c.organization_id == organization_id, _table.c.id == event_id
