"""Organizations: the tenants, who belongs to them, and the secret that signs their webhooks."""

from datetime import datetime

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_all, fetch_one, values_of
from gateway.storage.rows import Organization

_table = schema.organizations
_memberships = schema.memberships


class Organizations:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, organization: Organization, owner_id: str | None = None) -> None:
        """Add one, with its first member."""
        async with self._database.writing() as connection:
            await connection.execute(sa.insert(_table).values(values_of(organization)))
            if owner_id is not None:
                row = {
                    "organization_id": organization.id,
                    "user_id": owner_id,
                    "created_at": organization.created_at,
                }
                await connection.execute(sa.insert(_memberships).values(row))

    async def add_first(self, organization: Organization) -> bool:
        """Add the very first one; False when there is any. Of nodes that start together, one adds it."""
        first = organization.id  # the same on every node, so that their inserts collide
        row = self._database.insert(_table).values(values_of(organization)).on_conflict_do_nothing()
        others = sa.exists().where(_table.c.id != first)
        async with self._database.writing() as connection:
            if (await connection.execute(sa.select(others))).scalar_one():
                return False
            return (await connection.execute(row)).rowcount == 1

    async def find(self, organization_id: str) -> Organization | None:
        """Return one."""
        async with self._database.reading() as connection:
            return await fetch_one(
                connection, Organization, sa.select(_table).where(_table.c.id == organization_id)
            )

    async def list_all(self) -> list[Organization]:
        """Return every one, oldest first."""
        async with self._database.reading() as connection:
            return await fetch_all(
                connection, Organization, sa.select(_table).order_by(_table.c.created_at, _table.c.id)
            )

    async def list_of(self, user_id: str) -> list[Organization]:
        """Return those that a user belongs to, oldest membership first."""
        statement = (
            sa.select(_table)
            .join(_memberships, _memberships.c.organization_id == _table.c.id)
            .where(_memberships.c.user_id == user_id)
            .order_by(_memberships.c.created_at, _table.c.id)
        )
        async with self._database.reading() as connection:
            return await fetch_all(connection, Organization, statement)

    async def update(self, organization_id: str, **values: object) -> Organization | None:
        """Change fields; return it as it is now, None when there is no such organization."""
        statement = (
            sa.update(_table).where(_table.c.id == organization_id).values(values).returning(*_table.c)
        )
        async with self._database.writing() as connection:
            return await fetch_one(connection, Organization, statement)

    async def change_webhook_secret(self, organization_id: str, secret: str, now: datetime) -> bool:
        """Let a new secret sign from now on; the one before signs beside it until it is forgotten."""
        statement = (
            sa.update(_table)
            .where(_table.c.id == organization_id)
            .values(
                previous_webhook_secret=_table.c.webhook_secret,
                webhook_secret=secret,
                webhook_secret_changed_at=now,
            )
        )
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1
