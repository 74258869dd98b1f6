"""What the caller hears: Twilio's playout buffer on an absolute clock. PURE.

Audio plays in order at 8,000 bytes a second from the moment it arrives or from the end of what is queued,
whichever is later; a mark comes back when everything before it has played, and ``clear`` empties the queue
and gives back every mark that still waits (https://www.twilio.com/docs/voice/media-streams/websocket-messages).

Time is counted in samples of 125 µs from ``origin_s``, so nothing is rounded twice and what was heard can be
rendered to the sample.

An underrun is told from the end of a turn by the mark or ``clear`` that ended the turn: running dry without
either and going on later is one, however long it lasts. A server that marks every piece, or fills underruns
with silence, hides them here; the pauses of :mod:`~gateway.simulator.hearing` are read from what was heard.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil, floor
from typing import Final, Literal

from gateway.audio import ulaw
from gateway.simulator.ear import BLOCK_SAMPLES, loud_blocks

RATE_HZ: Final = 8_000
SILENCE: Final = b"\xff"
CAP_SAMPLES: Final = 600 * RATE_HZ  # ten minutes (https://www.twilio.com/docs/api/errors/31931)
FORGET_SAMPLES: Final = 2 * RATE_HZ  # what is kept behind the clock when the recording is off
_EPSILON: Final = 1e-3  # samples; a deadline computed by us must count as reached

SpurtEnd = Literal["mark", "clear", "dry", "open"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence inside a turn, because audio came late; in samples from the origin."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Spurt:
    """One turn of the agent as it left the speaker, in samples from the origin.

    Attributes:
        start: first sample.
        stop: one past the last sample heard.
        gaps: underruns inside.
        end: what ended it: its mark, a ``clear``, running dry, or nothing yet.
    """

    start: int
    stop: int
    gaps: tuple[Gap, ...]
    end: SpurtEnd


class _Turns:
    """Tells the agent's turns apart. Lives as long as its earpiece."""

    def __init__(self) -> None:
        self._done: list[Spurt] = []
        self._start: int | None = None  # of the turn under way
        self._gaps: list[Gap] = []
        self._ended_by: SpurtEnd = "dry"

    def go_on(self, end: int, start: int) -> None:
        """Take audio that plays from ``start`` on, when all before it ends at ``end``."""
        gap = start - end if self._start is not None else 0
        if gap and self._ended_by == "mark":
            self.close(end, self._ended_by)
        elif gap:
            self._gaps.append(Gap(end, start))
        if self._start is None:
            self._start = start
        self._ended_by = "dry"

    def mark(self) -> None:
        """Note that the turn is complete: silence after it is no gap."""
        self._ended_by = "mark"

    def close(self, end: int, ended_by: SpurtEnd) -> None:
        """End the turn under way; of one without a sample nothing stays."""
        if self._start is not None and end > self._start:
            self._done.append(Spurt(self._start, end, tuple(self._gaps), ended_by))
        self._start, self._gaps = None, []

    def trim(self, end: int) -> int:
        """Forget gaps that a flush has left at the end, and return the end without them."""
        while self._gaps and self._gaps[-1].stop >= end:
            end = self._gaps.pop().start
        return end

    def spurts(self, end: int, reached: int) -> tuple[Spurt, ...]:
        """List all turns; the one under way stops at ``reached``."""
        if self._start is None:
            return tuple(self._done)
        ended_by: SpurtEnd = self._ended_by if end <= reached else "open"
        last = Spurt(self._start, max(self._start, min(end, reached)), tuple(self._gaps), ended_by)
        return (*self._done, last)


class Earpiece:
    """The caller's speaker. Lives as long as its stream.

    Args:
        origin_s: the instant of sample 0, in seconds of the clock that ``now`` comes from.
        keep_audio: keep all that was heard for ``heard``; off, only the last two seconds stay.
    """

    def __init__(self, origin_s: float, *, keep_audio: bool = True) -> None:
        self.origin_s = origin_s
        self.received_bytes = 0
        self.flushed_bytes = 0
        self.discarded_bytes = 0
        self.clears = 0
        self._keep_audio = keep_audio
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._end = 0  # one past the last sample that is queued or was played
        self._marks: deque[tuple[int, str]] = deque()
        self._turns = _Turns()
        self._first_sound: int | None = None

    def position(self, now: float) -> int:
        """Count the samples that have played by now, silence included."""
        return max(0, floor((now - self.origin_s) * RATE_HZ + _EPSILON))

    def buffered(self, now: float) -> int:
        """Count the samples that wait to be heard."""
        reached, waiting = self.position(now), 0
        for start, data in reversed(self._pieces):
            if start + len(data) <= reached:
                break
            waiting += min(len(data), start + len(data) - reached)
        return waiting

    def play(self, now: float, payload: bytes) -> bool:
        """Queue audio behind what is there.

        Args:
            payload: µ-law, 8 kHz.

        Returns:
            False when some of it was discarded because ten minutes are queued.
        """
        start = max(self._end, self._unplayed(now))
        accepted = payload[: max(0, CAP_SAMPLES - (start - self.position(now)))]
        self.received_bytes += len(payload)
        self.discarded_bytes += len(payload) - len(accepted)
        if accepted:
            self._turns.go_on(self._end, start)
            self._pieces.append((start, accepted))
            self._end = start + len(accepted)
            if self._first_sound is None:
                self._first_sound = _first_audible(start, accepted)
            self._forget(now)
        return len(accepted) == len(payload)

    def mark(self, name: str) -> None:
        """Remember a mark behind all audio that is queued; it may be due at once."""
        self._marks.append((self._end, name))
        self._turns.mark()

    def clear(self, now: float) -> list[str]:
        """Drop all that has not begun to play.

        Returns:
            The names of every mark that waited, in order: Twilio sends them back as if played.
        """
        self.clears += 1
        self._cut(self._unplayed(now))
        self._turns.close(self._end, "clear")
        flushed = [name for _, name in self._marks]
        self._marks.clear()
        return flushed

    def due_marks(self, now: float) -> list[str]:
        """Take the marks whose audio has all been heard, in order."""
        reached = self.position(now)
        due = []
        while self._marks and self._marks[0][0] <= reached:
            due.append(self._marks.popleft()[1])
        return due

    def next_deadline(self, now: float) -> float | None:
        """Say when the next mark falls due, or None."""
        if not self._marks:
            return None
        return max(now, self.origin_s + self._marks[0][0] / RATE_HZ)

    def heard(self, now: float) -> bytes:
        """Render what the caller has heard since the origin: µ-law, one byte a sample."""
        return self.heard_between(0, self.position(now))

    def heard_between(self, start: int, stop: int) -> bytes:
        """Render one stretch of the timeline, silence where nothing played."""
        line = bytearray(SILENCE * max(0, stop - start))
        for begin, data in reversed(self._pieces):
            if begin >= stop:
                continue
            if begin + len(data) <= start:
                break
            piece = data[max(0, start - begin) : stop - begin]
            offset = max(0, begin - start)
            line[offset : offset + len(piece)] = piece
        return bytes(line)

    def spurts(self, now: float) -> tuple[Spurt, ...]:
        """List the agent's turns so far; the last may be under way."""
        return self._turns.spurts(self._end, self.position(now))

    def first_sound(self, now: float) -> int | None:
        """Say at which sample the agent was first audible, to 20 ms inside its piece; None: not yet."""
        sample = self._first_sound
        return sample if sample is not None and sample < self.position(now) else None

    def _unplayed(self, now: float) -> int:
        return max(0, ceil((now - self.origin_s) * RATE_HZ - _EPSILON))

    def _cut(self, reached: int) -> None:
        while self._pieces and self._pieces[-1][0] + len(self._pieces[-1][1]) > reached:
            start, data = self._pieces.pop()
            kept = data[: max(0, reached - start)]
            self.flushed_bytes += len(data) - len(kept)
            self._end = start + len(kept)
            if kept:
                self._pieces.append((start, kept))
        self._end = self._turns.trim(self._end)
        if self._first_sound is not None and self._first_sound >= self._end:
            self._first_sound = None

    def _forget(self, now: float) -> None:
        if self._keep_audio:
            return
        horizon = self.position(now) - FORGET_SAMPLES
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) < horizon:
            self._pieces.popleft()


def _first_audible(start: int, payload: bytes) -> int | None:
    line = payload.ljust(-(-len(payload) // BLOCK_SAMPLES) * BLOCK_SAMPLES, SILENCE)
    loud = loud_blocks(ulaw.decode(line))
    return start + int(loud.argmax()) * BLOCK_SAMPLES if loud.any() else None
