"""The suppression list: numbers that an organization must not call."""

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_one, fetch_page, values_of
from gateway.storage.rows import Page, SuppressedNumber

_table = schema.suppressed_numbers


class SuppressionList:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: SuppressedNumber) -> SuppressedNumber:
        """Add a number; return the entry that stands, which is the older one where there was one."""
        insert = (
            self._database.insert(_table)
            .values(values_of(entry))
            .on_conflict_do_nothing(index_elements=["organization_id", "number"])
        )
        standing = sa.select(_table).where(*_number(entry.organization_id, entry.number))
        async with self._database.writing() as connection:
            await connection.execute(insert)
            return await fetch_one(connection, SuppressedNumber, standing) or entry

    async def find(self, organization_id: str, number: str) -> SuppressedNumber | None:
        """Return the entry of a number, None when it may be called."""
        async with self._database.reading() as connection:
            return await fetch_one(
                connection, SuppressedNumber, sa.select(_table).where(*_number(organization_id, number))
            )

    async def list_page(self, organization_id: str, limit: int, offset: int) -> Page[SuppressedNumber]:
        """Return the list, newest first."""
        mine = [_table.c.organization_id == organization_id]
        async with self._database.reading() as connection:
            return await fetch_page(connection, SuppressedNumber, _table, mine, limit, offset)

    async def remove(self, organization_id: str, entry_id: str) -> bool:
        """Take an entry off the list."""
        statement = sa.delete(_table).where(
            _table.c.organization_id == organization_id, _table.c.id == entry_id
        )
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1


def _number(organization_id: str, number: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _table.c.organization_id == organization_id, _table.c.number == number
