"""One stream's recording, both ends: what its call puts down, and what is written of it.

The call appends to a queue and nothing else: whatever is wrong behind it, the call does not notice. Some
times a second the queue is emptied onto the timeline, and what can no longer change is handed to a thread
that writes. Since everything has its time, what is dropped on the way is silence of the right length, never
a shift.
"""

from collections import deque
from errno import EDQUOT, ENOSPC

from gateway.recording.encryption import KeyRing
from gateway.recording.segments import LiveFolder, Segment
from gateway.recording.timeline import SAMPLES_PER_MS, SILENCE, Timeline

_FULL = (ENOSPC, EDQUOT)


class Recorder:
    """What a call sees of its recording: three methods that cost nothing. Lives as long as a media stream.

    Times are seconds, monotonic, of the same clock as the writer's. Nothing is ever raised: a recording that
    cannot go on ends, and its call does not notice.

    Args:
        recording_id: which recording it is a part of.
        start_s: when the stream began.
        limit_ms: how much audio, of both sides together, may wait for the disk; beyond it new audio is
            dropped and counted, and stands as silence.

    Attributes:
        limit_bytes: the same, in bytes of µ-law.
        truncated: why it ended before its stream did (``disk_full``, ``io_error``); empty when it did not.
        dropped_bytes: audio that found no room.
    """

    def __init__(self, recording_id: str, start_s: float, *, limit_ms: int = 20_000) -> None:
        self.recording_id = recording_id
        self.start_s = start_s
        self.truncated = ""
        self.dropped_bytes = 0
        self.limit_bytes = limit_ms * SAMPLES_PER_MS
        self._frames: list[tuple[bytes, int, float]] = []
        self._pieces: list[tuple[bytes, float]] = []
        self._waiting_bytes = 0

    def caller(self, payload: bytes, timestamp_ms: int, at_s: float) -> None:
        """Take a frame of µ-law as it arrives: when it was spoken (stream) and when it came (clock)."""
        if self._has_room(len(payload)):
            self._frames.append((payload, timestamp_ms, at_s))

    def agent(self, ulaw: bytes, heard_from_s: float) -> None:
        """Take a piece of µ-law that was sent and will be heard from a time on."""
        if self._has_room(len(ulaw)):
            self._pieces.append((ulaw, heard_from_s))

    def cleared(self, at_s: float) -> None:
        """Take back what was sent and, because of an interruption, not heard from a time on."""
        if not self.truncated:
            self._pieces.append((b"", at_s))

    def _has_room(self, size: int) -> bool:
        if not size or self.truncated:
            return False
        if self._waiting_bytes + size > self.limit_bytes:
            self.dropped_bytes += size
            return False
        self._waiting_bytes += size
        return True

    def take(self, timeline: Timeline) -> None:
        """Move what waits to a timeline: the caller's frames first, which tell how the clocks lie."""
        frames, pieces = self._frames, self._pieces
        self._frames, self._pieces, self._waiting_bytes = [], [], 0
        timeline.frames(frames)
        for audio, at_s in pieces:
            if audio:
                timeline.agent(audio, at_s)
            else:
                timeline.cleared(at_s)


class Tape:
    """What of a recorder is on its way to the disk. Lives as long as its segment is open.

    The loop settles, a thread writes. What waits in between is bounded: while the disk hangs time goes by as
    silence, which is written when the disk is back.

    Args:
        recorder: what to write down.
        live: the recording's folder.
        start_ms: when the stream began (Unix time).
        keys: seal what is written; None leaves it in the clear.
    """

    def __init__(self, recorder: Recorder, live: LiveFolder, start_ms: int, keys: KeyRing | None) -> None:
        self.recorder = recorder
        self.timeline = Timeline(recorder.start_s)
        self._live = live
        self._start_ms = start_ms
        self._keys = keys
        self._segment: Segment | None = None
        self._waiting: deque[tuple[int, bytes]] = deque()  # so many bytes of silence, then these
        self._put_bytes = 0  # written by the loop alone
        self._written_bytes = 0  # written by the thread alone
        self._owed_bytes = 0  # of silence, for what found no room

    @property
    def waits(self) -> bool:
        """Whether there is something to write."""
        return bool(self._waiting)

    def settle(self, now_s: float) -> None:
        """Let what can no longer change wait for the disk (the loop's side)."""
        self.recorder.take(self.timeline)
        self._put(self.timeline.settle(now_s))

    def finish(self, end_s: float) -> None:
        """Let the rest wait for the disk (the loop's side)."""
        self.recorder.take(self.timeline)
        self._put(self.timeline.finish(end_s))
        if self._owed_bytes:
            self._waiting.append((self._owed_bytes, b""))
            self._owed_bytes = 0

    def _put(self, pairs: bytes) -> None:
        if not pairs or self.recorder.truncated:
            return
        waiting_bytes = self._put_bytes - self._written_bytes
        if waiting_bytes and waiting_bytes + len(pairs) > self.recorder.limit_bytes:
            self._owed_bytes += len(pairs)
            self.recorder.dropped_bytes += len(pairs)
            return
        self._put_bytes += len(pairs)
        self._waiting.append((self._owed_bytes, pairs))
        self._owed_bytes = 0

    def write(self) -> None:
        """Write what waits (the thread's side); a disk that fails ends the recording, and nothing else."""
        while self._waiting:
            silence_bytes, pairs = self._waiting.popleft()
            if not self.recorder.truncated:
                self._append(SILENCE * silence_bytes + pairs if silence_bytes else pairs)
            self._written_bytes += len(pairs)

    def _append(self, pairs: bytes) -> None:
        try:
            if self._segment is None:
                self._live.hold()
                self._segment = Segment(self._live.path, self._start_ms, self._keys)
            self._segment.append(pairs)
        except OSError as error:
            self.recorder.truncated = "disk_full" if error.errno in _FULL else "io_error"
            self.close()

    def close(self) -> None:
        """Let go of the file (the thread's side)."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def end(self) -> None:
        """Write what waits, for the last time (the thread's side)."""
        self.write()
        self.close()
