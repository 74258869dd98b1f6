"""Keys as tones in the call's audio, since Twilio Media Streams has no message for them.

PURE. Frequencies: ITU-T Q.23. Levels −9 dBm0 for the low and −7 dBm0 for the high group, 2 dB of twist in the
direction that lines favour; 100 ms of tone and 100 ms of pause, where Q.24 has receivers that want 40 ms of
each and all take ±1.5 % of frequency. A tone fades in and out over 2 ms, which keeps its neighbours clean.
"""

from functools import cache
from typing import Final

import numpy as np

from gateway.audio import ulaw

MAX_KEYS: Final = 32
"""So many keys are pressed at once, pauses counted: as many as Twilio itself sends."""

TONE_MS: Final = 100
PAUSE_MS: Final = 100
WAIT_MS: Final = {"w": 500, "W": 1_000}
"""The pauses that Twilio means by these."""

_LOW_HZ: Final = (697, 770, 852, 941)
_HIGH_HZ: Final = (1_209, 1_336, 1_477, 1_633)
_KEYPAD: Final = ("123A", "456B", "789C", "*0#D")
_KEYS: Final = frozenset("0123456789*#ABCDabcdwW")
_RATE_HZ: Final = 8_000
_FULL_SCALE_DBM0: Final = 3.17  # a sine that just does not clip (G.711 table 2a)
_FULL_SCALE: Final = 32_124  # its peak, as decoded
_LOW_DBM0, _HIGH_DBM0 = -9.0, -7.0
_FADE_MS: Final = 2
_SILENCE: Final = bytes([ulaw.SILENCE]) * (_RATE_HZ // 1000)  # 1 ms


def tones(keys: str) -> bytes:
    """Return keys as they sound, pressed one after the other: µ-law at 8 kHz.

    Args:
        keys: ``0`` to ``9``, ``*``, ``#``, ``A`` to ``D`` in either case; ``w`` is half a second of silence,
            ``W`` a whole one.

    Raises:
        ValueError: a character is no key, or there are too many or none; the message holds none of them.
    """
    if not 1 <= len(keys) <= MAX_KEYS:
        raise ValueError(f"1 to {MAX_KEYS} keys can be pressed at once, not {len(keys)}")
    for place, key in enumerate(keys, 1):
        if key not in _KEYS:
            raise ValueError(f"character {place} is no key; keys are 0-9, *, #, A-D, and w for a pause")
    return b"".join(_press(key) for key in keys)


@cache
def _press(key: str) -> bytes:
    if key in WAIT_MS:
        return _SILENCE * WAIT_MS[key]
    return _tone(key.upper()) + _SILENCE * PAUSE_MS


def _tone(key: str) -> bytes:
    row = next(number for number, keys in enumerate(_KEYPAD) if key in keys)
    column = _KEYPAD[row].index(key)
    at = np.arange(TONE_MS * _RATE_HZ // 1000) / _RATE_HZ
    pair = _amplitude(_LOW_DBM0) * np.sin(2 * np.pi * _LOW_HZ[row] * at)
    pair += _amplitude(_HIGH_DBM0) * np.sin(2 * np.pi * _HIGH_HZ[column] * at)
    fade = np.minimum(1.0, np.arange(1, len(at) + 1) / (_FADE_MS * _RATE_HZ // 1000))
    return ulaw.encode(np.rint(pair * fade * fade[::-1]).astype(np.int16))


def _amplitude(dbm0: float) -> float:
    return _FULL_SCALE * float(10 ** ((dbm0 - _FULL_SCALE_DBM0) / 20))
