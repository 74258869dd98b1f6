"""Two voices on one time axis, sample by sample. PURE.

Left is the caller, placed by the timestamps of the media stream; right is the agent as the caller heard it,
placed by the clock. Audio comes in any order and leaves once, in order, as pairs of µ-law samples; where
nothing was said stands silence. The rules:

- Left: timestamps count from the first frame, which is placed by when it came. They wobble by some
  milliseconds: a frame within ``_FOLLOWS`` of the end of the last one follows it. Of two frames that claim
  the same instant, the first counts.
- Right: pieces are played one after another; one that would start before the end of the last, or within
  ``_JOIN_SAMPLES`` behind it, starts at that end.
- An interruption takes from the right what was not heard by then.
- Both sides meet as they do at the gateway: a frame counts as beginning when it arrives, a piece when the
  clock has it begin. How long either is on its way to or from the phone nobody can tell from here, nor
  whether a frame leaves when its first or when its last sample was spoken: they are at most a frame apart.
- What comes after its time has left is dropped, and so is a frame from the future; both are counted.

Time leaves ``_SETTLE_S`` after it was heard; while the caller's frames are held up on their way, only after
``_STALL_S``: a network that hiccups loses nothing.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

SAMPLES_PER_S = 8_000
SAMPLES_PER_MS = 8
SILENCE = b"\xff"
"""The µ-law code of a zero sample."""

_SETTLE_S = 0.3
_STALL_S = 5.0
_JOIN_SAMPLES = 20 * SAMPLES_PER_MS
_FOLLOWS = 10 * SAMPLES_PER_MS  # half a frame: what is lost or repeated is a whole one
_WINDOW_S = 5.0
# A stream's timestamps may run this far ahead of our clock, in all: crystals differ by some 100 ppm, and the
# longest call has 4 hours. Anything beyond is a fault of the sender's.
_AHEAD = 5 * SAMPLES_PER_S


class StreamClock:
    """Maps our clock to the stream's: frames come late, never early, so the quickest one tells how they lie.
    The quickest of the last five to ten seconds, since clocks drift apart.

    Lives as long as its timeline.

    Args:
        start_s: when the stream began (seconds, monotonic).
    """

    def __init__(self, start_s: float) -> None:
        self._zero_s = start_s  # our clock at the stream's zero
        self._seen_s: float | None = None
        self._window_ends_s = 0.0

    def saw(self, sample: int, at_s: float) -> None:
        """Learn from a frame that begins at a sample of the stream and arrived at a time of ours."""
        zero_s = at_s - sample / SAMPLES_PER_S
        if self._seen_s is None:
            self._zero_s, self._seen_s, self._window_ends_s = zero_s, zero_s, at_s + _WINDOW_S
        elif at_s < self._window_ends_s:
            if zero_s < self._seen_s:
                self._seen_s = zero_s
                self._zero_s = min(self._zero_s, zero_s)
        else:
            self._zero_s, self._seen_s = min(self._seen_s, zero_s), zero_s
            self._window_ends_s = at_s + _WINDOW_S

    def sample_at(self, at_s: float) -> int:
        """Return the sample of the stream that a time of ours falls on."""
        return round((at_s - self._zero_s) * SAMPLES_PER_S)


class _Side:
    """Audio of one side that has yet to leave: spans in order, none overlapping. Lives with its timeline."""

    def __init__(self) -> None:
        self.base = 0  # the first sample that has not left
        self.end = 0  # behind the last sample that was ever put
        self._starts: list[int] = []
        self._spans: list[bytearray] = []

    def put(self, at: int, audio: bytes) -> int:
        """Put audio where nothing is yet; return how many samples found no room."""
        last_end = self._starts[-1] + len(self._spans[-1]) if self._starts else self.base
        if self._starts and at == last_end:  # nearly always: it follows
            self._spans[-1] += audio
            self.end = max(self.end, at + len(audio))
            return 0
        refused = 0
        if at < self.base:
            refused = min(self.base - at, len(audio))
            at, audio = self.base, audio[refused:]
        if at >= last_end:
            self._insert(len(self._starts), at, audio)
            return refused
        while audio:  # between others: fill the holes, one at a time
            before = bisect_right(self._starts, at) - 1
            taken_until = self._starts[before] + len(self._spans[before]) if before >= 0 else at
            skip = min(max(taken_until - at, 0), len(audio))
            refused += skip
            at, audio = at + skip, audio[skip:]
            room = self._starts[before + 1] - at if before + 1 < len(self._starts) else len(audio)
            self._insert(before + 1, at, audio[:room])
            at, audio = at + room, audio[room:]
        return refused

    def _insert(self, place: int, at: int, audio: bytes) -> None:
        if audio:
            self._starts.insert(place, at)
            self._spans.insert(place, bytearray(audio))
            self.end = max(self.end, at + len(audio))

    def cut(self, at: int) -> int:
        """Take away all from a sample on; return how many samples went."""
        gone = 0
        while self._starts and self._starts[-1] + len(self._spans[-1]) > at:
            start, span = self._starts.pop(), self._spans.pop()
            kept = span[: max(at - start, 0)]
            gone += len(span) - len(kept)
            if kept:
                self._starts.append(start)
                self._spans.append(kept)
        self.end = min(self.end, max(at, self.base))
        return gone

    def take(self, until: int) -> bytearray:
        """Let out all up to a sample, silence where nothing was put."""
        out = bytearray(SILENCE) * (until - self.base)
        while self._starts and self._starts[0] < until:
            start, span = self._starts.pop(0), self._spans.pop(0)
            head = span[: until - start]
            out[start - self.base : start - self.base + len(head)] = head
            if len(head) < len(span):
                self._starts.insert(0, until)
                self._spans.insert(0, span[len(head) :])
        self.base = until
        return out


@dataclass(slots=True)
class TimelineCounters:
    """Plain counters, in samples of 125 µs; read once, at the end.

    Attributes:
        overlapped: caller audio for an instant that already had some, or that had left.
        early: caller audio from the future.
        unheard: agent audio that an interruption took away.
        late: agent audio whose time had left.
    """

    overlapped: int = 0
    early: int = 0
    unheard: int = 0
    late: int = 0


class Timeline:
    """Both voices of one media stream. Lives as long as the stream.

    Args:
        start_s: when the stream began (seconds, monotonic).
    """

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s
        self._clock = StreamClock(start_s)
        self._zero: int | None = None  # the timestamp of the stream's start
        self._left = _Side()
        self._right = _Side()
        self.counters = TimelineCounters()

    @property
    def samples(self) -> int:
        """How many samples a side have left so far."""
        return self._left.base

    def caller(self, ulaw: bytes, timestamp_ms: int, at_s: float) -> None:
        """Take a frame that was spoken at a timestamp of the stream and arrived at a time of ours."""
        self.frames([(ulaw, timestamp_ms, at_s)])

    def frames(self, frames: Iterable[tuple[bytes, int, float]]) -> None:
        """Take frames as :meth:`caller` does; those that follow one another go the short way together."""
        run: list[bytes] = []
        end = self._left.end
        for ulaw, timestamp_ms, at_s in frames:
            at = self._place(ulaw, timestamp_ms, at_s)
            if at is None:
                continue
            if end and -_FOLLOWS < at - end < _FOLLOWS:
                run.append(ulaw)
                end += len(ulaw)
                continue
            self._append(run)
            run = []
            self.counters.overlapped += self._left.put(at, ulaw)
            end = self._left.end
        self._append(run)

    def _place(self, ulaw: bytes, timestamp_ms: int, at_s: float) -> int | None:
        """Return where a frame starts by its timestamp; None when it is from another time."""
        now = (at_s - self._start_s) * SAMPLES_PER_S
        at = timestamp_ms * SAMPLES_PER_MS
        if self._zero is None:
            self._zero = at - max(round(now), 0)
        at -= self._zero
        if at < 0 or at > now + _AHEAD:
            self.counters.early += len(ulaw)
            return None
        self._clock.saw(at, at_s)
        return at

    def _append(self, run: list[bytes]) -> None:
        if run:
            self.counters.overlapped += self._left.put(self._left.end, b"".join(run))

    def agent(self, ulaw: bytes, heard_from_s: float) -> None:
        """Take a piece that the caller hears from a time of ours on."""
        at = self._clock.sample_at(heard_from_s)
        if self._right.base <= self._right.end and at <= self._right.end + _JOIN_SAMPLES:
            at = self._right.end
        self.counters.late += self._right.put(at, ulaw)

    def cleared(self, at_s: float) -> None:
        """Void what the caller would have heard of the agent from a time of ours on."""
        self.counters.unheard += self._right.cut(self._clock.sample_at(at_s))

    def settle(self, now_s: float) -> bytes:
        """Let out what can no longer change: pairs of samples, left first."""
        settled = self._clock.sample_at(now_s - _SETTLE_S)
        waited = self._clock.sample_at(now_s - _STALL_S)
        return self._take(min(settled, max(self._left.end, waited)))

    def finish(self, end_s: float) -> bytes:
        """Let out the rest, up to the end of the stream; what the agent would have said later is unheard."""
        end = max(self._left.end, self._clock.sample_at(end_s))
        self.counters.unheard += self._right.cut(end)
        return self._take(end)

    def _take(self, until: int) -> bytes:
        if until <= self._left.base:
            return b""
        pairs = bytearray(2 * (until - self._left.base))
        pairs[::2] = self._left.take(until)
        pairs[1::2] = self._right.take(until)
        return bytes(pairs)
