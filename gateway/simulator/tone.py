"""How a sine came back: frequency, SINAD, level, length, holes and clicks. PURE.

SINAD as in ITU-T O.132's spirit: the power of the fitted sine over the power of all that is left when it is
taken away. µ-law itself allows about 37 dB per leg, so two legs leave about 35.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.audio.pcm import Pcm

RATE_HZ: Final = 8_000
_WINDOW: Final = 800  # 100 ms for each local fit
_EDGE: Final = 160  # the resampler's onset and tail, left out of SINAD
_CLICK_RATIO: Final = 0.25  # of the amplitude; two µ-law legs leave residuals under 5 %
_JUMP_RAD: Final = 0.2
_NOISE: Final = 100  # of 32,768: echoed line silence stays under it

_Real = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ToneMatch:
    """What was found of a tone.

    Attributes:
        sinad_db: signal to noise and distortion, over everything between the first and the last 20 ms.
        dbfs: RMS level of the tone.
        samples: how many samples of it were heard, holes not counted.
        holes: stretches of 5 ms or more inside it without the tone.
        clicks: samples that stray from the sine by a quarter of its amplitude, neighbours counted once.
        phase_jumps: places where the phase moved between 100 ms windows by more than 0.2 rad.
    """

    hz: float
    sinad_db: float
    dbfs: float
    samples: int
    holes: int
    clicks: int
    phase_jumps: int


def match(pcm: Pcm, expected_hz: float) -> ToneMatch | None:
    """Look for a tone near ``expected_hz`` in an 8 kHz line: int16, shape (n,).

    Returns:
        None when there is no 240 ms of it.
    """
    start, stop, samples, holes = _extent(pcm, expected_hz)
    if stop - start < 2 * (_EDGE + _WINDOW):
        return None
    body = pcm[start + _EDGE : stop - _EDGE].astype(np.float64)
    hz = _frequency(body, expected_hz)
    phases, residual, amplitude = _fit(body, hz)
    drift = np.abs(np.angle(np.exp(1j * np.diff(phases))))
    return ToneMatch(
        hz=hz,
        sinad_db=float(10 * np.log10(amplitude**2 / 2 / max(float(np.mean(residual**2)), 1e-9))),
        dbfs=float(20 * np.log10(max(amplitude, 1e-3) / np.sqrt(2) / 32_768)),
        samples=samples,
        holes=holes,
        clicks=_groups(np.abs(residual) > _CLICK_RATIO * amplitude),
        phase_jumps=int(np.count_nonzero(drift > _JUMP_RAD)),
    )


def _extent(pcm: Pcm, hz: float) -> tuple[int, int, int, int]:
    """Find the first and last sample of the tone, how many lie between without holes, and the holes."""
    level = np.abs(pcm.astype(np.float64))
    if not (level > _NOISE).any():
        return 0, 0, 0, 0
    # A zero crossing is no hole: silence must outlast a whole period, and 5 ms.
    patience = max(40, int(RATE_HZ / hz) + 2)
    audible = np.flatnonzero(level > np.percentile(level[level > _NOISE], 90) * 0.15)
    start, stop = int(audible[0]), int(audible[-1]) + 1
    pauses = np.diff(audible) - 1
    lost = pauses[pauses > patience]
    return start, stop, stop - start - int(lost.sum()), len(lost)


def _frequency(body: _Real, expected_hz: float) -> float:
    """Refine the frequency: FFT peak near the expectation, then the phase's slope over the windows."""
    size = min(len(body), 8 * RATE_HZ)
    spectrum = np.abs(np.fft.rfft(body[:size] * np.hanning(size)))
    bins = np.arange(len(spectrum)) * RATE_HZ / size
    near = np.abs(bins - expected_hz) < max(50.0, expected_hz * 0.05)
    hz = float(bins[near][np.argmax(spectrum[near])]) if near.any() else expected_hz
    for _ in range(2):
        phases, _residual, _amplitude = _fit(body, hz)
        steps = np.angle(np.exp(1j * np.diff(phases)))
        hz += float(np.median(steps)) / (2 * np.pi) * RATE_HZ / _WINDOW
    return hz


def _fit(body: _Real, hz: float) -> tuple[_Real, _Real, float]:
    """Fit one sine to each window by least squares.

    Returns:
        Phase of each window, the residual over all windows, the median amplitude.
    """
    windows = body[: len(body) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    angle = 2 * np.pi * hz / RATE_HZ * np.arange(_WINDOW)
    basis = np.stack([np.cos(angle), np.sin(angle), np.ones(_WINDOW)])
    weights = np.linalg.lstsq(basis.T, windows.T, rcond=None)[0]
    residual = windows.T - basis.T @ weights
    advance = 2 * np.pi * hz * _WINDOW / RATE_HZ * np.arange(len(windows))
    phases = np.arctan2(-weights[1], weights[0]) - advance
    amplitude = float(np.median(np.hypot(weights[0], weights[1])))
    return phases, residual.T.ravel(), amplitude


def _groups(hits: npt.NDArray[np.bool_]) -> int:
    places = np.flatnonzero(hits)
    return int(np.count_nonzero(np.diff(places, prepend=-_WINDOW) > 16)) if len(places) else 0
