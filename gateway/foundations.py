"""What a gateway stands on, opened in order and closed in reverse: database, cluster, recordings, workers."""

import asyncio
import base64
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.api.first_start import FirstStart, first_start
from gateway.cluster.inprocess import InProcessCluster
from gateway.cluster.interface import Cluster
from gateway.cluster.valkey import ValkeyCluster
from gateway.ledger.steady import Work, steadily
from gateway.recording.encryption import KeyRing
from gateway.recording.objects import open_store
from gateway.recording.recordings import Recordings
from gateway.settings import Settings, environment
from gateway.settings.control import RecordingSettings
from gateway.settings.formats import items
from gateway.storage.database import Database
from gateway.storage.migrations import prepare


@dataclass(frozen=True, slots=True)
class Foundations:
    """Lives as long as :func:`foundations` holds it.

    Attributes:
        database: with the schema of this version.
        first: what is to be shown to the operator, when this was the first start.
    """

    database: Database
    cluster: Cluster
    recordings: Recordings
    first: FirstStart | None = field(repr=False)


@asynccontextmanager
async def foundations(settings: Settings, now: Callable[[], float]) -> AsyncIterator[Foundations]:
    """Open what the gateway stands on.

    Args:
        now: the clock of the calls (seconds, monotonic).

    Raises:
        StorageError: the database cannot be used; with the command to give when its schema is old.
        ConfigError: a URL or a key that cannot be used.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every step, and so would each start
    cluster, recordings = _cluster(settings), _recordings(settings.recordings, now)
    database = Database.open(settings.database.effective_url)
    try:
        await prepare(database)
        first = await first_start(database, datetime.now(UTC))
        async with at_work(cluster.run, recordings.run):
            yield Foundations(database, cluster, recordings, first)
    finally:
        await database.close()


def _cluster(settings: Settings) -> Cluster:
    node = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    url = settings.cluster.url
    return InProcessCluster(node) if url is None else ValkeyCluster(node, url.get_secret_value())


def _recordings(settings: RecordingSettings, now: Callable[[], float]) -> Recordings:
    store = open_store(settings.effective_url, environment=environment())
    return Recordings(Path(settings.effective_folder), store, keys=_keys(settings), now=now)


def _keys(settings: RecordingSettings) -> KeyRing | None:
    if settings.keys is None:
        return None
    pairs = [item.partition(":") for item in items(settings.keys.get_secret_value())]
    return KeyRing(pairs[0][0], {name: base64.b64decode(key) for name, _, key in pairs})


@asynccontextmanager
async def at_work(*works: Work) -> AsyncIterator[None]:
    """Have works done while the context is held: each goes on until it is cancelled.

    One that breaks is a bug of ours: it is logged and started again, and costs no call.
    """
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(steadily(work)) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
