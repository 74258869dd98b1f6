"""What the gateway itself lets the caller hear, as µ-law at 8 kHz, ready to be played.

PURE but for reading package data (`clip_data/*.ulaw`, no header). How they were made:

`one_moment`
    A chime: E5 (659.26 Hz), and A5 (880 Hz) 160 ms later; each with its 2nd and 3rd harmonic at 0.25 and
    0.06, attack 6 ms, decay 160 ms; 0.7 s, faded out over the last 120 ms, −20 dBFS RMS over the first 0.5 s.
`hold`
    Four soft notes, G4 C5 E5 C5 (392.00, 523.25, 659.26, 523.25 Hz), to be played over and over: each lasts
    :data:`HOLD_NOTE_BYTES` (0.8 s) and is its sine with the 2nd harmonic at 0.12, under a decay of 300 ms,
    raised-cosine attack of 50 ms and fade over 200 ms that ends 40 ms before the next note. Every note begins
    and ends in silence, so that the loop has no seam and can stop after any of them; −24 dBFS RMS.
`goodbye`
    "Goodbye."
`apology`
    "We are sorry, we have lost the connection to our assistant. Please call again. Goodbye."

The spoken ones are eSpeak NG's output (voice en-us, 140 words a minute, pitch 45, word gap 1), band-limited
to 0.2-3.5 kHz, resampled by soxr VHQ, −18 dBFS RMS over the 20 ms frames that hold speech, edges faded over
20 ms. They carry no licence of the program: a program's output is not covered by the licence of the program
(GPL FAQ, "GPLOutput"), and no recorded voice is in it.
"""

from functools import cache
from importlib.resources import files
from typing import Final, Literal, get_args

import numpy as np
import soxr

from gateway.audio import ulaw, wav
from gateway.audio.pcm import Pcm

Clip = Literal["one_moment", "hold", "goodbye", "apology"]
CLIPS: tuple[Clip, ...] = get_args(Clip)

HOLD_NOTE_BYTES: Final = 6_400
"""Length of each note of the clip ``hold``."""

_PHONE_HZ = 8_000
_RATES_HZ = (8_000, 16_000, 24_000, 48_000)
_LONGEST_S = 30


@cache
def load(name: Clip) -> bytes:
    """Return a clip: µ-law at 8 kHz, one byte a sample.

    Raises:
        ValueError: there is no clip of that name.
    """
    if name not in CLIPS:
        raise ValueError(f"no clip is called {name!r}; there are {', '.join(CLIPS)}")
    return (files("gateway.audio") / "clip_data" / f"{name}.ulaw").read_bytes()


def from_wav(data: bytes) -> bytes:
    """Make a clip of a WAV file: PCM of 16 bits or µ-law, mono or stereo, 8, 16, 24 or 48 kHz, at most 30 s.

    Returns:
        µ-law at 8 kHz.

    Raises:
        ValueError: not such a file; the message says what is wrong and what to do.
    """
    samples, rate_hz = wav.read(data)
    if rate_hz not in _RATES_HZ:
        raise ValueError(
            f"WAV data: a rate of {rate_hz} Hz; convert it to {_PHONE_HZ} Hz ({_one_of(_RATES_HZ)} are taken)"
        )
    if not len(samples):
        raise ValueError("WAV data: there is no sound in it; record it again")
    if len(samples) > _LONGEST_S * rate_hz:
        raise ValueError(
            f"WAV data: {len(samples) / rate_hz:.1f} s long; shorten it to {_LONGEST_S} s or less"
        )
    return ulaw.encode(_at_phone_rate(samples, rate_hz))


def _at_phone_rate(samples: Pcm, rate_hz: int) -> Pcm:
    if rate_hz == _PHONE_HZ:
        return samples
    # In float32: with int16 libsoxr adds dither, and the same file would not always give the same clip.
    resampled = soxr.resample(samples.astype(np.float32), rate_hz, _PHONE_HZ, quality="VHQ")
    clip: Pcm = np.rint(resampled).clip(-32_768, 32_767).astype(np.int16)
    return clip


def _one_of(rates_hz: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, rates_hz[:-1]))} and {rates_hz[-1]}"
