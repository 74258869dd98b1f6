"""A database is brought to this version's schema, or named as too old."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from gateway.errors import StorageError
from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.migrations import check_schema, migrate, prepare
from tests.databases import ENGINES, PostgresServer

FIRST = "v0001_first"


@pytest.fixture(params=ENGINES)
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bare.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return asyncio.run(server.create("template0"))


async def test_migrations_make_the_schema_of_the_code(database: Database) -> None:
    """After all migrations nothing differs from what the code declares."""

    def differences(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return list(compare_metadata(context, schema.metadata))

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_empty_database_is_migrated_once(bare_url: str) -> None:
    """The first run makes everything and says so, the second has nothing to do."""
    database = Database.open(bare_url, patient=True)

    assert await migrate(database) == [FIRST]
    assert await migrate(database) == []
    await check_schema(database)
    await database.close()


async def test_nodes_that_migrate_at_once_do_not_collide(bare_url: str) -> None:
    """Of several processes that start together one migrates, the others wait and find it done."""
    databases = [Database.open(bare_url, patient=True) for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(migrate(database)) for database in databases]
    for database in databases:
        await database.close()

    assert sorted(run.result() for run in runs) == [[], [], [], [FIRST]]


async def test_start_migrates_sqlite_and_refuses_an_old_postgres(bare_url: str) -> None:
    """An embedded database looks after itself; a shared one is the operator's, who is told the command."""
    database = Database.open(bare_url, patient=True)
    if database.kind == "sqlite":
        await prepare(database)
        await check_schema(database)
    else:
        with pytest.raises(StorageError, match="vatel-gateway migrate") as refused:
            await prepare(database)
        assert refused.value.reason == "old_schema"
        await migrate(database)
        await prepare(database)
    await database.close()


async def test_schema_of_a_later_version_is_served(bare_url: str) -> None:
    """While a deploy goes on, the version before runs on the new schema and leaves it alone."""
    database = Database.open(bare_url, patient=True)
    await migrate(database)
    async with database.writing() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = 'v9999_later'"))

    await check_schema(database)
    await prepare(database)
    assert await migrate(database) == []
    await database.close()


async def test_failed_migration_leaves_nothing(bare_url: str) -> None:
    """A migration that breaks off is undone whole, so that it can be run again."""
    database = Database.open(bare_url, patient=True)
    async with database.writing() as connection:
        await connection.execute(sa.text("CREATE TABLE delivery_attempts (id TEXT)"))  # the last one made
    with pytest.raises(StorageError):
        await migrate(database)
    async with database.reading() as connection:
        tables = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    await database.close()

    assert tables == ["delivery_attempts"]


async def test_many_databases_are_migrated_at_the_same_time(tmp_path: Path) -> None:
    """Gateways that start side by side in one process do not get into each other's migrations."""
    databases = [Database.open(f"sqlite:///{tmp_path}/{number}.db") for number in range(5)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(migrate(database)) for database in databases]
    for database in databases:
        await database.close()

    assert all(task.result() == tasks[0].result() != [] for task in tasks)
