"""One database, SQLite or PostgreSQL: connections, transactions, and every driver error mapped once.

SQLite has one writer at a time: writes take their turn here, each ``BEGIN IMMEDIATE``, while readers see
the last commit (WAL). ``synchronous=FULL``: what was acknowledged survives power loss as well.
"""

import asyncio
import errno
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.eagerly import eagerly
from gateway.errors import StorageError
from gateway.storage import sqlite
from gateway.storage.columns import dump_json, load_json

T = TypeVar("T")

STATEMENT_TIMEOUT_S = 2.0
"""How long one statement may take; also how long SQLite waits for another process's lock."""
POOL_TIMEOUT_S = 1.0
_CONNECT_TIMEOUT_S = 3.0
_POOL_SIZE = 10
_CALLS_POOL_SIZE = 8
_READERS = 4
_CALLS_READERS = 2
_TURN_WAIT_S = 5.0

_SQLITE_REASONS = {
    "SQLITE_BUSY": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_FULL": "full",
    "SQLITE_READONLY": "read_only",
    "SQLITE_CANTOPEN": "unavailable",
    "SQLITE_IOERR": "unavailable",
    "SQLITE_CONSTRAINT": "conflict",
}
_SQLSTATE_REASONS = {
    "57014": "busy",
    "55P03": "busy",
    "40001": "busy",
    "40P01": "busy",
    "53300": "busy",
    "53100": "full",
    "25006": "read_only",
    "57P01": "unavailable",
    "57P02": "unavailable",
    "57P03": "unavailable",
}
_SQLSTATE_CLASSES = {"08": "unavailable", "23": "conflict"}


class Database:
    """Connections to one database; lives as long as the process. Made by :meth:`open`.

    Attributes:
        for_calls: the same database over connections that only live calls use: however many requests and
            watchers hold all others, a call is booked and written down at once.
    """

    def __init__(
        self,
        writer: AsyncEngine,
        reader: AsyncEngine,
        *,
        turn: asyncio.Lock | None = None,
        places: asyncio.Semaphore | None = None,
        for_calls: "Database | None" = None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._turn = turn
        self._places = places
        self.for_calls = self if for_calls is None else for_calls
        self._on_outbox: list[Callable[[], None]] = [] if for_calls is None else for_calls._on_outbox

    @classmethod
    def open(cls, url: str, *, patient: bool = False) -> "Database":
        """Prepare connections; none is made before it is needed.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.
            patient: without limits on how long a statement takes: for migrations.

        Raises:
            StorageError: ``bad_url``; the message never holds the URL.
        """
        parsed = _parse(url)
        if parsed.drivername.startswith("sqlite"):
            writer, turn = _sqlite(parsed, 1, write=True), asyncio.Lock()
            places, calls_places = (asyncio.Semaphore(size) for size in (_READERS, _CALLS_READERS))
            calls = cls(writer, _sqlite(parsed, _CALLS_READERS), turn=turn, places=calls_places)
            return cls(writer, _sqlite(parsed, _READERS), turn=turn, places=places, for_calls=calls)
        engine, calls_engine = (
            _postgresql(parsed, size, patient=patient) for size in (_POOL_SIZE, _CALLS_POOL_SIZE)
        )
        return cls(engine, engine, for_calls=cls(calls_engine, calls_engine))

    @property
    def kind(self) -> Literal["sqlite", "postgresql"]:
        """Which engine it is."""
        return "postgresql" if self._turn is None else "sqlite"

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Read: each statement sees what was committed before it.

        Nothing but database work belongs into the block.

        Raises:
            StorageError: whatever the driver says, in our words.
        """
        with _mapped() as leaving:
            async with _in_turn(self._places), _connected(self._reader) as connection:
                with leaving:
                    yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Write in one transaction: all of it when the block ends well, else nothing.

        Nothing but database work belongs into the block: on SQLite all other writers wait for it, and a
        TimeoutError or OSError raised in it is taken for the database's.

        Raises:
            StorageError: likewise.
        """
        with _mapped() as leaving:
            async with _in_turn(self._turn), _connected(self._writer) as connection, connection.begin():
                with leaving:
                    yield connection

    async def clock(self, connection: AsyncConnection) -> datetime:
        """Return the time by which leases live: the server's, the same for all nodes."""
        if self.kind == "sqlite":
            return datetime.now(UTC)
        return cast(datetime, (await connection.execute(sa.select(sa.func.clock_timestamp()))).scalar_one())

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """Return an insert that knows ``on_conflict_do_nothing`` and its like."""
        if self.kind == "sqlite":
            # The two dialects' inserts are alike in all that is used here, but share no class.
            return cast(postgresql.Insert, sqlite_insert(table))
        return postgresql.insert(table)

    def when_outbox_fills(self, tell: Callable[[], None]) -> None:
        """Have somebody told whenever something in the outbox is due; they return at once and never raise."""
        self._on_outbox.append(tell)

    def outbox_filled(self) -> None:
        """Say that something in the outbox is due, and committed."""
        for tell in self._on_outbox:
            tell()

    async def close(self) -> None:
        """Close every connection."""
        calls = self.for_calls
        for engine in {self._writer, self._reader, calls._writer, calls._reader}:
            await engine.dispose()


@asynccontextmanager
async def _in_turn(turns: asyncio.Lock | asyncio.Semaphore | None) -> AsyncIterator[None]:
    """Wait for one's turn at SQLite's connections: the pool would serve first who comes straight back."""
    if turns is None:
        yield
        return
    async with asyncio.timeout(_TURN_WAIT_S):
        await turns.acquire()
    try:
        yield
    finally:
        turns.release()


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold a connection, which is made and given back whole even when whoever asks for it is cancelled.

    Cancelled half-way, a driver would leave a connection open that nobody knows of.
    """
    making, cancelled = await _to_its_end(_connect(engine))
    if cancelled is not None:
        if making.exception() is None:
            await _to_its_end(making.result().close())
        raise cancelled
    connection = making.result()
    try:
        yield connection
    finally:
        closing, cancelled = await _to_its_end(connection.close())
        if cancelled is not None:
            raise cancelled
        closing.result()


async def _to_its_end(
    work: Coroutine[Any, Any, T],
) -> tuple[asyncio.Task[T], asyncio.CancelledError | None]:
    """Do what may not be left half done; return it, done, and the cancellation that came meanwhile.

    What is done without waiting, as most is, takes no turn of the loop.
    """
    task = eagerly(work)
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    return task, cancelled


async def _connect(engine: AsyncEngine) -> AsyncConnection:
    return await engine.connect()


def _parse(url: str) -> URL:
    scheme = urlsplit(url).scheme
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise StorageError("the database's URL cannot be read", reason="bad_url") from None
    if scheme == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+aiosqlite")
    if scheme in {"postgres", "postgresql"} and parsed.database:
        return parsed.set(drivername="postgresql+asyncpg")
    raise StorageError(
        "the database's URL must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME", reason="bad_url"
    )


def _sqlite(url: URL, size: int, *, write: bool = False) -> AsyncEngine:
    engine = create_async_engine(
        url,
        async_creator=lambda: sqlite.connect(Path(url.database or ""), STATEMENT_TIMEOUT_S),
        json_serializer=dump_json,
        json_deserializer=load_json,
        hide_parameters=True,
        pool_size=size,
        max_overflow=0,
        pool_timeout=_TURN_WAIT_S,
    )

    if write:
        # Whoever only reads needs no transaction: each statement sees what was committed before it,
        # as with PostgreSQL.
        @sa.event.listens_for(engine.sync_engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            driver = cast(sqlite.Connection, connection.connection.driver_connection)
            driver.begin("BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, size: int, *, patient: bool) -> AsyncEngine:
    query = dict(url.query)
    ssl_mode = query.pop("sslmode", None)
    arguments: dict[str, Any] = {"timeout": _CONNECT_TIMEOUT_S}
    if ssl_mode is not None:
        arguments["ssl"] = ssl_mode
    if not patient:
        arguments["command_timeout"] = STATEMENT_TIMEOUT_S + 1
        arguments["server_settings"] = {"statement_timeout": str(int(1000 * STATEMENT_TIMEOUT_S))}
    return create_async_engine(
        url.set(query=query),
        json_serializer=dump_json,
        json_deserializer=load_json,
        hide_parameters=True,
        pool_size=size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,  # a restart of the server costs a round trip, not a failed request
        connect_args=arguments,
    )


class _Leaving:
    """Notes that a block was cancelled. Entered innermost; lives as long as its transaction."""

    def __init__(self) -> None:
        self.cancelled: asyncio.CancelledError | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.cancelled = error


@contextmanager
def _mapped() -> Iterator[_Leaving]:
    """Turn what the drivers raise into StorageError; their own texts quote values, ours never do.

    Whoever is cancelled stays cancelled: a database that cannot even roll back then would else be taken for
    one to be asked again, by somebody who was to stop.
    """
    leaving = _Leaving()
    try:
        with _translated():
            yield leaving
    except StorageError:
        if leaving.cancelled is not None:
            raise leaving.cancelled from None
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.TimeoutError:
        raise StorageError("all connections to the database are in use", reason="busy") from None
    except sa.exc.DBAPIError as error:
        raise _refusal(error) from None
    except TimeoutError:
        raise StorageError("the database does not answer in time", reason="busy") from None
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise StorageError(f"the database cannot be reached ({name})", reason="unavailable") from None


def _refusal(error: sa.exc.DBAPIError) -> StorageError:
    original = error.orig
    state = str(getattr(original, "sqlstate", None) or "")
    name = getattr(original, "sqlite_errorname", "")
    if isinstance(error, sa.exc.IntegrityError):
        reason = "conflict"
    elif state:
        reason = _SQLSTATE_REASONS.get(state) or _SQLSTATE_CLASSES.get(state[:2], "failed")
    elif isinstance(original, sqlite3.Error):
        # Extended names (SQLITE_IOERR_WRITE) begin with the plain one.
        reason = next((slug for plain, slug in _SQLITE_REASONS.items() if name.startswith(plain)), "failed")
    else:
        reason = "unavailable" if error.connection_invalidated else "failed"
    return StorageError(f"the database refused ({state or name or type(original).__name__})", reason=reason)
