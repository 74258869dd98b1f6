"""Recordings that have been kept for long enough."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
import structlog

from gateway.api.retention import Retention
from gateway.errors import RecordingError
from gateway.storage.reports import Recordings
from gateway.storage.rows import Call, Recording
from tests.tenants import NOW, Tenant, after


class Audio:
    """Has the audio of calls. Lives as long as a test."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.erased: list[str] = []

    async def erase(self, recording_id: str) -> None:
        """Erase one, unless the store is away."""
        if self.away:
            raise RecordingError("away", reason="unavailable")
        self.erased.append(recording_id)


async def recorded(tenant: Tenant, expires_at: datetime | None) -> Call:
    """Return a finished call with a recording."""
    call = await tenant.finished()
    values: dict[str, Any] = dict.fromkeys(Recording.__dataclass_fields__)
    row = {"call_id": call.id, "organization_id": tenant.id, "state": "ready", "created_at": NOW}
    sizes = {"size_bytes": 44, "duration_ms": 0, "expires_at": expires_at}
    await Recordings(tenant.database).begin(Recording(**(values | row | sizes)))
    return call


async def test_what_has_expired_is_removed(acme: Tenant) -> None:
    """Audio and row of a recording go when its time has come; those that may stay are left."""
    old, young, kept = [await recorded(acme, when) for when in (after(10), after(11), None)]
    audio = Audio()
    removed = await Retention(acme.database, audio, lambda: after(10)).sweep()
    rows = [await Recordings(acme.database).find(acme.id, call.id) for call in (old, young, kept)]

    assert removed == 1
    assert audio.erased == [old.id]
    assert [row is not None for row in rows] == [False, True, True]


async def test_audio_that_cannot_be_removed_is_not_forgotten(acme: Tenant) -> None:
    """While the store is away the row stays, so that the audio is removed later."""
    call, audio = await recorded(acme, after(1)), Audio(away=True)
    retention = Retention(acme.database, audio, lambda: after(10))
    with pytest.raises(RecordingError):
        await retention.sweep()
    assert await Recordings(acme.database).find(acme.id, call.id) is not None
    with structlog.testing.capture_logs() as logs:
        working = asyncio.get_running_loop().create_task(retention.run(0.001))
        async with asyncio.timeout(5):
            while not logs:  # noqa: ASYNC110 - until it has tried
                await asyncio.sleep(0.001)
            audio.away = False
            while not audio.erased:  # noqa: ASYNC110 - until it has tried again
                await asyncio.sleep(0.001)
        working.cancel()
        await asyncio.wait({working})

    assert (logs[0]["event"], logs[0]["reason"]) == ("retention_waits", "unavailable")
    assert audio.erased == [call.id]
