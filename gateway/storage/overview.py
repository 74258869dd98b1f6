"""Questions about the calls of all organizations together, which the gateway asks for itself."""

from datetime import datetime

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import fetch_all
from gateway.storage.rows import LIVE, Call

_calls = schema.calls
_reports = schema.reports


class Overview:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count_live(self) -> int:
        """Count the calls that are not over, on all nodes."""
        statement = sa.select(sa.func.count()).where(_calls.c.status.in_(LIVE))
        async with self._database.reading() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def answers(self) -> bool:
        """Whether the database can be read.

        Raises:
            StorageError: it cannot.
        """
        async with self._database.reading() as connection:
            return bool((await connection.execute(sa.select(1))).scalar_one())

    async def list_unfetched(self, since: datetime, limit: int = 100) -> list[Call]:
        """Return calls that ended after a moment and whose platform record is not here yet, oldest first."""
        statement = (
            sa.select(_calls)
            .outerjoin(_reports, _reports.c.call_id == _calls.c.id)
            .where(
                _calls.c.ended_at >= since,
                _calls.c.vatel_session_id.is_not(None),
                _calls.c.erased_at.is_(None),
                _reports.c.fetched_at.is_(None),
            )
            .order_by(_calls.c.ended_at)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return await fetch_all(connection, Call, statement)
