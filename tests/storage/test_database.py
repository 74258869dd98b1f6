"""One database on two engines: transactions, turns, and driver errors in our words."""

import asyncio
import gc
import signal
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import StorageError
from gateway.storage import database as module
from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import values_of
from tests.databases import PostgresServer, held, postgres_server
from tests.tenants import organization


async def add(database: Database, name: str = "Acme") -> None:
    """Add an organization."""
    async with database.writing() as connection:
        await connection.execute(sa.insert(schema.organizations).values(values_of(organization(name))))


async def count(database: Database) -> int:
    """Count organizations."""
    async with database.reading() as connection:
        statement = sa.select(sa.func.count()).select_from(schema.organizations)
        return int((await connection.execute(statement)).scalar_one())


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///:memory:", "mysql://u:canary@h/d", "postgresql://h", "no url", "://"]
)
def test_urls_that_cannot_work_are_refused_unseen(url: str) -> None:
    """Anything but a SQLite file or a PostgreSQL database is refused without repeating it."""
    with pytest.raises(StorageError) as refused:
        Database.open(url)

    assert refused.value.reason == "bad_url"
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
async def test_postgres_urls_take_the_usual_spellings(scheme: str) -> None:
    """Both schemes and sslmode work, and nothing is connected before it is needed."""
    database = Database.open(f"{scheme}://user:pw@127.0.0.1:1/name?sslmode=disable")

    assert database.kind == "postgresql"
    with pytest.raises(StorageError) as refused:
        await count(database)
    assert refused.value.reason == "unavailable"
    assert refused.value.passing
    await database.close()


async def test_failed_block_leaves_nothing(database: Database) -> None:
    """A transaction whose block raises is undone, and the connection serves the next."""

    async def fail() -> None:
        async with database.writing() as connection:
            await connection.execute(sa.insert(schema.organizations).values(values_of(organization())))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await add(database)

    assert await count(database) == 1


async def test_writers_take_turns_and_none_is_lost(database: Database) -> None:
    """Many writers at once all succeed, readers beside them."""
    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(add(database, str(number)))
            group.create_task(count(database))

    assert await count(database) == 40


async def test_taken_value_is_a_conflict(database: Database) -> None:
    """A unique value that is taken is named as such; what the driver quotes stays out of the message."""
    row = values_of(organization("canary"))

    async def insert() -> None:
        async with database.writing() as connection:
            await connection.execute(sa.insert(schema.organizations).values(row))

    await insert()
    with pytest.raises(StorageError) as refused:
        await insert()

    assert refused.value.reason == "conflict"
    assert not refused.value.passing
    assert row["id"] not in str(refused.value)


async def test_statement_that_makes_no_sense_is_a_failure(database: Database) -> None:
    """A bug of ours is neither conflict nor passing."""
    with pytest.raises(StorageError) as refused:
        async with database.reading() as connection:
            await connection.execute(sa.text("SELECT nonsense"))

    assert refused.value.reason == "failed"


async def test_clock_is_now(database: Database) -> None:
    """The database's clock is aware and close to ours: both run on this machine."""
    async with database.reading() as connection:
        read = [await database.clock(connection) for _ in range(2)]

    assert read[0] <= read[1]
    assert read[0].tzinfo is not None


async def test_lock_of_another_process_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite held by somebody else is `busy` after the timeout, and works when they let go."""
    monkeypatch.setattr(module, "STATEMENT_TIMEOUT_S", 0.05)
    database = Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    async with database.writing() as connection:
        await connection.run_sync(schema.metadata.create_all)
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StorageError) as refused:
        await add(database)
    other.execute("ROLLBACK")
    other.close()
    await add(database)

    assert refused.value.reason == "busy"
    assert await count(database) == 1
    await database.close()


async def test_turn_that_never_comes_is_busy(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that waits too long for the others is told so instead of hanging."""
    monkeypatch.setattr(module, "_TURN_WAIT_S", 0.05)
    monkeypatch.setattr(module, "_POOL_SIZE", 1)
    monkeypatch.setattr(module, "POOL_TIMEOUT_S", 0.05)
    database = Database.open(database_url)
    async with database.writing():
        with pytest.raises(StorageError) as refused:
            await add(database)
    await database.close()

    assert refused.value.reason == "busy"


async def test_live_call_does_not_wait_for_readers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While readers hold every connection and more wait, live calls write and read; another reader waits."""
    monkeypatch.setattr(module, "POOL_TIMEOUT_S", 0.5)
    monkeypatch.setattr(module, "_TURN_WAIT_S", 0.5)
    database = Database.open(database_url)
    async with held(database):
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(add(database.for_calls, str(number)))
        assert await count(database.for_calls) == 5
        with pytest.raises(StorageError) as refused:
            await count(database)
    await database.close()

    assert refused.value.reason == "busy"


async def test_full_disk_is_told(tmp_path: Path) -> None:
    """A SQLite that may not grow says `full`, keeps what it acknowledged, and works again with room."""
    database = Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    async with database.writing() as connection:
        await connection.run_sync(schema.metadata.create_all)
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError) as refused:
        await add(database, "x" * 100_000)
    async with database.writing() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    await add(database)

    assert refused.value.reason == "full"
    assert await count(database) == 1
    await database.close()


async def test_file_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """A folder that is not there is no traceback."""
    database = Database.open(f"sqlite:///{tmp_path}/absent/x.db")
    with pytest.raises(StorageError) as refused:
        await count(database)
    await database.close()

    assert refused.value.reason == "unavailable"


def rights_below(folder: Path, name: str) -> dict[str, int]:
    """Return who may read a database file and its side files."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.glob(f"{name}*")}


async def test_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else can read what is kept, nor SQLite's side files; an existing file keeps its rights."""
    (tmp_path / "old.db").touch(0o640)
    for name in ("new.db", "old.db"):
        database = Database.open(f"sqlite:///{tmp_path / name}")
        async with database.writing() as connection:
            await connection.run_sync(schema.metadata.create_all)
        rights = rights_below(tmp_path, name)
        await database.close()
        assert set(rights.values()) == {0o600 if name == "new.db" else 0o640}, rights
        assert len(rights) == 3


async def test_server_that_restarts_costs_no_request(postgres: PostgresServer) -> None:
    """Connections that the server has cut are replaced before the next request uses them."""
    url = await postgres.create()
    database = Database.open(url)
    await add(database)
    name = url.partition("@/")[2].partition("?")[0]
    await postgres.command(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    await add(database)

    assert await count(database) == 2
    await database.close()


async def test_slow_statement_is_cut(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement over its time is `busy`, and the connection is usable again."""
    monkeypatch.setattr(module, "STATEMENT_TIMEOUT_S", 0.1)
    database = Database.open(await postgres.create())
    with pytest.raises(StorageError) as refused:
        async with database.reading() as connection:
            await connection.execute(sa.select(sa.func.pg_sleep(5)))

    assert refused.value.reason == "busy"
    assert await count(database) == 0
    await database.close()


async def test_read_only_server_is_told(postgres: PostgresServer) -> None:
    """After a failover to a standby, writes say `read_only`."""
    url = await postgres.create()
    name = url.partition("@/")[2].partition("?")[0]
    await postgres.command(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database.open(url)
    with pytest.raises(StorageError) as refused:
        await add(database)
    await database.close()

    assert refused.value.reason == "read_only"
    assert refused.value.passing


async def test_acknowledged_rows_survive_kill(tmp_path: Path) -> None:
    """What a process had committed when it was killed is there afterwards."""
    program = (
        "import asyncio, sys\n"
        "from tests.storage.test_database import add\n"
        "from gateway.storage import schema\n"
        "from gateway.storage.database import Database\n"
        "async def run():\n"
        "    database = Database.open(sys.argv[1])\n"
        "    async with database.writing() as connection:\n"
        "        await connection.run_sync(schema.metadata.create_all)\n"
        "    while True:\n"
        "        await add(database)\n"
        "        print('.', end='', flush=True)\n"
        "asyncio.run(run())\n"
    )
    url = f"sqlite:///{tmp_path / 'x.db'}"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        url,
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    acknowledged = len(await child.stdout.readexactly(20))
    child.send_signal(signal.SIGKILL)
    acknowledged += len(await child.stdout.read())
    await child.wait()
    database = Database.open(url)

    assert await count(database) >= acknowledged
    await database.close()


def test_server_for_tests_leaves_nothing() -> None:
    """The PostgreSQL of the tests is gone, folder and all, when it is stopped."""
    with postgres_server() as server:
        folder = Path(server.url("x").partition("host=")[2])
        assert (folder / "data").exists()

    assert not folder.exists()


async def begun(database: Database, turns: int) -> asyncio.Task[None]:
    """Return a transaction that has been under way for so many turns of the loop."""

    async def work() -> None:
        async with database.writing() as connection:
            await connection.execute(sa.select(1))

    task = asyncio.get_running_loop().create_task(work())
    for _ in range(turns):
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("turns", range(12))
async def test_who_is_cancelled_leaves_no_connection_open(database: Database, turns: int) -> None:
    """Whenever a transaction is cancelled, its connection is given back, and the next one finds its turn."""
    task = await begun(database, turns)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5), database.writing() as connection:
        assert (await connection.execute(sa.select(1))).scalar_one() == 1
    gc.collect()  # an open connection that nobody knows of would warn now


@pytest.mark.parametrize("turns", range(12))
async def test_who_is_cancelled_again_and_again_leaves_no_connection_open(
    database_url: str, turns: int
) -> None:
    """Nor when it is cancelled in every turn of the loop, and all is closed right after."""
    database = Database.open(database_url)
    task = await begun(database, turns)
    async with asyncio.timeout(5):
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
    await database.close()
    gc.collect()


@pytest.mark.parametrize("kind", ["reading", "writing"])
async def test_who_is_cancelled_stays_so_though_the_database_cannot_roll_back(
    database: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure on the way out is no reason for who was to stop to try again."""

    async def away(self: AsyncConnection) -> None:
        await close(self)
        raise TimeoutError

    async def work() -> None:
        async with getattr(database, kind)() as connection:
            await connection.execute(sa.select(1))
            inside.set()
            await asyncio.sleep(60)

    close, inside = AsyncConnection.close, asyncio.Event()
    monkeypatch.setattr(AsyncConnection, "close", away)
    task = asyncio.get_running_loop().create_task(work())
    await inside.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_waits_for_a_connection_is_not_passed_by(tmp_path: Path) -> None:
    """Those who come straight back for another read do so behind whoever waits."""
    database, reads = Database.open(f"sqlite:///{tmp_path / 'x.db'}"), 0

    async def read_on() -> None:
        nonlocal reads
        while True:
            async with database.reading() as connection:
                await connection.execute(sa.select(1))
            reads += 1

    running = [asyncio.get_running_loop().create_task(read_on()) for _ in range(4)]
    async with asyncio.timeout(5):
        await asyncio.sleep(0.05)
        before = reads
        async with database.reading():
            passed_by = reads - before
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    await database.close()

    assert passed_by <= 8


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before, a task never begins at once")
async def test_connection_that_is_there_is_had_and_given_back_at_once(tmp_path: Path) -> None:
    """No turn of the loop passes: beside live calls, each takes as long as all that they have to do in it."""
    database, turns = Database.open(f"sqlite:///{tmp_path / 'x.db'}"), list[None]()
    async with database.reading():
        pass
    asyncio.get_running_loop().call_soon(turns.append, None)
    async with database.reading():
        pass
    at_once = not turns
    await database.close()

    assert at_once


async def test_whoever_fills_the_outbox_tells_the_same(database: Database) -> None:
    """By the connections of live calls or the others: all who want to know are told."""
    told: list[str] = []
    database.when_outbox_fills(lambda: told.append("one"))
    database.for_calls.when_outbox_fills(lambda: told.append("two"))
    database.outbox_filled()
    database.for_calls.outbox_filled()

    assert told == ["one", "two"] * 2
