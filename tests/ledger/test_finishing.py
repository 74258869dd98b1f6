"""Recordings whose calls are over: made and booked, now or when that is possible again."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.ledger import finishing, steady
from gateway.storage import reports
from gateway.storage.database import Database
from tests.ledger.bookkeeping import ENDED, Office, Outage, call_info, until
from tests.ledger.test_audio import database_url, finished, frames, recording, ring, row, studio, talk
from tests.tenants import Tenant, an_id

__all__ = ["database_url"]


def finishing_of(office: Office) -> finishing.Finishing:
    """Return what finishes the recordings of an office."""
    assert office.ledger._audio is not None
    return office.ledger._audio.finishing


async def test_wav_that_has_no_room_waits_and_is_made_when_there_is_some(
    database: Database, acme: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the end of a call: its recording is not called empty, and needs no restart."""
    monkeypatch.setattr(finishing, "_AGAIN_S", (0.01, 0.02))
    tries = 0

    def usage(folder: object) -> SimpleNamespace:
        nonlocal tries
        tries += 1
        return SimpleNamespace(free=0)

    async with recording(database, tmp_path) as office:
        with monkeypatch.context() as full:
            full.setattr(shutil, "disk_usage", usage)
            call = await ring(office, acme)
            await talk(office.ledger.stream_began(call))
            office.happens(call, ENDED)
            waiting = await finished(database, call, "waiting")
            await until(lambda: tries > 3)
            assert await row(database, call) == waiting
        found = await finished(database, call)
        assert finishing_of(office)._put_off == set()

    assert (waiting.location, waiting.finished_at) == (None, None)
    assert frames(tmp_path, found) >= 3_200
    assert found.truncated is None


async def test_recording_that_waits_is_declared_empty_by_no_other_node(
    database: Database, acme: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies on the disk of the node that had the call, which nobody else can see."""
    monkeypatch.setattr(finishing, "_UNFINISHED_FOR_S", -86_400.0)
    call = await acme.finished()
    rows = reports.Recordings(database)
    await rows.begin(finishing.new_row(call.id, acme.id, call.created_at))
    await rows.update(call.id, state="waiting")
    async with recording(database, tmp_path) as office:
        books = finishing_of(office)
        await books.recover()
        waiting = await rows.find(acme.id, call.id)
        await rows.update(call.id, state="recording")
        await books.recover()
        nobodys = await rows.find(acme.id, call.id)

    assert waiting is not None
    assert nobodys is not None
    assert (waiting.state, nobodys.state) == ("waiting", "empty")


async def test_database_that_is_away_delays_the_row(
    database: Database, acme: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording that is finished during an outage is booked when the database is back."""
    monkeypatch.setattr(steady, "_ASK_AGAIN_S", 0.02)
    outage = Outage(database)
    async with recording(outage, tmp_path) as office:
        call = await ring(office, acme)
        outage.away = True
        await talk(office.ledger.stream_began(call))
        office.happens(call, ENDED)
        await asyncio.sleep(0.1)
        outage.away = False
        found = await finished(database, call)

        assert found.duration_ms >= 400


async def test_what_a_crash_left_is_finished_and_booked(
    database: Database, acme: Tenant, tmp_path: Path
) -> None:
    """Segments without an owner become a WAV; its row is filled, or made where the crash came first."""
    calls = [call_info(acme.id, call_id=(await acme.ring()).id, record=True) for _ in range(2)]
    await reports.Recordings(database).begin(
        finishing.new_row(calls[0].call_id, acme.id, (await acme.ring()).created_at)
    )
    for call in calls:
        _leave_segment(tmp_path, call.call_id)
    _leave_segment(tmp_path, an_id())  # of no call that is known
    async with recording(database, tmp_path) as office:
        books = finishing_of(office)
        await books.recover()

        for call in calls:
            found = await finished(database, call)
            assert frames(tmp_path, found) == 8_000


def _leave_segment(folder: Path, recording_id: str) -> None:
    live = folder / "live" / recording_id
    live.mkdir(parents=True)
    (live / "1700000000000.ulaw").write_bytes(b"\x11\xff" * 8_000)


async def test_recordings_are_kept_for_so_long(database: Database, acme: Tenant, tmp_path: Path) -> None:
    """The row says until when."""
    recordings = studio(tmp_path)
    async with recording(database, tmp_path, recordings) as office:
        books = finishing_of(office)
        books._keep = timedelta(days=30)
        call = await ring(office, acme)
        await talk(office.ledger.stream_began(call))
        office.happens(call, ENDED)
        found = await finished(database, call)

        assert found.finished_at is not None
        assert found.expires_at == found.finished_at + timedelta(days=30)
