"""What the gateway itself lets the caller hear, as µ-law at 8 kHz, ready to be played.

PURE but for reading package data (`clip_data/*.ulaw`, no header). How they were made:

`one_moment`
    A chime: E5 (659.26 Hz), and A5 (880 Hz) 160 ms later; each with its 2nd and 3rd harmonic at 0.25 and
    0.06, attack 6 ms, decay 160 ms; 0.7 s, faded out over the last 120 ms, −20 dBFS RMS over the first 0.5 s.
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
from typing import Literal, get_args

Clip = Literal["one_moment", "goodbye", "apology"]
CLIPS: tuple[Clip, ...] = get_args(Clip)


@cache
def load(name: Clip) -> bytes:
    """Return a clip: µ-law at 8 kHz, one byte a sample.

    Raises:
        ValueError: there is no clip of that name.
    """
    if name not in CLIPS:
        raise ValueError(f"no clip is called {name!r}; there are {', '.join(CLIPS)}")
    return (files("gateway.audio") / "clip_data" / f"{name}.ulaw").read_bytes()
