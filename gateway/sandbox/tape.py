"""The recording of a session: caller left, agent right, as the two would have been heard.

PURE. While the session runs only references to what was received and sent are kept; the samples are put
together at the end.
"""

from dataclasses import dataclass, field

import numpy as np

from gateway.audio.pcm import Pcm, from_bytes
from gateway.sandbox.stage import BYTES_PER_MS, RATE_HZ

_SLACK_S = 0.25
"""Audio that comes this much off its time still follows on what came before, without a gap."""
LONGEST_S = 600.0
"""What is said later is not recorded: that bounds what a session keeps."""


@dataclass(slots=True)
class _Track:
    """One side: where each piece starts, in samples from the session's start."""

    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    end: int = 0

    def add(self, at: int, audio: bytes) -> None:
        self.pieces.append((at, audio))
        self.end = at + len(audio) // 2

    def cut(self, at: int) -> None:
        """Take back what starts later, and the rest of what goes on."""
        while self.pieces and self.pieces[-1][0] >= at:
            self.pieces.pop()
        if self.pieces:
            start, audio = self.pieces[-1]
            self.pieces[-1] = (start, audio[: (at - start) * 2])
        self.end = min(self.end, at)

    def samples(self) -> Pcm:
        line = np.zeros(self.end, np.int16)
        for at, audio in self.pieces:
            pcm = from_bytes(audio[: len(audio) // 2 * 2])
            room = line[at : at + len(pcm)]
            room[:] = pcm[: len(room)]
        return line


class Shelf:
    """Bounds what all tapes hold together. Lives as long as the sandbox."""

    def __init__(self, room_bytes: int = 1024**3) -> None:
        self.room_bytes = room_bytes

    def take(self, size: int) -> bool:
        """Take room for audio, if there is some."""
        if size > self.room_bytes:
            return False
        self.room_bytes -= size
        return True

    def give_back(self, size: int) -> None:
        """Give room back."""
        self.room_bytes += size


class Tape:
    """Records a session. Lives as long as it.

    Args:
        now: when it starts, seconds.
        shelf: what it shares its room with; without room it records no more.
    """

    def __init__(self, now: float, shelf: Shelf | None = None) -> None:
        self._start = now
        self._shelf = shelf or Shelf()
        self._taken = 0
        self._caller, self._agent = _Track(), _Track()
        self._odd = b""

    def caller(self, audio: bytes, now: float) -> None:
        """Take in the caller's audio, heard as it comes: PCM16, 24 kHz."""
        at = self._position(now) - len(audio) // 2
        self._add(self._caller, max(0, at), audio)

    def agent(self, audio: bytes, now: float) -> None:
        """Take in the agent's, played after what is still being played; samples may be torn apart."""
        whole = self._odd + audio
        even = len(whole) // 2 * 2
        self._odd = whole[even:]
        self._add(self._agent, self._position(now), whole[:even])

    def interrupted(self, now: float) -> None:
        """Drop what the agent said and nobody has heard yet."""
        self._agent.cut(self._position(now))
        self._odd = b""

    def _add(self, track: _Track, at: int, audio: bytes) -> None:
        if track.end > at or (at - track.end < _SLACK_S * RATE_HZ and track.pieces):
            at = track.end
        if audio and at + len(audio) // 2 <= LONGEST_S * RATE_HZ and self._shelf.take(len(audio)):
            self._taken += len(audio)
            track.add(at, audio)

    def _position(self, now: float) -> int:
        return max(0, round((now - self._start) * 1000)) * BYTES_PER_MS // 2

    def tracks(self, now: float) -> tuple[Pcm, Pcm]:
        """Return caller and agent at the end, what was never heard cut off: int16, shape (n,), 24 kHz."""
        self.interrupted(now)
        return self._caller.samples(), self._agent.samples()

    def release(self) -> None:
        """Give the shelf its room back: what was recorded is about to be written."""
        self._shelf.give_back(self._taken)
        self._taken = 0
