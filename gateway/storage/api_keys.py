"""API keys and access tokens: of every secret only the SHA-256 is stored."""

from datetime import datetime

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_one, fetch_page, values_of
from gateway.storage.rows import AccessToken, ApiKey, Page

_keys = schema.api_keys
_tokens = schema.access_tokens
# Built once: it is asked for with every request.
_BY_PUBLIC_ID = sa.select(_keys).where(_keys.c.public_id == sa.bindparam("public_id"))


class ApiKeys:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> None:
        """Add one."""
        async with self._database.writing() as connection:
            await connection.execute(sa.insert(_keys).values(values_of(key)))

    async def find_by_public_id(self, public_id: str) -> ApiKey | None:
        """Return the key with that public id, revoked or not."""
        async with self._database.reading() as connection:
            return await fetch_one(connection, ApiKey, _BY_PUBLIC_ID, public_id=public_id)

    async def find(self, organization_id: str, key_id: str) -> ApiKey | None:
        """Return one of an organization."""
        async with self._database.reading() as connection:
            return await fetch_one(connection, ApiKey, sa.select(_keys).where(*_one(organization_id, key_id)))

    async def list_page(self, organization_id: str, limit: int, offset: int) -> Page[ApiKey]:
        """Return an organization's keys, newest first, revoked ones too."""
        async with self._database.reading() as connection:
            return await fetch_page(
                connection, ApiKey, _keys, [_keys.c.organization_id == organization_id], limit, offset
            )

    async def note_use(self, key_id: str, now: datetime) -> None:
        """Remember when a key was used."""
        async with self._database.writing() as connection:
            await connection.execute(sa.update(_keys).where(_keys.c.id == key_id).values(last_used_at=now))

    async def revoke(self, organization_id: str, key_id: str, now: datetime) -> bool:
        """Make a key unusable, for ever; False when there is no such key, or it is revoked already."""
        statement = (
            sa.update(_keys)
            .where(*_one(organization_id, key_id), _keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def regenerate(
        self, organization_id: str, key_id: str, public_id: str, secret_hash: str
    ) -> ApiKey | None:
        """Give a key that is not revoked a new secret; the one before stops working."""
        statement = (
            sa.update(_keys)
            .where(*_one(organization_id, key_id), _keys.c.revoked_at.is_(None))
            .values(public_id=public_id, secret_hash=secret_hash, last_used_at=None)
            .returning(*_keys.c)
        )
        async with self._database.writing() as connection:
            return await fetch_one(connection, ApiKey, statement)


def _one(organization_id: str, key_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _keys.c.organization_id == organization_id, _keys.c.id == key_id


class AccessTokens:
    """Short-lived rights to one call for one purpose. Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: AccessToken, token_hash: str, now: datetime) -> None:
        """Add one, and forget those that have expired."""
        async with self._database.writing() as connection:
            await connection.execute(sa.delete(_tokens).where(_tokens.c.expires_at <= now))
            row = values_of(token) | {"token_hash": token_hash}
            await connection.execute(sa.insert(_tokens).values(row))

    async def find(self, token_hash: str, purpose: str, call_id: str, now: datetime) -> AccessToken | None:
        """Return the right, if it has not expired and the key it was made with still works."""
        usable = sa.or_(
            _tokens.c.api_key_id.is_(None),
            sa.exists().where(_keys.c.id == _tokens.c.api_key_id, _keys.c.revoked_at.is_(None)),
        )
        statement = sa.select(_tokens).where(
            _tokens.c.token_hash == token_hash,
            _tokens.c.purpose == purpose,
            _tokens.c.call_id == call_id,
            _tokens.c.expires_at > now,
            usable,
        )
        async with self._database.reading() as connection:
            return await fetch_one(connection, AccessToken, statement)
