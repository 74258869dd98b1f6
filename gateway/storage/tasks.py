"""Tasks: calls to be made. A task is started once: with its call's row, in one transaction, by one node."""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage import schema
from gateway.storage.calls import begun
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_all, fetch_one, fetch_page, values_of
from gateway.storage.rows import LIVE, Call, NewCall, Page, Task

_table = schema.tasks
_calls = schema.calls
_agents = schema.agents
_PLACING = 7_165_014  # the advisory lock's number: any, but the same on every node


class Tasks:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, task: Task) -> bool:
        """Add one; False when its agent is not there."""
        # Locked, so that the agent cannot be removed in between (see Agents.remove).
        agent = (
            sa.select(_agents.c.id)
            .where(_agents.c.organization_id == task.organization_id, _agents.c.id == task.agent_id)
            .with_for_update(read=True)
        )
        async with self._database.writing() as connection:
            if (await connection.execute(agent)).first() is None:
                return False
            await connection.execute(sa.insert(_table).values(values_of(task)))
            return True

    async def find(self, organization_id: str, task_id: str) -> Task | None:
        """Return one of an organization."""
        async with self._database.reading() as connection:
            return await fetch_one(connection, Task, sa.select(_table).where(*_one(organization_id, task_id)))

    async def list_page(
        self,
        organization_id: str,
        limit: int,
        offset: int,
        *,
        agent_id: str | None = None,
        status: str | None = None,
    ) -> Page[Task]:
        """Return an organization's tasks, newest first."""
        wanted = {"agent_id": agent_id, "status": status}
        conditions = [_table.c.organization_id == organization_id]
        conditions += [_table.c[name] == value for name, value in wanted.items() if value is not None]
        async with self._database.reading() as connection:
            return await fetch_page(connection, Task, _table, conditions, limit, offset)

    async def update(self, organization_id: str, task_id: str, **values: object) -> Task | None:
        """Change fields of a pending task; return it as it is now, None when no such task is pending."""
        statement = (
            sa.update(_table)
            .where(*_one(organization_id, task_id), _table.c.status == "pending")
            .values(values)
            .returning(*_table.c)
        )
        async with self._database.writing() as connection:
            return await fetch_one(connection, Task, statement)

    async def remove(self, organization_id: str, task_id: str) -> bool:
        """Remove a pending or failed task; its calls stay."""
        statement = sa.delete(_table).where(
            *_one(organization_id, task_id), _table.c.status.in_(("pending", "failed"))
        )
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def start(self, call: NewCall) -> Call | None:
        """Start the pending task that a new call names, and begin the call.

        Returns:
            The call; None when the task is not pending (any more): somebody else has started it.
        """
        async with self._database.writing() as connection:
            return await _start(connection, call)

    async def claim_due(
        self,
        now: datetime,
        limit: int,
        new_call: Callable[[Task], NewCall],
        *,
        only: Callable[[Task], bool] | None = None,
        most_live: int | None = None,
    ) -> list[tuple[Task, Call]]:
        """Start tasks that are due, highest priority first, then the longest overdue.

        Args:
            new_call: makes the call of a task; called within the transaction, so it must be quick.
            only: which of them may be; the others stay.
            most_live: how many placed calls there may be then, whoever placed them, over all nodes.

        Returns:
            The tasks as they were, each with its call to place; no other node gets them.
        """
        due = (
            sa.select(_table)
            .where(_table.c.status == "pending", _table.c.scheduled_at <= now)
            .order_by(_table.c.priority.desc(), _table.c.scheduled_at, _table.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        started = []
        async with self._database.writing() as connection:
            if most_live is not None:
                due = due.limit(min(limit, max(0, most_live - await self._placed(connection))))
            for task in await fetch_all(connection, Task, due):
                if only is not None and not only(task):
                    continue
                call = await _start(connection, new_call(task))
                if call is not None:
                    started.append((task, call))
        return started

    async def _placed(self, connection: AsyncConnection) -> int:
        """Count the placed calls that are not over, and let nobody else count until this transaction ends."""
        if self._database.kind == "postgresql":  # SQLite has one writer at a time
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PLACING)))
        statement = (
            sa.select(sa.func.count())
            .select_from(_calls)
            .where(_calls.c.direction == "outbound", _calls.c.status.in_(LIVE))
        )
        return int((await connection.execute(statement)).scalar_one())

    async def next_due(self) -> datetime | None:
        """Return when the next pending task is due: how long a scheduler may sleep."""
        statement = sa.select(sa.func.min(_table.c.scheduled_at)).where(_table.c.status == "pending")
        async with self._database.reading() as connection:
            due: datetime | None = (await connection.execute(statement)).scalar_one()
        return due

    async def reset(self, organization_id: str, task_id: str, now: datetime) -> Task | None:
        """Make a task that was executed pending again, unless its call is live.

        A schedule that has passed is dropped: the task waits to be executed instead of dialling at once.
        """
        live = sa.exists().where(_calls.c.id == _table.c.call_id, _calls.c.status.in_(LIVE))
        upcoming = sa.case((_table.c.scheduled_at > now, _table.c.scheduled_at), else_=None)
        statement = (
            sa.update(_table)
            .where(*_one(organization_id, task_id), _table.c.status != "pending", ~live)
            .values(status="pending", call_id=None, scheduled_at=upcoming, updated_at=now)
            .returning(*_table.c)
        )
        async with self._database.writing() as connection:
            return await fetch_one(connection, Task, statement)


async def _start(connection: AsyncConnection, call: NewCall) -> Call | None:
    statement = (
        sa.update(_table)
        .where(
            _table.c.id == call.task_id,
            _table.c.organization_id == call.organization_id,
            _table.c.status == "pending",
        )
        .values(
            status="in_progress",
            call_id=call.id,
            attempts=_table.c.attempts + 1,
            updated_at=call.created_at,
        )
    )
    if not await changed(connection, statement):
        return None
    return await fetch_one(connection, Call, sa.insert(_calls).values(begun(call)).returning(*_calls.c))


def _one(organization_id: str, task_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _table.c.organization_id == organization_id, _table.c.id == task_id
