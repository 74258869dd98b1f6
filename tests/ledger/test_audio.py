"""The recordings of calls and their rows: a call never suffers for its recording."""

import asyncio
import errno
import os
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.recording.recordings import Recordings
from gateway.recording.store import LocalStore
from gateway.recording.tape import Recorder
from gateway.records import CallEnded, CallInfo, StreamLost
from gateway.storage import reports
from gateway.storage.database import Database
from gateway.storage.rows import Recording
from tests.ledger.bookkeeping import ENDED, JOINED, Office, at_work, call_info, ending_of, said, until
from tests.tenants import HUNG_UP, LOST, Tenant


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A database on one engine: what is particular to the other is tested with the ledger."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path / 'test.db'}"


FRAME = b"\x11" * 160


def studio(folder: Path) -> Recordings:
    """Return recordings in a folder."""
    now = asyncio.get_running_loop().time
    return Recordings(folder, LocalStore(folder / "kept"), now=now)


@asynccontextmanager
async def recording(
    database: Database, folder: Path, recordings: Recordings | None = None
) -> AsyncIterator[Office]:
    """Keep books with recordings until the context is left."""
    made = recordings or studio(folder)
    writing = asyncio.get_running_loop().create_task(made.run())
    try:
        async with at_work(database, recordings=made) as office:
            yield office
    finally:
        writing.cancel()


async def ring(office: Office, acme: Tenant) -> CallInfo:
    """Let a call ring that is to be recorded."""
    return replace(await office.ring(acme), record=True)


async def talk(recorder: Recorder | None, frames: int = 20) -> None:
    """Let the caller say something, as fast as it can be said."""
    assert recorder is not None
    for place in range(frames):
        recorder.caller(FRAME, 20 * place, recorder.start_s + 0.02 * (place + 1))


async def row(database: Database, call: CallInfo) -> Recording | None:
    """Return the row of a call's recording."""
    return await reports.Recordings(database).find(call.organization_id, call.call_id)


async def finished(database: Database, call: CallInfo, state: str = "ready") -> Recording:
    """Wait until a recording is finished; return its row."""
    async with asyncio.timeout(10):
        while (found := await row(database, call)) is None or found.state != state:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


def frames(folder: Path, found: Recording) -> int:
    """Return how many frames a kept WAV has."""
    with wave.open(str(folder / "kept" / str(found.location))) as reader:
        assert (reader.getnchannels(), reader.getframerate()) == (2, 8_000)
        count: int = reader.getnframes()
        return count


async def test_recorded_call_leaves_a_wav_and_its_row(
    database: Database, acme: Tenant, tmp_path: Path
) -> None:
    """The row says so from the first stream on, and at the end where the audio is and how much of it."""
    async with recording(database, tmp_path) as office:
        call = await ring(office, acme)
        recorder = office.ledger.stream_began(call)
        await talk(recorder)
        office.happens(call, JOINED)
        assert (await finished(database, call, "recording")).location is None
        office.happens(call, ENDED)
        found = await finished(database, call)

        assert frames(tmp_path, found) >= 3_200
        assert found.duration_ms >= 400
        assert found.size_bytes > 4 * 3_200
        assert (found.truncated, found.expires_at) == (None, None)
        assert found.finished_at is not None


async def test_call_that_is_not_to_be_recorded_is_not(
    database: Database, acme: Tenant, tmp_path: Path
) -> None:
    """Without its agent's wish nothing is written anywhere."""
    async with recording(database, tmp_path) as office:
        call = await office.ring(acme)
        assert office.ledger.stream_began(call) is None
        office.happens(call, ENDED)
        await office.settled()

        assert await row(database, call) is None
        assert office.ledger._audio is not None
        assert office.ledger._audio._recordings.live == 0


async def test_second_stream_goes_on_with_the_recording(
    database: Database, acme: Tenant, tmp_path: Path
) -> None:
    """A stream that broke is a part of the same recording as the one that took its place."""
    async with recording(database, tmp_path) as office:
        call = await ring(office, acme)
        await talk(office.ledger.stream_began(call))
        office.happens(call, StreamLost(1.0, LOST, {}))
        await asyncio.sleep(0.05)
        await talk(office.ledger.stream_began(call))
        office.happens(call, ENDED)
        found = await finished(database, call)

        assert found.duration_ms >= 800


async def test_call_in_which_nothing_was_heard_says_so(
    database: Database, acme: Tenant, tmp_path: Path
) -> None:
    """A stream without audio has no WAV."""
    async with recording(database, tmp_path) as office:
        call = await ring(office, acme)
        recorder = office.ledger.stream_began(call)
        assert recorder is not None
        recorder.truncated = "disk_full"
        office.happens(call, ENDED)
        found = await finished(database, call, "empty")

        assert found.location is None


async def test_full_disk_costs_the_recording_its_rest_and_the_call_nothing(
    database: Database, acme: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded before stays, the row says why it ends, and the call has its events and its end."""
    async with recording(database, tmp_path) as office:
        call = await ring(office, acme)
        recorder = office.ledger.stream_began(call)
        await talk(recorder)
        await until(lambda: _recorded_bytes(tmp_path) > 2 * 1_600)
        write = os.write

        def full(fd: int, data: bytes) -> int:
            if os.readlink(f"/proc/self/fd/{fd}").endswith(".ulaw"):
                raise OSError(errno.ENOSPC, "no space left")
            return write(fd, data)

        monkeypatch.setattr(os, "write", full)
        assert recorder is not None
        recorder.caller(FRAME, 1_000, recorder.start_s + 1.02)
        office.happens(call, JOINED, said(0))
        await until(lambda: recorder.truncated)
        monkeypatch.undo()
        office.happens(call, said(1), ENDED)
        found = await finished(database, call)
        await office.settled()

        assert found.truncated == "disk_full"
        assert found.duration_ms >= 200
        assert len(await office.stored(call)) == 4
        assert ending_of(await office.row(call)) == HUNG_UP


def _recorded_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.ulaw"))


async def test_call_with_an_impossible_id_is_not_recorded_and_goes_on(
    database: Database, acme: Tenant, tmp_path: Path
) -> None:
    """An id that is no UUID names no file."""
    async with recording(database, tmp_path) as office:
        call = call_info(acme.id, call_id="../../etc", record=True)

        assert office.ledger.stream_began(call) is None


async def test_leaving_waits_for_the_last_recording(database: Database, acme: Tenant, tmp_path: Path) -> None:
    """A call that ended a moment before the gateway left has its WAV and its row."""
    async with recording(database, tmp_path) as office:
        call = await ring(office, acme)
        await talk(office.ledger.stream_began(call))
        office.happens(call, CallEnded(1.0, HUNG_UP, {}))
    found = await row(database, call)

    assert found is not None
    assert found.state == "ready"
