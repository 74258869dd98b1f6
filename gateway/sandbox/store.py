"""What a sandbox knows, in SQLite: JSON documents by kind, each the property of one organization.

One thread owns the connection and does one job after the other, in the order asked for, each as one
transaction: a rule that is checked and the change that it allows cannot be torn apart, and whoever reads
finds what was written before. A transaction that is committed survives the death of the process (write-ahead
log); only a crash of the whole machine can lose the last ones.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import ConfigError
from gateway.sandbox.documents import Document, Kind

T = TypeVar("T")

_LAYOUT = 1
_SCHEMA = """
CREATE TABLE document (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, organization_id TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX property ON document (kind, organization_id);
CREATE TABLE recording (id TEXT PRIMARY KEY, wav BLOB NOT NULL, position INTEGER NOT NULL);
"""
_RECORDINGS_BYTES = 512 * 1024 * 1024
"""Recordings kept; the oldest make room."""


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on the documents of a kind: SQL over ``body``, with its values."""

    sql: str
    values: tuple[Any, ...]


class Tables:
    """The documents, inside one job. Lives as long as the connection; the store's thread alone touches it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def put(self, kind: Kind, document: Document, organization_id: str) -> None:
        """Keep a document, in place of one of the same id."""
        self.put_text(kind, document["id"], json.dumps(document), organization_id)

    def put_text(self, kind: Kind, document_id: str, body: str, organization_id: str) -> None:
        """Keep a document that is JSON already."""
        self._connection.execute(
            "INSERT INTO document (kind, id, organization_id, body) VALUES (?, ?, ?, ?) ON CONFLICT "
            "(kind, id) DO UPDATE SET organization_id = excluded.organization_id, body = excluded.body",
            (kind, document_id, organization_id, body),
        )

    def get(self, kind: Kind, document_id: str, organization_id: str | None = None) -> Document | None:
        """Return a document; with an organization, only if it is its own."""
        for owner, body in self._connection.execute(
            "SELECT organization_id, body FROM document WHERE kind = ? AND id = ?", (kind, document_id)
        ):
            if organization_id in (None, owner):
                return _document(body)
        return None

    def owner(self, kind: Kind, document_id: str) -> str | None:
        """Return the organization that a document belongs to."""
        found = self._connection.execute(
            "SELECT organization_id FROM document WHERE kind = ? AND id = ?", (kind, document_id)
        ).fetchone()
        return None if found is None else str(found[0])

    def of(self, kind: Kind, organization_id: str | None = None) -> list[Document]:
        """Return an organization's documents of a kind, or everybody's; the oldest first."""
        rows = self._connection.execute(
            "SELECT body FROM document WHERE kind = ? AND ? IN (organization_id, '') ORDER BY position",
            (kind, organization_id or ""),
        )
        return [_document(body) for (body,) in rows]

    def page(
        self, kind: Kind, organization_id: str, conditions: list[Where], offset: int, limit: int
    ) -> tuple[list[Document], int]:
        """Return some of an organization's documents, the newest first, and how many there are in all."""
        where = " AND ".join(
            ["kind = ? AND organization_id = ?", *(condition.sql for condition in conditions)]
        )
        values = (kind, organization_id, *(value for condition in conditions for value in condition.values))
        (total,) = self._connection.execute(f"SELECT count(*) FROM document WHERE {where}", values).fetchone()
        rows = self._connection.execute(
            f"SELECT body FROM document WHERE {where} "
            "ORDER BY json_extract(body, '$.created_at') DESC, position DESC LIMIT ? OFFSET ?",
            (*values, limit, min(offset, total)),
        )
        return [_document(body) for (body,) in rows], int(total)

    def delete(self, kind: Kind, document_id: str) -> None:
        """Drop a document, if it is there."""
        self._connection.execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind, document_id))

    def put_recording(self, call_id: str, wav: bytes) -> None:
        """Keep a recording; the oldest go when there is too much of them."""
        self._connection.execute(
            "INSERT OR REPLACE INTO recording SELECT ?, ?, coalesce(max(position), 0) + 1 FROM recording",
            (call_id, wav),
        )
        self._connection.execute(
            "DELETE FROM recording WHERE id IN (SELECT id FROM (SELECT id, sum(length(wav)) OVER "
            "(ORDER BY position DESC) AS kept FROM recording) WHERE kept > ?)",
            (_RECORDINGS_BYTES,),
        )

    def recording_bytes(self, call_id: str) -> int | None:
        """Return the size of a recording, or None when there is none."""
        found = self._connection.execute(
            "SELECT length(wav) FROM recording WHERE id = ?", (call_id,)
        ).fetchone()
        return None if found is None else int(found[0])

    def recording(self, call_id: str, start: int, size: int) -> bytes:
        """Return a part of a recording."""
        query = "SELECT substr(wav, ?, ?) FROM recording WHERE id = ?"
        found = self._connection.execute(query, (start + 1, size, call_id)).fetchone()
        return b"" if found is None else bytes(found[0])


def _document(body: str) -> Document:
    document: Document = json.loads(body)
    return document


class Store:
    """The database and its thread. Lives from :meth:`open` to :meth:`close`.

    Args:
        path: the file; None keeps everything in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._failure: BaseException | None = None

    async def open(self, *, reset: bool = False) -> None:
        """Open the database, and make its tables when it is new.

        Args:
            reset: forget all that it held.

        Raises:
            ConfigError: the file cannot be opened, or is no database of a sandbox.
        """
        self._thread = ThreadPoolExecutor(1, "sandbox-store")
        try:
            self._connection = await asyncio.wrap_future(self._thread.submit(_open, self._path, reset))
        except (sqlite3.Error, OSError) as error:
            self._thread.shutdown()
            fault = f"--database {self._path}: {error}; give another file, or start with --reset"
            raise ConfigError(fault, reason="bad_database") from None

    async def run(self, job: Callable[[Tables], T]) -> T:
        """Do a job as one transaction; what it raises takes all of it back."""
        return await asyncio.wrap_future(self.submit(job))

    def submit(self, job: Callable[[Tables], T]) -> "Future[T]":
        """Do a job as :meth:`run` does, after all that was asked for before, without waiting for it."""
        if self._thread is None or self._connection is None:
            raise RuntimeError("the store is not open")
        return self._thread.submit(_transaction, self._connection, job)

    def note(self, job: Callable[[Tables], object]) -> None:
        """Do a job nobody waits for; that it failed is told when the store is closed.

        After that nothing is done: a session that outlives its sandbox leaves no more traces.
        """
        if self.is_open:
            self.submit(job).add_done_callback(self._look_at)

    def _look_at(self, done: "Future[object]") -> None:
        self._failure = self._failure or done.exception()

    @property
    def is_open(self) -> bool:
        """True between :meth:`open` and :meth:`close`."""
        return self._connection is not None

    async def close(self) -> None:
        """Finish what was asked for and close.

        Raises:
            sqlite3.Error: something that nobody waited for could not be written.
        """
        connection, thread, failure = self._connection, self._thread, None
        self._connection = None
        if connection is not None and thread is not None:
            await asyncio.wrap_future(thread.submit(connection.close))
            thread.shutdown()
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def _transaction(connection: sqlite3.Connection, job: Callable[[Tables], T]) -> T:
    with connection:  # commits, or rolls back whatever leaves the block
        connection.execute("BEGIN IMMEDIATE")
        return job(Tables(connection))


def _open(path: Path | None, reset: bool) -> sqlite3.Connection:
    if path is not None:
        if reset:
            _remove(path)
        path.touch(mode=0o600)
    connection = sqlite3.connect(
        ":memory:" if path is None else path, isolation_level=None, check_same_thread=False, timeout=5.0
    )
    try:
        _prepare(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _remove(path: Path) -> None:
    """Remove a database, but nothing else that happens to have its name."""
    if path.exists() and path.read_bytes()[:15] not in (b"", b"SQLite format 3"):
        raise OSError("it is not an SQLite database, and stays as it is")
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if layout == _LAYOUT:
        return
    if tables:
        raise sqlite3.DatabaseError("it is not the database of a sandbox of this version")
    connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_LAYOUT}; COMMIT;")
