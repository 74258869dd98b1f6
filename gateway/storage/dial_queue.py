"""Tasks that are due, and what has to be known of them before they are dialled."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage import schema
from gateway.storage.calls import dialled
from gateway.storage.database import Database
from gateway.storage.dial_policy import Facts
from gateway.storage.queries import changed, fetch_all
from gateway.storage.rows import LIVE, Task

_tasks = schema.tasks
_calls = schema.calls
_suppressed = schema.suppressed_numbers


class DialQueue:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_due(self, now: datetime, limit: int) -> list[Task]:
        """Return pending tasks that are due, highest priority first, then the longest overdue."""
        statement = (
            sa.select(_tasks)
            .where(_tasks.c.status == "pending", _tasks.c.scheduled_at <= now)
            .order_by(_tasks.c.priority.desc(), _tasks.c.scheduled_at, _tasks.c.id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return await fetch_all(connection, Task, statement)

    async def facts(self, tasks: Sequence[Task], since: datetime) -> list[Facts]:
        """Return what the rules need to know of each task's number.

        Earlier tasks of the same batch count as calls to their number: they are about to be dialled.
        """
        numbers = {task.to_number for task in tasks}
        async with self._database.reading() as connection:
            suppressed = await _suppressed_ones(connection, numbers)
            attempts = await _attempts(connection, numbers, since)
        found = []
        for task in tasks:
            key = (task.organization_id, task.to_number)
            found.append(Facts(suppressed=key in suppressed, attempts=attempts.get(key, 0)))
            attempts[key] = attempts.get(key, 0) + 1
        return found

    async def postpone(self, task: Task, until: datetime, now: datetime) -> bool:
        """Let a pending task wait longer; False when it was changed or started meanwhile."""
        statement = (
            sa.update(_tasks)
            .where(
                _tasks.c.id == task.id,
                _tasks.c.status == "pending",
                _tasks.c.scheduled_at == task.scheduled_at,
            )
            .values(scheduled_at=until, updated_at=now)
        )
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def count_live(self) -> int:
        """Count the placed calls that are not over, whoever's and wherever they are."""
        statement = (
            sa.select(sa.func.count())
            .select_from(_calls)
            .where(_calls.c.direction == "outbound", _calls.c.status.in_(LIVE))
        )
        async with self._database.reading() as connection:
            return int((await connection.execute(statement)).scalar_one())


async def _suppressed_ones(connection: AsyncConnection, numbers: Collection[str]) -> set[tuple[str, str]]:
    statement = sa.select(_suppressed.c.organization_id, _suppressed.c.number).where(
        _suppressed.c.number.in_(numbers)
    )
    return {(row[0], row[1]) for row in await connection.execute(statement)}


async def _attempts(
    connection: AsyncConnection, numbers: Collection[str], since: datetime
) -> dict[tuple[str, str], int]:
    statement = (
        sa.select(_calls.c.organization_id, _calls.c.to_number, sa.func.count())
        .where(
            _calls.c.to_number.in_(numbers),
            _calls.c.direction == "outbound",
            _calls.c.created_at >= since,
            dialled(),
        )
        .group_by(_calls.c.organization_id, _calls.c.to_number)
    )
    return {(row[0], row[1]): int(row[2]) for row in await connection.execute(statement)}
