"""What a caller says, spoken by espeak (extra ``demo``) and cut into frames before the call."""

from typing import Final

import numpy as np

from gateway.audio import ulaw
from gateway.audio.pcm import Pcm
from gateway.simulator.microphone import Frames, cut
from gateway.speech import tts

RATE_HZ: Final = 8_000
_AUDIBLE: Final = 300  # of 32,768: -41 dBFS


def say(text: str, voice: tts.Voice = tts.CALLER_VOICE) -> Frames:
    """Speak a text; takes a few milliseconds, so do it before the call.

    Raises:
        ConfigError: the extra is not installed.
    """
    return cut(ulaw.encode(trim(tts.render(text, voice, RATE_HZ))))


def trim(pcm: Pcm) -> Pcm:
    """Cut silence off both ends: the moment a line begins must be the moment it can be heard."""
    audible = np.flatnonzero(np.abs(pcm.astype(np.int32)) > _AUDIBLE)
    return pcm[audible[0] : audible[-1] + 1] if len(audible) else pcm[:0]
