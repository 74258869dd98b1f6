"""One stream's recording, both ends: what the call's loop puts in, and what the writer's thread takes out.

The loop appends to a queue and nothing else. The thread orders what it finds on the timeline and appends to
the segment what can no longer change. Since everything carries its time, what is dropped in between is
silence of the right length, never a shift.
"""

from collections import deque
from errno import EDQUOT, ENOSPC

from gateway.recording.encryption import KeyRing
from gateway.recording.segments import LiveFolder, Segment
from gateway.recording.timeline import SAMPLES_PER_MS, Timeline

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
        truncated: why it ended before its stream did (``disk_full``, ``io_error``); empty when it did not.
        dropped_bytes: audio that found no room.
    """

    def __init__(self, recording_id: str, start_s: float, *, limit_ms: int = 20_000) -> None:
        self.recording_id = recording_id
        self.start_s = start_s
        self.truncated = ""
        self.dropped_bytes = 0
        self._limit_bytes = limit_ms * SAMPLES_PER_MS
        self._queue: deque[tuple[bytes, int | None, float]] = deque()
        self._put_bytes = 0  # written by the loop alone
        self._taken_bytes = 0  # written by the thread alone

    def caller(self, payload: bytes, timestamp_ms: int, at_s: float) -> None:
        """Take a frame of µ-law as it arrives: when it was spoken (stream) and when it came (clock)."""
        self._put(payload, timestamp_ms, at_s)

    def agent(self, ulaw: bytes, heard_from_s: float) -> None:
        """Take a piece of µ-law that was sent and will be heard from a time on."""
        self._put(ulaw, None, heard_from_s)

    def cleared(self, at_s: float) -> None:
        """Take back what was sent and, because of an interruption, not heard from a time on."""
        if not self.truncated:
            self._queue.append((b"", None, at_s))

    def _put(self, audio: bytes, timestamp_ms: int | None, at_s: float) -> None:
        size = len(audio)
        if not size or self.truncated:
            return
        if self._put_bytes - self._taken_bytes + size > self._limit_bytes:
            self.dropped_bytes += size
            return
        self._put_bytes += size
        self._queue.append((audio, timestamp_ms, at_s))

    def take(self, timeline: Timeline) -> None:
        """Move what waits to a timeline (the thread's side)."""
        queue = self._queue
        for _ in range(len(queue)):  # what is put meanwhile waits for the next turn
            audio, timestamp_ms, at_s = queue.popleft()
            self._taken_bytes += len(audio)
            if timestamp_ms is not None:
                timeline.caller(audio, timestamp_ms, at_s)
            elif audio:
                timeline.agent(audio, at_s)
            else:
                timeline.cleared(at_s)


class Tape:
    """The thread's side of a recorder. Lives as long as its segment is open.

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

    def carry(self, now_s: float) -> None:
        """Write what can no longer change."""
        self.recorder.take(self.timeline)
        self._write(self.timeline.settle(now_s))

    def finish(self, end_s: float) -> None:
        """Write the rest and let go of the file."""
        self.recorder.take(self.timeline)
        self._write(self.timeline.finish(end_s))
        self.close()

    def _write(self, pairs: bytes) -> None:
        if not pairs or self.recorder.truncated:
            return
        try:
            if self._segment is None:
                self._live.hold()
                self._segment = Segment(self._live.path, self._start_ms, self._keys)
            self._segment.append(pairs)
        except OSError as error:
            self.recorder.truncated = "disk_full" if error.errno in _FULL else "io_error"
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None
