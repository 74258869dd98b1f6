"""SQLite under asyncio, one step to its thread and back for each statement.

aiosqlite takes such a step for the cursor, the statement, its rows and the cursor's end, and SQLAlchemy adds
the transaction's beginning and end, needed or not. Beside live calls every step waits for the interpreter's
lock twice: a read of the API took 25 of them. Here a statement comes back with its rows, and a transaction
begins with its first statement.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import aiosqlite

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
_ROWS_AT_A_TIME = 64

_Parameters = Iterable[Any]


class _Outcome(NamedTuple):
    """What a statement gave, as a cursor of DB-API 2.0 (PEP 249) tells it."""

    description: Any = None
    rows: list[Any] = []  # noqa: RUF012  # never changed
    rowcount: int = -1
    lastrowid: int | None = None


class Connection(aiosqlite.Connection):
    """A connection, and the thread it lives in; see :func:`connect`."""

    def __init__(self, connector: Any) -> None:
        super().__init__(connector, _ROWS_AT_A_TIME)
        self._beginning: str | None = None
        self._begun = False
        self._stopping: asyncio.Future[Any] | None = None

    def begin(self, statement: str) -> None:
        """Have the next statement begin a transaction first."""
        self._beginning = statement

    def cursor(self) -> "Cursor":  # type: ignore[override]  # SQLAlchemy enters it, and awaits what it does
        """Return a cursor; none is made in SQLite before a statement is."""
        return Cursor(self)

    async def run(self, statement: str, parameters: _Parameters, *, many: bool = False) -> _Outcome:
        """Run a statement; return all that it gave.

        Raises:
            sqlite3.Error: whatever SQLite says.
        """
        beginning, self._beginning = self._beginning, None
        self._begun = self._begun or beginning is not None
        step = cast(Callable[..., Awaitable[_Outcome]], self._execute)
        return await step(self._run, beginning, statement, parameters, many)

    def _run(self, beginning: str | None, statement: str, parameters: Any, many: bool) -> _Outcome:
        if beginning is not None:
            self._conn.execute(beginning)
        cursor = self._conn.cursor()
        try:
            (cursor.executemany if many else cursor.execute)(statement, parameters)
            rows = cursor.fetchall() if cursor.description else []
            return _Outcome(cursor.description, rows, cursor.rowcount, cursor.lastrowid)
        finally:
            cursor.close()

    def stop(self) -> asyncio.Future[Any] | None:
        """Let the thread end; it does so by itself when the file could not be opened."""
        self._stopping = super().stop()
        return self._stopping

    async def stopped(self) -> None:
        """Wait for the thread that was let end; it would tell a loop that is closed by then."""
        if self._stopping is not None:
            await self._stopping

    async def commit(self) -> None:
        """Commit what was begun."""
        self._beginning = None
        if self._begun:
            await super().commit()
            self._begun = False

    async def rollback(self) -> None:
        """Undo what was begun and not committed."""
        self._beginning = None
        if self._begun:
            await super().rollback()
            self._begun = False


class Cursor:
    """One statement after the other and what it gave, as SQLAlchemy uses it. Lives as long as its result."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._outcome = _Outcome()
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: _Parameters = ()) -> None:
        """Run a statement, and fetch every row."""
        self._outcome = await self._connection.run(statement, parameters)

    async def executemany(self, statement: str, parameters: Iterable[_Parameters]) -> None:
        """Run a statement with each of many sets of parameters."""
        self._outcome = await self._connection.run(statement, parameters, many=True)

    async def fetchall(self) -> list[Any]:
        """Return the rows, which are here already."""
        return self._outcome.rows

    @property
    def description(self) -> Any:
        """The columns; None when the statement gives no rows."""
        return self._outcome.description

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""
        return self._outcome.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The number of the row that was inserted last."""
        return self._outcome.lastrowid

    async def close(self) -> None:
        """Do nothing: SQLite's own cursor is closed."""


async def connect(path: Path, timeout_s: float) -> Connection:
    """Open a SQLite file, its owner's alone if it is new.

    Args:
        timeout_s: how long a statement waits for another process's lock.

    Raises:
        sqlite3.Error, OSError: the file cannot be opened.
    """
    connection = Connection(partial(_open, path, timeout_s))
    connection._thread.daemon = True  # as SQLAlchemy has it: a process ends though one was not closed
    try:
        await connection
    finally:
        await connection.stopped()  # at once when it is open
    return connection


def _open(path: Path, timeout_s: float) -> sqlite3.Connection:
    # Transcripts and secrets are in it; SQLite gives its side files the same rights.
    path.touch(mode=0o600)
    # Transactions begin where we say, not where the driver guesses.
    connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None)
    with ExitStack() as failing:
        failing.callback(connection.close)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        failing.pop_all()
    return connection
