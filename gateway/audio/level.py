"""How loud it is: RMS and peak, cheap enough for every frame.

PURE. 0 dBFS is the amplitude 32,768, for both figures: a full-scale square wave reads 0 dBFS RMS, a
full-scale sine −3.01.
"""

from math import log10

import numpy as np

from gateway.audio.pcm import Pcm

FLOOR_DBFS = -100.0
"""What silence, and no audio at all, reads: finite, so that it can be drawn and sent as JSON."""

_FULL_SCALE = 32_768


def _dbfs(ratio: float, factor: int) -> float:
    return max(FLOOR_DBFS, factor * log10(ratio)) if ratio > 0 else FLOOR_DBFS


# Measured a few chunks at a time: numpy's price is by the call, and 16 together cost 2 of them alone.
_BATCH = 16


class LevelMeter:
    """Measures the audio pushed since the last reset. Lives as long as one direction of a call."""

    __slots__ = ("_chunks", "_peak", "_samples", "_squares")

    def __init__(self) -> None:
        self._chunks: list[Pcm] = []
        self._samples = 0
        self._squares = 0.0
        self._peak = 0

    def push(self, pcm: Pcm) -> None:
        """Take in samples: int16, shape (n,), any rate, n may be 0; not to be changed afterwards."""
        self._chunks.append(pcm)
        if len(self._chunks) == _BATCH:
            self._measure()

    def _measure(self) -> None:
        if not self._chunks:
            return
        pcm = np.concatenate(self._chunks)
        self._chunks.clear()
        if not len(pcm):
            return
        wide = pcm.astype(float)  # the squares of int16 do not fit int16
        self._samples += len(pcm)
        # Not `wide @ wide`: above 10,000 samples OpenBLAS wakes threads for it, and the event loop waits for
        # them, on a busy machine for 20 ms.
        self._squares += float(np.einsum("i,i->", wide, wide))
        # Two arg-searches beat abs().max(), which is also wrong for -32768 in int16.
        self._peak = max(self._peak, int(pcm[pcm.argmax()]), -int(pcm[pcm.argmin()]))

    @property
    def rms_dbfs(self) -> float:
        """The RMS level in dBFS, at least `FLOOR_DBFS`."""
        self._measure()
        return _dbfs(self._squares / _FULL_SCALE**2 / max(self._samples, 1), 10)

    @property
    def peak_dbfs(self) -> float:
        """The largest magnitude in dBFS, at least `FLOOR_DBFS`."""
        self._measure()
        return _dbfs(self._peak / _FULL_SCALE, 20)

    def reset(self) -> None:
        """Start a new measurement."""
        self._chunks.clear()
        self._samples = 0
        self._squares = 0.0
        self._peak = 0
