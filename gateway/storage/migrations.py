"""Bring a database to the schema of this version, or say that it is not there.

Migrations only add (expand), so that nodes of the version before run on the new schema; what is no longer
used is removed a version later (contract). So a schema that is newer than this program is no fault.
"""

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import StorageError
from gateway.storage.database import Database

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
_LOCK = 7_263_441_508  # any number: names the advisory lock that keeps two nodes from migrating at once


async def prepare(database: Database) -> None:
    """Make sure that the schema fits, before anything is served: SQLite is migrated, PostgreSQL checked.

    Raises:
        StorageError: ``old_schema``, with the command to give.
    """
    if database.kind == "sqlite":
        await migrate(database)
    else:
        await check_schema(database)


async def migrate(database: Database) -> list[str]:
    """Run the migrations that are missing, all in one transaction.

    Args:
        database: opened ``patient``.

    Returns:
        The names of those that were run.
    """
    # Alembic has one environment per process: what two migrations at once would share.
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with turn, database.writing() as connection:
        return await connection.run_sync(_upgrade)


async def check_schema(database: Database) -> None:
    """Check that the schema is not older than this program.

    Raises:
        StorageError: ``old_schema``.
    """
    async with database.reading() as connection:
        missing = await connection.run_sync(_missing)
    if missing:
        raise StorageError(
            f"the database lacks {len(missing)} migration(s) of this version; run: vatel-gateway migrate",
            reason="old_schema",
        )


def _missing(connection: sa.Connection) -> list[str]:
    current = MigrationContext.configure(connection).get_current_revision()
    names = [script.revision for script in _scripts().walk_revisions()][::-1]
    if current is None:
        return names
    # A revision unknown here belongs to a later version, which has all of ours.
    return names[names.index(current) + 1 :] if current in names else []


def _upgrade(connection: sa.Connection) -> list[str]:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    missing = _missing(connection)
    if not missing:
        return []
    scripts = _scripts()
    with EnvironmentContext(
        Config(),
        scripts,
        fn=lambda revision, _: scripts._upgrade_revs("head", revision),
        destination_rev="head",
    ) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
    return missing


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))
