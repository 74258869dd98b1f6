"""SQLite under asyncio: what a cursor tells, how transactions begin and end, and how few steps it takes."""

import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
import sqlalchemy as sa

from gateway.storage.database import Database
from gateway.storage.sqlite import Connection, connect

TABLE = "CREATE TABLE pairs (id INTEGER PRIMARY KEY, word TEXT)"
CHILD = "CREATE TABLE child (of INTEGER REFERENCES pairs (id) DEFERRABLE INITIALLY DEFERRED)"


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    """A connection to a fresh file with a table."""
    opened = await connect(tmp_path / "x.db", 1.0)
    await opened.run(TABLE, ())
    yield opened
    await opened.close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the threads of all connections, as it comes."""
    taken: list[str] = []
    step = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, work: Any, *more: Any, **named: Any) -> Any:
        taken.append(work.__name__)
        return await step(self, work, *more, **named)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return taken


async def words(connection: Connection) -> list[str]:
    """Return what is in the table."""
    cursor = connection.cursor()
    await cursor.execute("SELECT word FROM pairs ORDER BY id")
    return [word for (word,) in await cursor.fetchall()]


async def test_cursor_tells_what_a_statement_gave(connection: Connection) -> None:
    """Columns, rows, and how many were changed, as DB-API 2.0 has them; nothing before the first."""
    cursor = await connection.cursor().__aenter__()
    assert (cursor.description, cursor.rowcount, cursor.lastrowid) == (None, -1, None)
    await cursor.execute("INSERT INTO pairs (word) VALUES (?)", ["one"])
    assert (cursor.description, cursor.rowcount, cursor.lastrowid) == (None, 1, 1)
    await cursor.executemany("INSERT INTO pairs (word) VALUES (?)", [["two"], ["three"]])
    assert cursor.rowcount == 2
    await cursor.execute("SELECT id, word FROM pairs WHERE id > ?", [1])
    assert [name for name, *_ in cursor.description] == ["id", "word"]
    assert await cursor.fetchall() == [(2, "two"), (3, "three")]


async def test_transaction_begins_with_its_first_statement(connection: Connection, steps: list[str]) -> None:
    """Without one there is nothing to begin and nothing to end; with one, it is undone or kept whole."""
    connection.begin("BEGIN IMMEDIATE")
    await connection.commit()
    connection.begin("BEGIN IMMEDIATE")
    await connection.rollback()
    assert steps == []

    connection.begin("BEGIN IMMEDIATE")
    await connection.run("INSERT INTO pairs (word) VALUES ('undone')", ())
    await connection.rollback()
    connection.begin("BEGIN IMMEDIATE")
    await connection.run("INSERT INTO pairs (word) VALUES ('kept')", ())
    await connection.commit()
    await connection.rollback()

    assert steps == ["_run", "rollback", "_run", "commit"]
    assert await words(connection) == ["kept"]


async def test_statement_that_fails_can_be_undone(connection: Connection) -> None:
    """What was written before it goes with it, and the connection serves on."""
    connection.begin("BEGIN IMMEDIATE")
    await connection.run("INSERT INTO pairs VALUES (1, 'first')", ())
    with pytest.raises(sqlite3.IntegrityError):
        await connection.run("INSERT INTO pairs VALUES (1, 'again')", ())
    await connection.rollback()

    assert await words(connection) == []


async def test_commit_that_fails_is_no_commit(connection: Connection) -> None:
    """The transaction is still open, to be undone."""
    await connection.run(CHILD, ())
    connection.begin("BEGIN IMMEDIATE")
    await connection.run("INSERT INTO child VALUES (7)", ())
    with pytest.raises(sqlite3.IntegrityError):
        await connection.commit()
    await connection.rollback()

    assert (await connection.run("SELECT count(*) FROM child", ())).rows == [(0,)]


async def test_file_that_cannot_be_opened_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread has said all it had to say: later, the loop that it would tell may be closed."""
    stop, said = Connection.stop, list[asyncio.Future[Any] | None]()

    def noted(self: Connection) -> asyncio.Future[Any] | None:
        said.append(stop(self))
        return said[-1]

    monkeypatch.setattr(Connection, "stop", noted)
    with pytest.raises(OSError, match="absent"):
        await connect(tmp_path / "absent" / "x.db", 1.0)

    assert [one is not None and one.done() for one in said] == [True]


async def test_file_that_is_no_database_is_closed_again(tmp_path: Path) -> None:
    """It is said what is wrong, and nothing of it stays open: that would warn."""
    (tmp_path / "x.db").write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await connect(tmp_path / "x.db", 1.0)
    gc.collect()


async def test_read_is_one_step_and_a_write_two(tmp_path: Path, steps: list[str]) -> None:
    """However SQLAlchemy goes about it: beside live calls, each step waits for the interpreter twice."""
    database = Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    for _ in range(2):  # the first ones open the connections
        steps.clear()
        async with database.reading() as reading:
            await reading.execute(sa.select(1))
        async with database.writing() as writing:
            await writing.execute(sa.select(1))
    await database.close()

    assert steps[:3] == ["_run", "_run", "commit"]
