"""Whether a stream's messages follow one another: their numbers, their pieces of audio, their time.

TCP keeps order, so gaps mean that Twilio threw audio away (https://www.twilio.com/docs/api/errors/31930) and
repeats mean a faulty peer. Odd things are counted; only repeats are refused.
"""

from dataclasses import dataclass, field

from gateway.twilio.messages import Media

# Timestamps of 20 ms frames wobble by up to 5 ms each way around their place.
_TIMESTAMP_TOLERANCE_MS = 10
_BYTES_PER_MS = 8
# How far back a repeated number is told apart from a late one.
_WINDOW = 64
_WINDOW_MASK = (1 << _WINDOW) - 1


@dataclass(slots=True)
class StreamCounters:
    """What happened on one caller socket, in plain numbers.

    Attributes:
        frames: pieces of the caller's audio taken in; ``bytes`` is their µ-law.
        sequence_gaps: how often message numbers were skipped; ``chunk_gaps`` the same for audio pieces.
        timestamp_gaps: how often the caller's audio skipped time; ``timestamp_gap_ms`` is the time.
        late: messages that came later than their number says; ``late_chunks`` the same for audio pieces.
            They are passed on.
        duplicates: messages that came again; they are dropped.
        wrong_stream: messages for another stream; they are dropped.
        after_stop: messages after the end; they are dropped.
        marks_unprompted: echoes of marks never set; they are dropped.
        bad_messages: refused messages by reason.
    """

    frames: int = 0
    bytes: int = 0
    keys: int = 0
    sequence_gaps: int = 0
    chunk_gaps: int = 0
    timestamp_gaps: int = 0
    timestamp_gap_ms: int = 0
    late: int = 0
    late_chunks: int = 0
    duplicates: int = 0
    wrong_stream: int = 0
    after_stop: int = 0
    frames_sent: int = 0
    bytes_sent: int = 0
    clears: int = 0
    marks_sent: int = 0
    marks_played: int = 0
    marks_flushed: int = 0
    marks_unprompted: int = 0
    bad_messages: dict[str, int] = field(default_factory=dict)


class Continuity:
    """The numbers and the time of one stream, from ``start`` on; every oddity is counted."""

    __slots__ = ("_chunk", "_counters", "_due_ms", "_seen", "_sequence", "_timestamp_ms")

    def __init__(self, counters: StreamCounters) -> None:
        self._counters = counters
        self._sequence = 0
        self._seen = 0
        self._chunk = 0
        self._timestamp_ms = -1
        self._due_ms = 0

    def start(self, sequence: int) -> None:
        """Begin with the number of the ``start`` message."""
        self._sequence = sequence
        self._seen = 1

    def is_new(self, sequence: int) -> bool:
        """Tell a new message from a repeated one by its number, common to every kind of message."""
        ahead = sequence - self._sequence
        if ahead <= 0:
            return self._is_late(-ahead)
        if ahead > 1:
            self._counters.sequence_gaps += 1
        self._sequence = sequence
        self._seen = (self._seen << min(ahead, _WINDOW) | 1) & _WINDOW_MASK
        return True

    def take(self, media: Media) -> bool:
        """Count a piece of audio; False when it is one that was here before."""
        if not self.is_new(media.sequence):
            return False
        if media.chunk == self._chunk + 1:
            self._chunk += 1
        elif not self._is_new_chunk(media):
            return False
        size = len(media.payload)
        self._counters.frames += 1
        self._counters.bytes += size
        self._keep_time(media.timestamp_ms, size // _BYTES_PER_MS)
        return True

    def _is_late(self, behind: int) -> bool:
        bit = 1 << min(behind, _WINDOW)
        if behind >= _WINDOW or self._seen & bit:
            self._counters.duplicates += 1
            return False
        self._seen |= bit
        self._counters.late += 1
        return True

    def _is_new_chunk(self, media: Media) -> bool:
        """Tell a repeated piece from a late or skipped one; the same number at another time is no repeat."""
        if media.chunk == self._chunk and media.timestamp_ms == self._timestamp_ms:
            self._counters.duplicates += 1
            return False
        if media.chunk > self._chunk:
            self._counters.chunk_gaps += 1
            self._chunk = media.chunk
        else:
            self._counters.late_chunks += 1
        return True

    def _keep_time(self, timestamp_ms: int, duration_ms: int) -> None:
        gap_ms = timestamp_ms - self._due_ms
        if gap_ms > _TIMESTAMP_TOLERANCE_MS and self._timestamp_ms >= 0:
            self._counters.timestamp_gaps += 1
            self._counters.timestamp_gap_ms += gap_ms
        self._timestamp_ms = timestamp_ms
        # A late piece must not turn the clock back, or the next one would show a gap that is none.
        if gap_ms > -duration_ms:
            self._due_ms = timestamp_ms + duration_ms
