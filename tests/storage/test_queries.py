"""Statements and their rows."""

from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage import schema
from gateway.storage.queries import changed, fetch_all, fetch_one, fetch_page, new_id, values_of
from gateway.storage.rows import Agent
from tests.tenants import Tenant, agent


def test_ids_are_fresh_uuids() -> None:
    """Each id is a UUID of its own, in the usual spelling."""
    ids = {new_id() for _ in range(100)}

    assert len(ids) == 100
    assert {str(UUID(one)) for one in ids} == ids


def test_values_are_not_copied_deeply() -> None:
    """A row's JSON values go to the driver as they are."""
    desk = agent("o")

    assert values_of(desk)["voice_settings"] is desk.voice_settings


async def test_rows_come_as_values(acme: Tenant) -> None:
    """One, all, a page, and the number of changed rows."""
    table = schema.agents
    mine = [table.c.organization_id == acme.id]
    async with acme.database.writing() as connection:
        one = await fetch_one(connection, Agent, sa.select(table).where(*mine))
        none = await fetch_one(connection, Agent, sa.select(table).where(table.c.id == "absent"))
        every = await fetch_all(connection, Agent, sa.select(table).where(*mine))
        page = await fetch_page(connection, Agent, table, mine, limit=0, offset=0)
        met = await changed(connection, sa.update(table).where(*mine).values(name="New"))

    assert (one, none, every) == (acme.agent, None, [acme.agent])
    assert (page.items, page.total, met) == ((), 1, 1)


async def test_an_empty_page_counts_nothing_that_came_behind_it(acme: Tenant) -> None:
    """A row that appears between the page and the count is not of that page: no total speaks of it."""
    table = schema.agents
    mine = [table.c.organization_id == acme.id]

    class Late:
        """A connection on which nothing is found until it was asked once."""

        def __init__(self, connection: AsyncConnection) -> None:
            self._connection = connection
            self._asked = 0

        async def execute(self, statement: sa.Select[Any]) -> sa.CursorResult[Any]:
            self._asked += 1
            found: sa.CursorResult[Any] = await self._connection.execute(
                statement.where(sa.literal(self._asked > 1))
            )
            return found

    async with acme.database.reading() as connection:
        late = cast(AsyncConnection, Late(connection))
        page = await fetch_page(late, Agent, table, mine, limit=5, offset=0)
        behind = await fetch_page(connection, Agent, table, mine, limit=5, offset=7)

    assert (page.items, page.total) == ((), 0)
    assert (behind.items, behind.total) == ((), 1)
