"""One database on two engines: transactions, and driver errors in our words."""

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database


async def test_smoke(database: Database) -> None:
    """It opens."""
    async with database.reading() as c:
        assert (await c.execute(sa.select(sa.func.count()).select_from(schema.calls))).scalar() == 0
