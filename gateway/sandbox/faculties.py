"""What a talking agent hears and speaks with: speech with the extra ``demo``, recorded lines without it."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Literal, Protocol

import numpy as np
import soxr

from gateway.audio import ulaw
from gateway.audio.pcm import Pcm, to_bytes
from gateway.sandbox.scenario import Grammar
from gateway.sandbox.signals import chime
from gateway.sandbox.stage import RATE_HZ
from gateway.speech import extra, stt, tts, vad

Hearing = Literal["vad", "energy"]
"""How speech is told from silence: by WebRTC's detector, or by loudness alone."""

LINES_RATE_HZ = 8_000


class Faculties(Protocol):
    """Ears and a voice. Their methods block; a session calls them off its loop."""

    def detector(self) -> vad.Detector:
        """Return what tells speech from silence, for one caller: 16 kHz."""

    def understand(self, grammar: Grammar, pcm: Pcm) -> str | None:
        """Return the words of an utterance: int16, shape (n,), 16 kHz; None for none."""

    def speak(self, text: str) -> bytes:
        """Return a text as PCM16 at 24 kHz."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Real speech: pocketsphinx hears, espeak speaks. What was said once is kept."""

    voice: tts.Voice
    hearing: Hearing = "vad"

    def detector(self) -> vad.Detector:
        """Return what tells speech from silence."""
        return vad.energy() if self.hearing == "energy" else vad.speech(stt.RATE_HZ)

    def understand(self, grammar: Grammar, pcm: Pcm) -> str | None:
        """Return what the utterance is nearest to in the grammar."""
        return stt.recogniser().recognise(grammar.jsgf, pcm)

    def speak(self, text: str) -> bytes:
        """Speak."""
        return to_bytes(tts.render(text, self.voice))


@dataclass(frozen=True, slots=True)
class Recorded:
    """No speech: hears that somebody speaks, takes it for the expected answer, plays recorded lines."""

    def detector(self) -> vad.Detector:
        """Return what tells loud from quiet."""
        return vad.energy()

    def understand(self, grammar: Grammar, pcm: Pcm) -> str | None:
        """Return what the scenario expects to hear."""
        return grammar.expected or None

    def speak(self, text: str) -> bytes:
        """Return the recording of a line, or a chime of its length for a text that was never recorded."""
        return recorded(text) or chime(text)


def at_hand(voice: tts.Voice, hearing: Hearing) -> Faculties:
    """Return the best faculties that are installed."""
    return Speech(voice, hearing) if extra.available() else Recorded()


def file_name(text: str) -> str:
    """Return the name of a line's recording."""
    return f"{sha256(text.encode()).hexdigest()[:16]}.ulaw"


@lru_cache(maxsize=64)
def recorded(text: str) -> bytes:
    """Return a line's recording as PCM16 at 24 kHz; empty when there is none."""
    file = resources.files("gateway.sandbox") / "lines" / file_name(text)
    if not file.is_file():
        return b""
    line = ulaw.decode(file.read_bytes()).astype(np.float32)
    wide = np.rint(soxr.resample(line, LINES_RATE_HZ, RATE_HZ)).clip(-32_768, 32_767)
    return to_bytes(wide.astype(np.int16))
