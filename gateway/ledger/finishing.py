"""From calls that are over to their recordings: the WAV is made, now or when there is room, and booked.

While a WAV cannot be made its row says that it waits, and what was recorded stands: it is tried again until
it is made, by this process or, after a crash, by the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa

from gateway.errors import RecordingError, StorageError
from gateway.ledger.steady import insist
from gateway.recording.finalise import Finished
from gateway.recording.recordings import Recordings
from gateway.storage import reports, schema
from gateway.storage.database import Database
from gateway.storage.rows import Recording
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_AGAIN_S = (1.0, 2.0, 5.0)  # until a WAV that cannot be made is tried again
# A call that is taken up by a fresh stream after a crash is live again by then: its recording goes on.
_RECOVER_AFTER_S = 12.0
_RECOVER_EVERY_S = 10.0
# Nobody takes longer to make a WAV, once the call is over.
_UNFINISHED_FOR_S = 150.0
_AT_A_TIME = 100


class Finishing:
    """Lives as long as the process.

    Args:
        recordings: where audio is kept.
        live: the ids of the calls whose recordings this process still writes.
        keep_s: how long recordings are kept; None for ever.

    Attributes:
        rows: of the recordings.
    """

    def __init__(
        self, database: Database, recordings: Recordings, live: Container[str], keep_s: float | None
    ) -> None:
        self.rows = reports.Recordings(database)
        self._database = database
        self._recordings = recordings
        self._live = live
        self._keep = None if keep_s is None else timedelta(seconds=keep_s)
        self._put_off: set[str] = set()  # calls that are over, whose WAV cannot be made now
        self._some_put_off = asyncio.Event()

    async def conclude(self, call_id: str) -> None:
        """Make the WAV of a call that is over; a recording that nothing was written of is empty."""
        try:
            finished = await self._recordings.finish(call_id)
        except RecordingError as fault:
            await self._postpone(call_id, fault)
            return
        self._put_off.discard(call_id)
        if finished is None:
            empty = partial(self.rows.update, call_id, state="empty", finished_at=datetime.now(UTC))
            await self.insist(empty)
        else:
            await self.insist(partial(self._book, finished))

    async def _postpone(self, call_id: str, fault: RecordingError) -> None:
        """Put a recording off; one that waits on this node's disk is no other's to declare empty."""
        if call_id not in self._put_off:  # said once: it may take days
            log.warning("recording_unfinished", recording_id=call_id, reason=fault.reason, error=str(fault))
            if fault.reason == "unfinished":
                await self.insist(partial(self.rows.update, call_id, state="waiting"))
        self._put_off.add(call_id)
        self._some_put_off.set()

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
        if await self.rows.update(finished.recording_id, **values) is None:
            owner = await self._owner(finished.recording_id)
            if owner is not None:  # killed before its row was there
                await self.rows.begin(new_row(finished.recording_id, owner, finished_at))
                await self.rows.update(finished.recording_id, **values)

    async def _owner(self, call_id: str) -> str | None:
        calls = schema.calls
        statement = sa.select(calls.c.organization_id).where(calls.c.id == call_id)
        async with self._database.reading() as connection:
            owner: str | None = (await connection.execute(statement)).scalar_one_or_none()
            return owner

    async def insist(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do something in the database, however often it takes."""
        fault = await insist(work)
        if fault is not None:
            log.error("recording_not_booked", reason=fault.reason)

    async def run(self) -> None:
        """Finish what was put off, and what crashes left behind; ends by being cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._catch_up())
            group.create_task(self._recover_on())

    async def _catch_up(self) -> None:
        """Try again what was put off, at first soon, then ever more rarely."""
        failures = 0
        while True:
            await self._some_put_off.wait()
            await asyncio.sleep(_AGAIN_S[min(failures, len(_AGAIN_S) - 1)])
            self._some_put_off.clear()
            for call_id in list(self._put_off):
                await self.conclude(call_id)
            failures = failures + 1 if self._put_off else 0

    async def _recover_on(self) -> None:
        await asyncio.sleep(_RECOVER_AFTER_S)
        while True:
            await self.recover()
            await asyncio.sleep(_RECOVER_EVERY_S)

    async def recover(self) -> None:
        """Finish what was left behind by now, and say so of recordings that nothing is left of."""
        for finished in await self._recordings.recover():
            await self.insist(partial(self._book, finished))
        try:
            unfinished = await self._unfinished()
        except StorageError as fault:
            log.warning("recordings_wait", reason=fault.reason)
            return
        for call_id in unfinished:
            if call_id not in self._live:
                await self.conclude(call_id)

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


def new_row(call_id: str, organization_id: str, created_at: datetime) -> Recording:
    """Return the row of a recording that begins."""
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
