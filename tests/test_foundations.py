"""What a gateway stands on: opened by its settings, closed in order, its workers never silent."""

import asyncio
import base64
import os
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.cluster.inprocess import InProcessCluster
from gateway.cluster.valkey import ValkeyCluster
from gateway.errors import ConfigError, StorageError
from gateway.foundations import Foundations, at_work, foundations
from gateway.settings import Settings
from gateway.storage.organizations import Organizations
from tests.databases import PostgresServer

KEY = base64.b64encode(b"k" * 32).decode()


def settings(folder: Path, **sections: Any) -> Settings:
    """Return settings whose database and recordings are in a folder."""
    here = {
        "database": {"url": f"sqlite:///{folder / 'gateway.db'}"},
        "recordings": {"folder": str(folder / "recordings")},
    }
    return Settings.model_validate(here | sections)


async def opened(wanted: Settings) -> Foundations:
    """Open foundations and leave them."""
    async with foundations(wanted, lambda: 0.0) as ground:
        return ground


async def test_first_start_makes_an_organization_once(tmp_path: Path) -> None:
    """An empty place becomes a database with one organization, whose key is shown the first time only."""
    wanted = settings(tmp_path)
    first = (await opened(wanted)).first
    async with foundations(wanted, lambda: 0.0) as ground:
        known = await Organizations(ground.database).list_all()

    assert first is not None
    assert first.key.startswith("va_")
    assert first.key not in repr(first)
    assert ground.first is None
    assert [one.id for one in known] == [first.organization.id]


async def test_each_process_is_a_node_of_its_own(tmp_path: Path) -> None:
    """Two processes on one machine have two names."""
    names = {(await opened(settings(tmp_path))).cluster.node for _ in range(2)}

    assert len(names) == 2
    assert all(f"-{os.getpid()}-" in name for name in names)


async def test_cluster_is_this_process_unless_a_server_is_named(tmp_path: Path) -> None:
    """The setting decides whether there are other nodes; a server that is away keeps nobody from starting."""
    alone = await opened(settings(tmp_path))
    joined = await opened(settings(tmp_path, cluster={"url": "valkey://127.0.0.1:9"}))

    assert isinstance(alone.cluster, InProcessCluster)
    assert isinstance(joined.cluster, ValkeyCluster)


async def test_recordings_are_kept_where_the_settings_say(tmp_path: Path) -> None:
    """A call that was recorded is kept in the folder of the settings, sealed when there are keys."""
    keys = {"folder": str(tmp_path / "live"), "url": str(tmp_path / "kept"), "keys": f"k1:{KEY}"}
    async with foundations(settings(tmp_path, recordings=keys), lambda: 0.0) as ground:
        call_id = "3f0c2b1a-0000-4000-8000-00000000abcd"
        recorder = ground.recordings.begin(call_id, 1_000)
        recorder.caller(b"\x11" * 160, 0, 0.02)
        await ground.recordings.end(recorder, 0.02)
        finished = await ground.recordings.finish(call_id)

    assert finished is not None
    assert finished.key_id == "k1"
    assert [path.name[:36] for path in (tmp_path / "kept").rglob("*") if path.is_file()] == [call_id]


async def test_database_that_cannot_be_used(tmp_path: Path) -> None:
    """Without its database nothing is served."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="ENOTDIR"):
        await opened(settings(tmp_path, database={"url": f"sqlite:///{tmp_path}/file/gateway.db"}))


async def test_database_is_nobody_else_s_to_read(tmp_path: Path) -> None:
    """What callers said is in a file that is ours alone, as are those that SQLite puts beside it."""
    async with foundations(settings(tmp_path), lambda: 0.0):
        modes = {file.name: file.stat().st_mode & 0o777 for file in database_files(tmp_path)}

    assert modes == dict.fromkeys(["gateway.db", "gateway.db-shm", "gateway.db-wal"], 0o600)


def database_files(folder: Path) -> list[Path]:
    """Return the database's files, in order."""
    return sorted(folder.glob("gateway.db*"))


async def test_old_schema_is_told_with_the_command_to_give(postgres: PostgresServer, tmp_path: Path) -> None:
    """A PostgreSQL is migrated by whoever runs it, never by the way."""
    url = await postgres.create("template0")
    with pytest.raises(StorageError, match="run: vatel-gateway migrate") as refused:
        await opened(settings(tmp_path, database={"url": url}))

    assert refused.value.reason == "old_schema"


@pytest.mark.parametrize("section", [{"url": "s3://"}, {"url": "ftp://x"}])
async def test_store_that_is_none_is_refused_by_the_settings(tmp_path: Path, section: dict[str, str]) -> None:
    """What cannot be a store never gets as far as being opened."""
    with pytest.raises((ConfigError, ValueError)):
        settings(tmp_path, recordings=section)


async def test_works_end_with_their_context() -> None:
    """Works go on while the context is held, and are over when it is left, also when it breaks."""
    states: list[str] = []

    async def work() -> None:
        states.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            states.append("ended")

    async def body() -> None:
        async with at_work(work, work):
            while len(states) < 2:  # noqa: ASYNC110 - the works say so
                await asyncio.sleep(0)
            states.append("body")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()

    assert states == ["began", "began", "body", "ended", "ended"]


async def test_work_that_breaks_is_told_and_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in what goes on beside the calls costs no call: it is logged, and the work starts again."""
    monkeypatch.setattr("gateway.ledger.steady._START_AGAIN_S", 0.001)
    begun: list[int] = []
    again = asyncio.Event()

    async def fragile() -> None:
        begun.append(1)
        if len(begun) == 3:
            again.set()
            await asyncio.Event().wait()
        raise KeyError

    with structlog.testing.capture_logs() as logs:
        async with at_work(fragile), asyncio.timeout(5):
            await again.wait()

    assert len(begun) == 3
    assert [entry["event"] for entry in logs] == ["work_broke", "work_broke"]
    assert "fragile" in logs[0]["work"]
