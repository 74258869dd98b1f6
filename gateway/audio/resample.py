"""8 kHz to 24 kHz and back, as streams: Twilio speaks the one rate, Vatel the other.

PURE. Two kinds behind one interface:

`soxr`
    libsoxr's variable-rate path. Block mode, soxr's default, hands out audio in bursts of 61 ms and more;
    `vr=True` (python-soxr ≥ 1.1) gives audio on every call with a constant delay of 30 ms up and 25 ms
    down, at the same quality. It runs in float32: with int16 libsoxr adds dither from a random seed, so
    that digital silence would come out as noise and the same call twice as two different recordings.

`low_delay`
    A polyphase FIR of 191 taps (64 a phase), 4 ms a leg. Its taps are multiples of 2^-30 and its sums
    float64, so every product and sum is exact: the output does not depend on how the input was cut, on
    the BLAS behind numpy, or on the machine.

The law of both, from the first push to the flush that ends a turn: n samples in give ceil(n * ratio) out,
exactly, whatever the chunks. Upwards that is 3 * n, downwards n / 3 rounded up. Output k belongs to the
instant of input k / ratio: the stream starts without padding, what the delay holds back comes at the
flush, and the object is then as good as new. (libsoxr is up to 0.4 ms beside the instant: downwards this
path of it is not linear in phase.)
"""

from functools import cache
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import soxr
from numpy.lib.stride_tricks import as_strided

from gateway.audio.pcm import Pcm, empty

Kind = Literal["soxr", "low_delay"]

PHONE_HZ = 8_000
AGENT_HZ = 24_000
_RATIO = AGENT_HZ // PHONE_HZ

_Real = npt.NDArray[np.float64]
_Samples = npt.NDArray[np.floating]

# As 0-d arrays of the type of what they bound: any other scalar numpy converts anew on each call, at 0.2 µs.
_SINGLE = (np.array(-32_768, dtype=np.float32), np.array(32_767, dtype=np.float32))
_DOUBLE = (np.array(-32_768, dtype=np.float64), np.array(32_767, dtype=np.float64))


class Resampler(Protocol):
    """Changes the rate of one direction of a call, turn after turn."""

    @property
    def delay_ms(self) -> float:
        """Audio held back between push and flush, in milliseconds; constant once it has filled up."""

    def push(self, pcm: Pcm) -> Pcm:
        """Take in samples, int16 of shape (n,), any n; return those that are ready."""

    def flush(self) -> Pcm:
        """End the turn: return the samples held back, and be ready for a new stream."""


def make_resampler(kind: Kind, from_hz: int, to_hz: int) -> Resampler:
    """Return a resampler between 8,000 and 24,000 Hz, in either direction.

    Raises:
        ValueError: another pair of rates, or an unknown kind.
    """
    if (from_hz, to_hz) not in _SOXR_DELAY_MS:
        raise ValueError(f"resampling goes from 8000 to 24000 Hz or back, not from {from_hz} to {to_hz}")
    match kind:
        case "soxr":
            return SoxrResampler(from_hz, to_hz)
        case "low_delay":
            return FirResampler(from_hz, to_hz)
    raise ValueError(f"resampler kind must be 'soxr' or 'low_delay', not {kind!r}")


def _saturate(samples: _Samples, bounds: tuple[_Samples, _Samples]) -> Pcm:
    """Round to int16, clipped, never wrapped. Works in place: `samples` is spent."""
    lowest, highest = bounds
    np.rint(samples, out=samples)
    return samples.clip(lowest, highest, out=samples).astype(np.int16)


# What libsoxr 0.1.3 withholds in its variable-rate mode: 720 samples at 24 kHz, 200 at 8 kHz. python-soxr
# cannot be asked (its delay() answers for the fixed-rate path); the tests hold us to the figures.
_SOXR_DELAY_MS = {(PHONE_HZ, AGENT_HZ): 30.0, (AGENT_HZ, PHONE_HZ): 25.0}
_SOXR_PADDING = np.zeros(8, dtype=np.float32)


class SoxrResampler:
    """libsoxr's variable-rate stream. Lives as long as one direction of a call.

    Between turns there is no stream: it is memory that Python's collector does not see.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._to_hz = to_hz
        self.delay_ms = _SOXR_DELAY_MS[from_hz, to_hz]
        self._stream: soxr.ResampleStream | None = None
        self._taken = 0
        self._given = 0

    def push(self, pcm: Pcm) -> Pcm:
        """Take in samples; return those that are ready."""
        if self._stream is None:
            self._stream = soxr.ResampleStream(
                self._from_hz, self._to_hz, 1, dtype="float32", quality="HQ", vr=True
            )
        # As a column: what is one-dimensional it would make one, and one again.
        column = self._stream.resample_chunk(pcm.astype(np.float32)[:, np.newaxis])
        ready = _saturate(column.reshape(-1), _SINGLE)
        self._taken += len(pcm)
        self._given += len(ready)
        return ready

    def flush(self) -> Pcm:
        """End the turn: return the samples held back, and be ready for a new stream."""
        stream, self._stream = self._stream, None
        if stream is None or not self._taken:
            return empty()
        owed = -(-self._taken * self._to_hz // self._from_hz) - self._given
        # Downwards soxr's own flush comes up to one sample short; zeros behind the turn make up for it.
        rest = [stream.resample_chunk(_SOXR_PADDING), stream.resample_chunk(_SOXR_PADDING[:0], last=True)]
        self._taken = self._given = 0
        return _saturate(np.concatenate(rest)[:owed], _SINGLE)


# The prototype runs at 24 kHz. 95 taps either side of the centre are 3.96 ms. The pass band ends with the
# telephone's (ITU-T G.712: 3.4 kHz), the stop band begins where images and aliases begin.
_HALF_TAPS = 95
_PASS_HZ = 3_400
_STOP_HZ = 4_000
_STOP_WEIGHT = 1e5  # spends the pass band's surplus: ±0.05 dB there buys −94 dB from 4 kHz on
_QUANTUM = 2.0**-30

_HOPS_PER_ROW = 8  # measured: below, the rows are too many; above, the product does too much in vain
_ROWS = 100  # 100 ms; larger products cross OpenBLAS' threshold (2^18) and wake its threads


def _cosine_integrals(low_hz: int, high_hz: int) -> _Real:
    """Return the integrals of cos(k w) over a band, for k from 0 to twice the filter's half."""
    low, high = (2 * np.pi * hz / AGENT_HZ for hz in (low_hz, high_hz))
    k = np.arange(1, 2 * _HALF_TAPS + 1)
    return np.concatenate([[high - low], (np.sin(k * high) - np.sin(k * low)) / k])


@cache
def prototype() -> _Real:
    """Return the low-pass both directions share: float64, shape (191,), symmetric, gain 1 at 0 Hz.

    It is the linear-phase filter with the least weighted squared error over both bands, in closed form (the
    normal equations over cosines), which takes half a millisecond and no filter-design library.
    """
    wanted = _cosine_integrals(0, _PASS_HZ)
    weighted = wanted + _STOP_WEIGHT * _cosine_integrals(_STOP_HZ, AGENT_HZ // 2)
    k = np.arange(_HALF_TAPS + 1)
    normal = weighted[np.abs(k[:, None] - k)] + weighted[k[:, None] + k]
    cosines = np.linalg.solve(normal, 2 * wanted[: _HALF_TAPS + 1])
    taps = np.concatenate([cosines[:0:-1] / 2, cosines[:1], cosines[1:] / 2])
    exact: _Real = np.rint(taps / taps.sum() / _QUANTUM) * _QUANTUM
    return exact


@cache
def _hop_taps(from_hz: int) -> _Real:
    """Return the taps of one hop: shape (inputs seen, outputs made), one column for each output.

    Upwards a hop is one input and three outputs of 64 taps each; downwards three inputs and one output.
    """
    if from_hz == AGENT_HZ:
        return prototype()[:, None]
    phases = np.append(0.0, _RATIO * prototype()).reshape(-1, _RATIO)
    return np.ascontiguousarray(phases[::-1])


@cache
def _row_taps(from_hz: int) -> _Real:
    """Return the taps of a row of hops: `_hop_taps` repeated down a diagonal.

    Rows turn the convolution into one matrix product that BLAS is fast at.
    """
    hop = _hop_taps(from_hz)
    step = _RATIO if from_hz == AGENT_HZ else 1
    seen, made = hop.shape
    taps = np.zeros((seen + step * (_HOPS_PER_ROW - 1), made * _HOPS_PER_ROW))
    for i in range(_HOPS_PER_ROW):
        taps[i * step : i * step + seen, i * made : (i + 1) * made] = hop
    return taps


class FirResampler:
    """The polyphase FIR of exact ratio three. Lives as long as one direction of a call."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._taps = _row_taps(from_hz)
        down = from_hz == AGENT_HZ
        self._hop_in, self._hop_out = (_RATIO, 1) if down else (1, _RATIO)
        self._history = len(_hop_taps(from_hz)) - self._hop_in
        # Outputs before the first input's instant; and the zeros that bring out the last input's.
        self._warm_up, tail = (31, 95) if down else (96, 32)
        self._tail = np.zeros(tail, dtype=np.int16)
        self.delay_ms = 1000 * self._warm_up / to_hz
        row = self._hop_in * _HOPS_PER_ROW
        self._block = row * _ROWS
        # A row more than a block: for the inputs carried over, and for the last row of windows to read into.
        self._samples = np.zeros(self._history + self._block + row, dtype=np.int16)
        width = self._samples.itemsize
        shape, strides = (_ROWS, len(self._taps)), (row * width, width)
        self._windows = as_strided(self._samples, shape, strides, writeable=False)
        self._restart()

    def _restart(self) -> None:
        self._samples[: self._history] = 0
        self._filled = self._history
        self._skip = self._warm_up

    def push(self, pcm: Pcm) -> Pcm:
        """Take in samples; return those that are ready."""
        if len(pcm) <= self._block:
            return self._convolve(pcm)
        starts = range(0, len(pcm), self._block)
        return np.concatenate([self._convolve(pcm[i : i + self._block]) for i in starts])

    def flush(self) -> Pcm:
        """End the turn: return the samples held back, and be ready for a new stream."""
        rest = self._convolve(self._tail)
        self._restart()
        return rest

    def _convolve(self, pcm: Pcm) -> Pcm:
        end = self._filled + len(pcm)
        self._samples[self._filled : end] = pcm
        hops = (end - self._history) // self._hop_in
        rows = -(-hops // _HOPS_PER_ROW)
        # BLAS wants the overlapping windows side by side: a copy, made anew each time, because kept between
        # calls it would be most of what a call costs in memory (250 kB) and save nothing.
        product = self._windows[:rows].astype(np.float64) @ self._taps
        ready = _saturate(product, _DOUBLE).reshape(-1)[self._skip : hops * self._hop_out]
        used = hops * self._hop_in
        self._filled = end - used
        self._samples[: self._filled] = self._samples[used:end]
        if self._skip:
            self._skip = max(0, self._skip - hops * self._hop_out)
        return ready
