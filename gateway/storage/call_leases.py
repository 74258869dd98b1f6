"""Which node holds a live call: leases by the database's clock, with a fence that grows at each takeover."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_all, fetch_one
from gateway.storage.rows import LIVE, Call

_table = schema.calls
LEASE_S = 15.0


class CallLeases:
    """Lives as long as the process.

    Args:
        node: this process's name, no other's.
    """

    def __init__(self, database: Database, node: str, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._node = node
        self._lease = timedelta(seconds=lease_s)

    async def take(self, call_id: str) -> Call | None:
        """Take a live call that nobody holds, that this node holds, or whose holder has let its lease expire.

        Returns:
            The call, with the fence to write under; None when another node holds it, or it is over.
        """
        async with self._database.writing() as connection:
            now = await self._database.clock(connection)
            free = sa.or_(
                _table.c.lease_until.is_(None), _table.c.lease_until <= now, _table.c.node == self._node
            )
            statement = (
                sa.update(_table)
                .where(_table.c.id == call_id, _table.c.status.in_(LIVE), free)
                .values(node=self._node, lease_until=now + self._lease, fence=_table.c.fence + 1)
                .returning(*_table.c)
            )
            return await fetch_one(connection, Call, statement)

    async def renew(self, call_ids: Sequence[str]) -> int:
        """Hold these calls for another while; return how many of them are still this node's."""
        async with self._database.writing() as connection:
            now = await self._database.clock(connection)
            statement = (
                sa.update(_table)
                .where(_table.c.id.in_(call_ids), _table.c.node == self._node, _table.c.status.in_(LIVE))
                .values(lease_until=now + self._lease)
            )
            return await changed(connection, statement)

    async def list_expired(self, limit: int = 100) -> list[Call]:
        """Return live calls whose node is gone."""
        async with self._database.reading() as connection:
            now = await self._database.clock(connection)
            statement = (
                sa.select(_table)
                .where(_table.c.status.in_(LIVE), _table.c.lease_until <= now)
                .order_by(_table.c.lease_until)
                .limit(limit)
            )
            return await fetch_all(connection, Call, statement)
