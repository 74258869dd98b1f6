"""When somebody speaks: a detector says it for one frame, the endpointer for a conversation."""

from collections.abc import Callable
from enum import Enum

import numpy as np

from gateway.audio.pcm import Pcm, empty, to_bytes
from gateway.speech import extra

FRAME_MS = 20

Detector = Callable[[Pcm], bool]
"""Says whether a frame of :data:`FRAME_MS` (int16, shape (n,)) holds speech."""


def energy(floor_dbfs: float = -42.0) -> Detector:
    """Return a detector that hears anything louder than a floor (RMS, dB below full scale)."""
    floor = (32_768 * 10 ** (floor_dbfs / 20)) ** 2

    def detect(frame: Pcm) -> bool:
        wide = frame.astype(np.float32)
        return float(wide @ wide) >= floor * len(wide)

    return detect


def speech(rate_hz: int = 16_000, *, aggressiveness: int = 2, floor_dbfs: float = -42.0) -> Detector:
    """Return a detector that hears speech: loud enough, and speech to WebRTC's VAD (extra ``demo``).

    Args:
        rate_hz: 8000, 16000 or 32000.
        aggressiveness: 0 to 3; how much of what is not surely speech it refuses.

    Raises:
        ConfigError: the extra is missing.
    """
    vad = extra.load("webrtcvad").Vad(aggressiveness)
    loud = energy(floor_dbfs)

    def detect(frame: Pcm) -> bool:
        # WebRTC's VAD adapts to the noise it hears, so it sees every frame, quiet ones too.
        return bool(vad.is_speech(to_bytes(frame), rate_hz)) and loud(frame)

    return detect


class Framer:
    """Cuts a stream into frames of :data:`FRAME_MS`. Lives as long as the stream."""

    def __init__(self, rate_hz: int) -> None:
        self._size = rate_hz * FRAME_MS // 1000
        self._pending = empty()

    def push(self, pcm: Pcm) -> list[Pcm]:
        """Take in samples, int16 of shape (n,), any n; return the frames that are complete."""
        if len(self._pending):
            pcm = np.concatenate([self._pending, pcm])
        whole = len(pcm) - len(pcm) % self._size
        self._pending = pcm[whole:]
        return [pcm[start : start + self._size] for start in range(0, whole, self._size)]


class Edge(Enum):
    """What changed with a frame."""

    STARTED = "started"
    STOPPED = "stopped"


class Endpointer:
    """Finds where utterances start and stop. Lives as long as its conversation.

    Args:
        detect: says whether a frame holds speech.
        start_ms: speech without a break that starts an utterance.
        stop_ms: silence without a break that ends it.
    """

    def __init__(self, detect: Detector, *, start_ms: int = 80, stop_ms: int = 560) -> None:
        self._detect = detect
        self._start_ms = start_ms
        self._stop_ms = stop_ms
        self._run_ms = 0
        self._silence_ms = 0
        self.speaking = False
        self.speech_ms = 0
        """Speech heard in the utterance so far, pauses left out."""

    def push(self, frame: Pcm) -> Edge | None:
        """Take the next frame of :data:`FRAME_MS`."""
        voiced = self._detect(frame)
        self._run_ms = self._run_ms + FRAME_MS if voiced else 0
        if self.speaking:
            return self._within(voiced)
        if self._run_ms < self._start_ms:
            return None
        self.speaking = True
        self.speech_ms, self._silence_ms = self._run_ms, 0
        return Edge.STARTED

    def _within(self, voiced: bool) -> Edge | None:
        if voiced:
            self.speech_ms += FRAME_MS
            self._silence_ms = 0
            return None
        self._silence_ms += FRAME_MS
        return self.stop() if self._silence_ms >= self._stop_ms else None

    def stop(self) -> Edge:
        """End the utterance now: it got too long, or nobody listens any more."""
        self.speaking = False
        self._run_ms = self.speech_ms = 0
        return Edge.STOPPED
