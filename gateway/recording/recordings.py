"""All recordings of a process, from the first sample to the finished WAV.

    live/<id>/<start>.ulaw      segments of calls that live, or that a crash left behind
    ready/3f/<id>.wav           finished, on the way to the store

Order: :meth:`Recordings.begin` for each media stream of a call, :meth:`Recordings.end` when the stream is
over, :meth:`Recordings.finish` when the call is. :meth:`Recordings.recover`, at the start and now and then,
finishes what nobody does any more.
"""

import asyncio
import errno
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import RecordingError
from gateway.recording import names, segments
from gateway.recording.archive import Archive
from gateway.recording.encryption import KeyRing
from gateway.recording.finalise import Finished, finalise, remove_spent
from gateway.recording.segments import LiveFolder
from gateway.recording.store import Store
from gateway.recording.tape import Recorder, Tape
from gateway.recording.timeline import SAMPLES_PER_MS
from gateway.recording.writer import Writer
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_FINALISE_WITHIN_S = 120.0
_EMPTY_FOR_S = 60.0


class Recordings:
    """Lives as long as the process.

    Args:
        folder: where calls are recorded; on the same file system as a local store.
        store: where finished recordings are kept.
        keys: seal recordings at rest; None leaves them in the clear.
        now: the clock of the calls (seconds, monotonic).
        limit_ms: how much audio of one call may wait for a slow disk.

    Attributes:
        archive: the finished ones.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        *,
        keys: KeyRing | None = None,
        now: Callable[[], float],
        limit_ms: int = 20_000,
    ) -> None:
        self._live = folder / "live"
        self._ready = folder / "ready"
        self.archive = Archive(self._ready, store, keys)
        self._keys = keys
        self._now = now
        self._limit_ms = limit_ms
        self._writer = Writer(now)
        self._tapes: dict[Recorder, Tape] = {}
        self._folders: dict[str, LiveFolder] = {}  # of calls that live
        self._losses: dict[
            str, tuple[str, int]
        ] = {}  # of streams that are over: why cut short, bytes dropped
        self._one_at_a_time = asyncio.Lock()

    @property
    def live(self) -> int:
        """How many streams are being recorded."""
        return self._writer.live

    async def run(self) -> None:
        """Write what is recorded and send what is finished; ends by being cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run())
                group.create_task(self.archive.run())
        finally:
            self._writer.close()

    def begin(self, recording_id: str, started_ms: int) -> Recorder:
        """Record a media stream that starts now; the disk is not touched yet.

        Args:
            recording_id: a UUID; a second stream of the same call continues its recording, on this node.
            started_ms: now, by the wall clock (Unix time).

        Raises:
            RecordingError: the id is no UUID in lower case.
        """
        names.check_id(recording_id)
        recorder = Recorder(recording_id, self._now(), limit_ms=self._limit_ms)
        folder = self._folders.setdefault(recording_id, LiveFolder(self._live / recording_id))
        self._tapes[recorder] = Tape(recorder, folder, started_ms, self._keys)
        self._writer.add(self._tapes[recorder])
        return recorder

    async def end(self, recorder: Recorder, end_s: float) -> None:
        """End a stream: what was heard by then is on disk when this returns. Ending twice is no fault."""
        tape = self._tapes.pop(recorder, None)
        if tape is None:
            return
        await self._writer.finish(tape, end_s)
        reason, dropped = self._losses.get(recorder.recording_id, ("", 0))
        self._losses[recorder.recording_id] = (
            reason or recorder.truncated,
            dropped + recorder.dropped_bytes,
        )

    async def finish(self, recording_id: str) -> Finished | None:
        """Make the WAV of a call that is over and whose streams have been ended.

        Returns:
            The recording, also when it was finished before; None when nothing was heard.

        Raises:
            RecordingError: ``unfinished``: it cannot be made now, and what was recorded stands; ``busy``:
                another process works on it: ask again, or let :meth:`recover` do it. Else the id is no UUID,
                or it was finished before and the store did not answer.
        """
        names.check_id(recording_id)
        folder = self._folders.pop(recording_id, None) or LiveFolder(self._live / recording_id)
        finished = await self._finalise(recording_id, folder) or await self.archive.find(recording_id)
        return self._with_losses(recording_id, finished)

    def _with_losses(self, recording_id: str, finished: Finished | None) -> Finished | None:
        reason, dropped = self._losses.pop(recording_id, ("", 0))
        if finished is None:
            return None
        return replace(finished, truncated=reason, dropped_ms=dropped // SAMPLES_PER_MS)

    async def _finalise(self, recording_id: str, folder: LiveFolder) -> Finished | None:
        try:
            async with self._one_at_a_time, asyncio.timeout(_FINALISE_WITHIN_S):
                finished = await asyncio.to_thread(self._make, recording_id, folder)
        except BlockingIOError:
            raise RecordingError("another process works on the recording", reason="busy") from None
        except (OSError, RecordingError) as error:
            why = errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
            raise RecordingError(f"the recording cannot be made now ({why})", reason="unfinished") from None
        if finished is not None:
            await self.archive.keep(finished.name)
        return finished

    def _make(self, recording_id: str, folder: LiveFolder) -> Finished | None:
        if not folder.path.is_dir():
            return None
        try:
            folder.hold()
            return finalise(folder.path, self._ready, recording_id, self._keys)
        finally:
            folder.release()

    async def recover(self) -> list[Finished]:
        """Finish what was left behind, by this process or by another one that works in the same folder."""
        recovered = []
        for path in await asyncio.to_thread(self._left_behind):
            with suppress(RecordingError):  # not now: it stays, and is found the next time
                finished = await self._finalise(path.name, LiveFolder(path))
                finished = self._with_losses(path.name, finished)
                if finished is not None:
                    log.info("recording_recovered", recording_id=path.name, duration_ms=finished.duration_ms)
                    recovered.append(replace(finished, recovered=True))
        return recovered

    def _left_behind(self) -> list[Path]:
        """Return the folders that may be: another process's live ones among them, which it holds."""
        if not self._live.is_dir():
            return []
        remove_spent(self._live)
        return [path for path in sorted(self._live.iterdir()) if self._may_be_finished(path)]

    def _may_be_finished(self, path: Path) -> bool:
        try:
            names.check_id(path.name)
            if path.name in self._folders or path.is_symlink():
                return False
            # Another process makes its folder before it holds it: an empty one is left alone for a while.
            return bool(segments.segments(path)) or _age_s(path) > _EMPTY_FOR_S
        except (RecordingError, OSError):
            return False  # not ours, or just gone

    async def erase(self, recording_id: str) -> None:
        """Remove all of a call that is over: finished, left behind, kept anywhere.

        Raises:
            RecordingError: the id is no UUID, the call still lives, or the store did not answer.
        """
        if names.check_id(recording_id) in self._folders:
            raise RecordingError("the call is still being recorded; end it first", reason="live")
        async with self._one_at_a_time:  # a WAV that is being made is made first
            self._losses.pop(recording_id, None)
            await asyncio.to_thread(self._remove_left_behind, recording_id)
            await self.archive.delete(recording_id)

    def _remove_left_behind(self, recording_id: str) -> None:
        shutil.rmtree(self._live / recording_id, ignore_errors=True)
        remove_spent(self._live)


def _age_s(path: Path) -> float:
    return datetime.now(UTC).timestamp() - path.stat().st_mtime
