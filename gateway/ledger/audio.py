"""The audio of calls that are recorded: a recorder for each stream, a row, a WAV when the call is over.

A recording never costs a call anything: what cannot be recorded is missing from it, and the row says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa

from gateway.errors import RecordingError, StorageError
from gateway.recording.finalise import Finished
from gateway.recording.recordings import Recordings
from gateway.recording.tape import Recorder
from gateway.records import CallInfo
from gateway.storage import reports, schema
from gateway.storage.database import Database
from gateway.storage.rows import Recording
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

Spawn = Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]
_RETRY_S = 1.0
# A call that is taken up by a fresh stream after a crash is live again by then: its recording goes on.
_RECOVER_AFTER_S = 12.0
_RECOVER_EVERY_S = 10.0
# Nobody takes longer to make a WAV, once the call is over.
_UNFINISHED_FOR_S = 150.0
_AT_A_TIME = 100


class Audio:
    """Lives as long as the process.

    Args:
        recordings: where audio is kept.
        spawn: starts a task of the ledger's.
        now: the clock of the calls (seconds, monotonic).
        keep_s: how long recordings are kept; None for ever.
    """

    def __init__(
        self,
        database: Database,
        recordings: Recordings,
        spawn: Spawn,
        now: Callable[[], float],
        keep_s: float | None,
    ) -> None:
        self._database = database
        self._rows = reports.Recordings(database)
        self._recordings = recordings
        self._spawn = spawn
        self._now = now
        self._keep = None if keep_s is None else timedelta(seconds=keep_s)
        self._streams: dict[str, Recorder] = {}
        self._work: dict[str, list[asyncio.Task[None]]] = {}  # of calls that are not over

    def begin(self, call: CallInfo) -> Recorder | None:
        """Record a stream that begins; None when that cannot be."""
        self.stream_over(call.call_id)
        started_at = datetime.now(UTC)
        try:
            recorder = self._recordings.begin(call.call_id, int(started_at.timestamp() * 1000))
        except RecordingError as fault:
            log.error("recording_refused", call_id=call.call_id, reason=fault.reason)
            return None
        self._streams[call.call_id] = recorder
        row = _row(call.call_id, call.organization_id, started_at)
        self._do(call.call_id, self._insist(partial(self._rows.begin, row)))
        return recorder

    def stream_over(self, call_id: str) -> None:
        """End the recording of a stream, if there is one."""
        recorder = self._streams.pop(call_id, None)
        if recorder is not None:
            self._do(call_id, self._end(recorder))

    async def _end(self, recorder: Recorder) -> None:
        await self._recordings.end(recorder, self._now())
        if recorder.truncated:  # said now: no WAV may be made while the disk is full
            cut = partial(self._rows.update, recorder.recording_id, truncated=recorder.truncated)
            await self._insist(cut)

    def call_over(self, call_id: str) -> None:
        """Make the WAV of a call that is over, if it was recorded."""
        self.stream_over(call_id)
        if call_id in self._work:
            self._spawn(self._finish(call_id))

    def _do(self, call_id: str, work: Coroutine[None, None, None]) -> None:
        self._work.setdefault(call_id, []).append(self._spawn(work))

    async def _finish(self, call_id: str) -> None:
        await asyncio.wait(self._work.pop(call_id))
        await self._conclude(call_id)

    async def _conclude(self, call_id: str) -> None:
        """Make the WAV of a call that is over; a recording that nothing was written of is empty."""
        try:
            finished = await self._recordings.finish(call_id)
        except RecordingError as fault:
            log.warning("recording_unfinished", recording_id=call_id, reason=fault.reason)
            return
        if finished is None:
            empty = partial(self._rows.update, call_id, state="empty", finished_at=datetime.now(UTC))
            await self._insist(empty)
        else:
            await self._insist(partial(self._book, finished))

    async def _book(self, finished: Finished) -> None:
        finished_at = datetime.now(UTC)
        values: dict[str, object] = {
            "state": "ready",
            "location": finished.name,
            "size_bytes": finished.size_bytes,
            "duration_ms": finished.duration_ms,
            "finished_at": finished_at,
            "expires_at": None if self._keep is None else finished_at + self._keep,
        }
        if finished.dropped_ms and not finished.truncated:
            values["truncated"] = "slow_disk"
        if await self._rows.update(finished.recording_id, **values) is None:
            owner = await self._owner(finished.recording_id)
            if owner is not None:  # killed before its row was there
                await self._rows.begin(_row(finished.recording_id, owner, finished_at))
                await self._rows.update(finished.recording_id, **values)

    async def _owner(self, call_id: str) -> str | None:
        calls = schema.calls
        statement = sa.select(calls.c.organization_id).where(calls.c.id == call_id)
        async with self._database.reading() as connection:
            owner: str | None = (await connection.execute(statement)).scalar_one_or_none()
            return owner

    async def _insist(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do something in the database, however often it takes."""
        while True:
            try:
                await work()
                return
            except StorageError as fault:
                if not fault.passing:
                    log.error("recording_not_booked", reason=fault.reason)
                    return
            await asyncio.sleep(_RETRY_S)

    async def run(self) -> None:
        """Finish what crashes left behind, again and again; ends by being cancelled."""
        await asyncio.sleep(_RECOVER_AFTER_S)
        while True:
            await self.recover()
            await asyncio.sleep(_RECOVER_EVERY_S)

    async def recover(self) -> None:
        """Finish what was left behind by now, and say so of recordings that nothing is left of."""
        for finished in await self._recordings.recover():
            await self._insist(partial(self._book, finished))
        try:
            unfinished = await self._unfinished()
        except StorageError as fault:
            log.warning("recordings_wait", reason=fault.reason)
            return
        for call_id in unfinished:
            if call_id not in self._work:
                await self._conclude(call_id)

    async def _unfinished(self) -> list[str]:
        """Return whose recordings nobody finishes any more, though their calls are over."""
        recordings, calls = schema.recordings, schema.calls
        over_before = datetime.now(UTC) - timedelta(seconds=_UNFINISHED_FOR_S)
        statement = (
            sa.select(recordings.c.call_id)
            .join(calls, calls.c.id == recordings.c.call_id)
            .where(recordings.c.state == "recording", calls.c.ended_at < over_before)
            .limit(_AT_A_TIME)
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(statement)).scalars())


def _row(call_id: str, organization_id: str, created_at: datetime) -> Recording:
    return Recording(
        call_id=call_id,
        organization_id=organization_id,
        state="recording",
        location=None,
        size_bytes=0,
        duration_ms=0,
        truncated=None,
        created_at=created_at,
        finished_at=None,
        expires_at=None,
    )
