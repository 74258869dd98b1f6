"""Reports as made, what the agent platform's record of a call says, and where recordings are."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_all, fetch_one, values_of
from gateway.storage.rows import Call, Recording, StoredReport, read

_reports = schema.reports
_recordings = schema.recordings
_calls = schema.calls
_PREFIX = "stored_"
_WITH_CALL = (
    sa.select(_calls, *(column.label(_PREFIX + column.name) for column in _reports.c))
    .outerjoin(_reports, _reports.c.call_id == _calls.c.id)
    .where(
        _calls.c.organization_id == sa.bindparam("organization_id"), _calls.c.id == sa.bindparam("call_id")
    )
)


class Reports:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(
        self,
        organization_id: str,
        call_id: str,
        now: datetime,
        *,
        report: dict[str, Any],
        platform: dict[str, Any] | None = None,
    ) -> bool:
        """Store a report; a platform's record that is not given stays as it was.

        Returns:
            False when the call is unknown or was erased meanwhile.
        """
        row: dict[str, object] = {"report": report, "updated_at": now}
        if platform is not None:
            row |= {"platform": platform, "fetched_at": now}
        insert = self._database.insert(_reports).values(
            call_id=call_id, organization_id=organization_id, **row
        )
        there = (
            sa.select(_calls.c.id)
            .where(
                _calls.c.id == call_id,
                _calls.c.organization_id == organization_id,
                _calls.c.erased_at.is_(None),
            )
            .with_for_update(read=True)
        )
        async with self._database.writing() as connection:
            if (await connection.execute(there)).first() is None:
                return False
            await connection.execute(insert.on_conflict_do_update(index_elements=["call_id"], set_=row))
            return True

    async def find_with_call(
        self, organization_id: str, call_id: str
    ) -> tuple[Call, StoredReport | None] | None:
        """Return a call with what is stored of it; None when there is no such call."""
        named = {"organization_id": organization_id, "call_id": call_id}
        async with self._database.reading() as connection:
            row = (await connection.execute(_WITH_CALL, named)).mappings().one_or_none()
        if row is None:
            return None
        kept = {name: row[_PREFIX + name] for name in _reports.c.keys()}  # noqa: SIM118  # columns, no dict
        return read(Call, row), None if kept["call_id"] is None else read(StoredReport, kept)


class Recordings:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, recording: Recording) -> None:
        """Add one, unless the call has one: a second stream of a call goes on with the first's."""
        insert = self._database.insert(_recordings).values(values_of(recording))
        async with self._database.writing() as connection:
            await connection.execute(insert.on_conflict_do_nothing(index_elements=["call_id"]))

    async def update(self, call_id: str, **values: object) -> Recording | None:
        """Change fields; return it as it is now, None when there is none."""
        statement = (
            sa.update(_recordings)
            .where(_recordings.c.call_id == call_id)
            .values(values)
            .returning(*_recordings.c)
        )
        async with self._database.writing() as connection:
            return await fetch_one(connection, Recording, statement)

    async def find(self, organization_id: str, call_id: str) -> Recording | None:
        """Return one of an organization."""
        statement = sa.select(_recordings).where(
            _recordings.c.organization_id == organization_id, _recordings.c.call_id == call_id
        )
        async with self._database.reading() as connection:
            return await fetch_one(connection, Recording, statement)

    async def list_expired(self, now: datetime, limit: int = 100) -> list[Recording]:
        """Return recordings that have been kept for long enough."""
        statement = (
            sa.select(_recordings)
            .where(_recordings.c.expires_at <= now)
            .order_by(_recordings.c.expires_at)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return await fetch_all(connection, Recording, statement)

    async def forget(self, call_id: str) -> bool:
        """Remove the row of a recording whose audio is gone."""
        async with self._database.writing() as connection:
            return (
                await changed(connection, sa.delete(_recordings).where(_recordings.c.call_id == call_id)) == 1
            )
