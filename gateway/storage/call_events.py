"""What happened in calls, appended in batches; a batch that is sent twice is stored once."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import StorageError
from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import fetch_all, fetch_page, values_of
from gateway.storage.rows import CallEvent, Page

_events = schema.call_events
_calls = schema.calls
# Statements that are run all the time are built once.
_BEHIND = (
    sa.select(_events)
    .where(
        _events.c.call_id == sa.bindparam("call_id"),
        _events.c.organization_id == sa.bindparam("organization_id"),
        _events.c.seq > sa.bindparam("after"),
    )
    .order_by(_events.c.seq)
)
_HOLDERS = (
    sa.select(_calls.c.id, _calls.c.organization_id, _calls.c.fence, _calls.c.erased_at)
    .where(_calls.c.id.in_(sa.bindparam("call_ids", expanding=True)))
    .order_by(_calls.c.id)
    .with_for_update(read=True)  # so that an erasure is either seen here or sees what is written here
)


class CallEvents:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = database.insert(_events).on_conflict_do_nothing(index_elements=["call_id", "seq"])

    async def append(self, events: Sequence[CallEvent], fence: int | None = None) -> None:
        """Store events of one call, in one transaction. Those stored already are left as they are.

        Args:
            fence: the fence under which the writer holds the call; a node that lost it is refused.

        Raises:
            StorageError: ``conflict``: the call is unknown, erased, or another node's by now.
        """
        if events and await self.append_all([(events, fence)]):
            raise StorageError("the call is not this node's to write", reason="conflict")

    async def append_all(self, batches: Sequence[tuple[Sequence[CallEvent], int | None]]) -> set[str]:
        """Store events of several calls, each with its fence, in one transaction; see :meth:`append`.

        Returns:
            The ids of the calls whose events were refused; the others' are stored.
        """
        fences = {events[0].call_id: fence for events, fence in batches}
        async with self._database.writing() as connection:
            found = (await connection.execute(_HOLDERS, {"call_ids": list(fences)})).mappings()
            owners = {
                row["id"]: row["organization_id"]
                for row in found
                if row["erased_at"] is None and fences[row["id"]] in (None, row["fence"])
            }
            rows = [
                values_of(event) | {"organization_id": owners[event.call_id]}
                for events, _ in batches
                for event in events
                if event.call_id in owners
            ]
            if rows:
                await connection.execute(self._insert, rows)
        return set(fences) - set(owners)

    async def last_seq(self, call_id: str) -> int:
        """Return the number of the latest event, 0 without any: a node that takes over goes on behind it."""
        statement = sa.select(sa.func.coalesce(sa.func.max(_events.c.seq), 0)).where(
            _events.c.call_id == call_id
        )
        async with self._database.reading() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def list_all(self, organization_id: str, call_id: str, after: int = 0) -> list[CallEvent]:
        """Return a call's events in order, from the one behind ``after``."""
        async with self._database.reading() as connection:
            return await events_of(connection, call_id, organization_id, after)

    async def list_page(self, organization_id: str, call_id: str, limit: int, offset: int) -> Page[CallEvent]:
        """Return a part of a call's events, oldest first."""
        mine = [_events.c.organization_id == organization_id, _events.c.call_id == call_id]
        async with self._database.reading() as connection:
            return await fetch_page(connection, CallEvent, _events, mine, limit, offset, [_events.c.seq])


async def events_of(
    connection: AsyncConnection, call_id: str, organization_id: str, after: int = 0
) -> list[CallEvent]:
    """Return a call's events in order, within a transaction."""
    return await fetch_all(
        connection, CallEvent, _BEHIND, call_id=call_id, organization_id=organization_id, after=after
    )
