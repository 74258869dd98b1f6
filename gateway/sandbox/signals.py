"""Exact audio for agents without a voice.

PURE.
"""

import numpy as np

from gateway.audio.pcm import to_bytes
from gateway.sandbox.stage import RATE_HZ


def sine(hz: float, duration_s: float, level_dbfs: float) -> bytes:
    """Return a sine as PCM16 at 24 kHz.

    Args:
        level_dbfs: of its peak, dB below full scale.
    """
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    amplitude = 32_767 * 10 ** (level_dbfs / 20)
    return to_bytes(np.rint(amplitude * np.sin(2 * np.pi * hz * t)).astype(np.int16))


def chime(words: str) -> bytes:
    """Return what a voiceless agent plays for a text: two soft notes, longer for more words."""
    each_s = 0.15 + 0.05 * len(words.split())
    return sine(523.25, each_s, -18.0) + sine(659.25, each_s, -18.0)
