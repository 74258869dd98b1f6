"""The ear of an agent that understands speech: where utterances start and stop, and their audio."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import soxr

from gateway.audio.pcm import ByteAligner, Pcm
from gateway.sandbox.stage import RATE_HZ
from gateway.speech import stt
from gateway.speech.vad import FRAME_MS, Detector, Edge, Endpointer, Framer

_BEFORE_MS = 300
_LONGEST_MS = 10_000


@dataclass(frozen=True, slots=True)
class Heard:
    """A start or a stop, and what has been heard of the utterance by then (int16, shape (n,), 16 kHz)."""

    edge: Edge
    pcm: Pcm


class Ear:
    """Listens to one caller. Lives as long as the session.

    An utterance is kept with 300 ms of what was before it and ends after 10 s at the latest: that bounds
    what is kept.
    """

    def __init__(self, detect: Detector) -> None:
        self._aligner = ByteAligner()
        self._resample = soxr.ResampleStream(RATE_HZ, stt.RATE_HZ, 1, dtype="float32", quality="HQ", vr=True)
        self._framer = Framer(stt.RATE_HZ)
        self._endpointer = Endpointer(detect)
        self._frames: deque[Pcm] = deque()
        self.utterances = 0
        """Utterances begun so far: the number of the one being heard."""

    @property
    def speech_ms(self) -> int:
        """Speech heard in the utterance under way; 0 outside of one."""
        return self._endpointer.speech_ms

    @property
    def speaking(self) -> bool:
        """True inside an utterance."""
        return self._endpointer.speaking

    @property
    def kept_ms(self) -> int:
        """Audio kept: the ear's depth gauge."""
        return len(self._frames) * FRAME_MS

    def push(self, audio: bytes) -> list[Heard]:
        """Take in PCM16 at 24 kHz, any length; return what started and stopped with it, in order."""
        samples = self._resample.resample_chunk(self._aligner.push(audio).astype(np.float32))
        pcm = np.rint(samples).clip(-32_768, 32_767).astype(np.int16)
        events = [self._take(frame) for frame in self._framer.push(pcm)]
        return [event for event in events if event is not None]

    def _take(self, frame: Pcm) -> Heard | None:
        if not self.speaking:
            while self.kept_ms >= _BEFORE_MS:
                self._frames.popleft()
        self._frames.append(frame)
        edge = self._endpointer.push(frame)
        if self.speaking and self.kept_ms >= _LONGEST_MS:
            edge = self._endpointer.stop()
        if edge is Edge.STARTED:
            self.utterances += 1
        return None if edge is None else Heard(edge, self.so_far())

    def so_far(self) -> Pcm:
        """Return what has been heard of the utterance under way: int16, shape (n,), 16 kHz."""
        return np.concatenate(self._frames)
