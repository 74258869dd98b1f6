"""The audio of calls that are recorded: a recorder for each stream, a row, a WAV when the call is over.

A recording never costs a call anything: what cannot be recorded is missing from it, and the row says so.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial

from gateway.errors import RecordingError
from gateway.ledger.finishing import Finishing, new_row
from gateway.recording.recordings import Recordings
from gateway.recording.tape import Recorder
from gateway.records import CallInfo
from gateway.storage.database import Database
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

Spawn = Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]


class Audio:
    """Lives as long as the process.

    Args:
        recordings: where audio is kept.
        spawn: starts a task of the ledger's.
        now: the clock of the calls (seconds, monotonic).
        keep_s: how long recordings are kept; None for ever.

    Attributes:
        finishing: of the recordings whose calls are over.
    """

    def __init__(
        self,
        database: Database,
        recordings: Recordings,
        spawn: Spawn,
        now: Callable[[], float],
        keep_s: float | None,
    ) -> None:
        self._recordings = recordings
        self._spawn = spawn
        self._now = now
        self._streams: dict[str, Recorder] = {}
        self._work: dict[str, list[asyncio.Task[None]]] = {}  # of calls that are not over
        self.finishing = Finishing(database, recordings, self._work, keep_s)

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
        row = new_row(call.call_id, call.organization_id, started_at)
        self._do(call.call_id, self.finishing.insist(partial(self.finishing.rows.begin, row)))
        return recorder

    def stream_over(self, call_id: str) -> None:
        """End the recording of a stream, if there is one."""
        recorder = self._streams.pop(call_id, None)
        if recorder is not None:
            self._do(call_id, self._end(recorder))

    async def _end(self, recorder: Recorder) -> None:
        await self._recordings.end(recorder, self._now())
        if recorder.truncated:  # said now: no WAV may be made while the disk is full
            rows = self.finishing.rows
            cut = partial(rows.update, recorder.recording_id, truncated=recorder.truncated)
            await self.finishing.insist(cut)

    def call_over(self, call_id: str) -> None:
        """Make the WAV of a call that is over, if it was recorded."""
        self.stream_over(call_id)
        if call_id in self._work:
            self._spawn(self._finish(call_id))

    def _do(self, call_id: str, work: Coroutine[None, None, None]) -> None:
        self._work.setdefault(call_id, []).append(self._spawn(work))

    async def _finish(self, call_id: str) -> None:
        await asyncio.wait(self._work.pop(call_id))
        await self.finishing.conclude(call_id)
