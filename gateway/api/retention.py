"""Recordings that have been kept for long enough are removed, audio first, so that no audio is forgotten."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.api.remote_control import ErasesRecordings
from gateway.errors import GatewayError
from gateway.storage.database import Database
from gateway.storage.reports import Recordings
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

EVERY_S = 60.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Retention:
    """Lives as long as the process.

    Args:
        audio: has the audio of calls.
        now: the wall clock.
    """

    def __init__(
        self, database: Database, audio: ErasesRecordings, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._rows = Recordings(database)
        self._audio = audio
        self._now = now

    async def run(self, every_s: float = EVERY_S) -> None:
        """Remove what has expired, again and again; ends by being cancelled."""
        while True:
            try:
                await self.sweep()
            except GatewayError as fault:
                log.warning("retention_waits", reason=fault.reason)
            await asyncio.sleep(every_s)

    async def sweep(self) -> int:
        """Remove what has expired by now; return how many recordings that were.

        Raises:
            StorageError: the database is away.
            RecordingError: a store is away; what was not removed is tried again.
        """
        expired = await self._rows.list_expired(self._now())
        for recording in expired:
            await self._audio.erase(recording.call_id)
            await self._rows.forget(recording.call_id)
            log.info("recording_expired", call_id=recording.call_id)
        return len(expired)
