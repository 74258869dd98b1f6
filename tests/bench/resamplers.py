"""What the resamplers do to speech, and when, and at what cost: `python -m tests.bench.resamplers`.

Everything but the cost is a property of the code and is asserted by `tests/audio/test_resample.py` from
these same functions. Tones are measured by a least-squares fit of sine and cosine at a known frequency; the
first and last 100 ms are left out, where the ends of the stream ring. "1 kHz" is 1,009 Hz and so on: primes,
since at round frequencies the rounding error repeats with the tone and hides in it.
"""

import sys
import timeit
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import hypot, log10
from typing import get_args

import numpy as np
import numpy.typing as npt

from gateway.audio.pcm import Pcm
from gateway.audio.resample import AGENT_HZ, PHONE_HZ, Kind, Resampler, make_resampler

_Real = npt.NDArray[np.float64]

KINDS: tuple[Kind, ...] = get_args(Kind)
DIRECTIONS = ((PHONE_HZ, AGENT_HZ), (AGENT_HZ, PHONE_HZ))
HALF_SCALE = 16_384
TONE_HZ = 1_009
PHONE_BAND_HZ = (300, 503, TONE_HZ, 1_511, 2_003, 2_503, 3_001, 3_203, 3_301, 3_400)
# Tones of the agent that would fold into the telephone band, 300 to 3,400 Hz, at 8 kHz.
ALIASING_HZ = (4_603, 5_003, 6_007, 7_001, 7_703, 8_297, 9_001, 10_007, 11_003, 11_399)


@dataclass(frozen=True, slots=True)
class Quality:
    """What one resampler does to tones in one direction; levels in dB against the tone that went in.

    Attributes:
        unwanted_1k_db, unwanted_3k_db: upwards the strongest image of 1 and of 3 kHz; downwards what folds
            onto 1 and onto 3 kHz: the alias of 7 and of 5 kHz.
        unwanted_worst_db: the strongest image or alias of all tones tried.
        dip_db, peak_db: lowest and highest gain from 300 to 3,400 Hz, against 1 kHz.
        at_3400_db: gain at 3.4 kHz against 1 kHz.
    """

    sinad_1k_db: float
    sinad_3k_db: float
    unwanted_1k_db: float
    unwanted_3k_db: float
    unwanted_worst_db: float
    dip_db: float
    peak_db: float
    at_3400_db: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Audio put in minus audio got out, after each 20 ms chunk once the delay has filled up; in ms."""

    min_ms: float
    mean_ms: float
    max_ms: float


def tone(freq_hz: float, rate_hz: int, duration_s: float = 0.6, amplitude: float = HALF_SCALE) -> Pcm:
    """Return a sine: int16, rounded, without dither."""
    t = np.arange(round(rate_hz * duration_s)) / rate_hz
    wave: Pcm = np.rint(amplitude * np.sin(2 * np.pi * freq_hz * t)).astype(np.int16)
    return wave


def cut(pcm: Pcm, sizes: Iterable[int]) -> Iterator[Pcm]:
    """Cut audio into chunks of these sizes; what they leave over comes as one last chunk."""
    at = 0
    for size in sizes:
        yield pcm[at : at + size]
        at += size
    yield pcm[at:]


def frames(pcm: Pcm, rate_hz: int) -> Iterator[Pcm]:
    """Cut audio into frames of 20 ms."""
    return cut(pcm, [rate_hz // 50] * (len(pcm) * 50 // rate_hz))


def stream(resampler: Resampler, chunks: Iterable[Pcm]) -> Pcm:
    """Push all chunks, flush, and return all that came out."""
    ready = [resampler.push(chunk) for chunk in chunks]
    return np.concatenate([*ready, resampler.flush()])


def fit(pcm: Pcm | _Real, rate_hz: int, freq_hz: float) -> tuple[float, _Real]:
    """Return the amplitude of the sine that fits best, and what is left without it."""
    w = 2 * np.pi * freq_hz * np.arange(len(pcm)) / rate_hz
    basis = np.stack([np.sin(w), np.cos(w)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, pcm.astype(np.float64), rcond=None)
    return hypot(*weights), pcm - basis @ weights


def decibels(ratio: float) -> float:
    """Return an amplitude ratio in dB, at least −160."""
    return 20 * log10(max(ratio, 1e-8))


class Bench:
    """Sends tones through one kind of resampler in one direction. Lives as long as a row of the table."""

    def __init__(self, kind: Kind, from_hz: int, to_hz: int) -> None:
        self.kind = kind
        self.from_hz = from_hz
        self.to_hz = to_hz

    def fresh(self) -> Resampler:
        """Return a new resampler."""
        return make_resampler(self.kind, self.from_hz, self.to_hz)

    def play(self, freq_hz: float) -> Pcm:
        """Return what comes out for a tone, without its first and last 100 ms."""
        made = stream(self.fresh(), frames(tone(freq_hz, self.from_hz), self.from_hz))
        return made[self.to_hz // 10 : -self.to_hz // 10]

    def gain_db(self, freq_hz: float) -> float:
        """Return a tone's level behind the resampler."""
        return decibels(fit(self.play(freq_hz), self.to_hz, freq_hz)[0] / HALF_SCALE)

    def sinad_db(self, freq_hz: float) -> float:
        """Return a tone's power against all else that comes out with it."""
        amplitude, rest = fit(self.play(freq_hz), self.to_hz, freq_hz)
        return decibels(amplitude / float(np.sqrt(2 * np.mean(rest**2))))

    def unwanted_db(self, freq_hz: int) -> float:
        """Return the strongest image of a telephone tone, or the alias of an agent's tone."""
        made = self.play(freq_hz)
        if self.from_hz == AGENT_HZ:
            folded_hz = abs((freq_hz + 4_000) % PHONE_HZ - 4_000)
            return decibels(fit(made, self.to_hz, folded_hz)[0] / HALF_SCALE)
        _, rest = fit(made, self.to_hz, freq_hz)  # the tone's own leakage would hide its images
        images = [fit(rest, self.to_hz, PHONE_HZ + side * freq_hz)[0] for side in (-1, 1)]
        return decibels(max(images) / HALF_SCALE)

    def quality(self) -> Quality:
        """Measure all there is to say about tones."""
        reference_db = self.gain_db(TONE_HZ)
        band = [self.gain_db(freq_hz) - reference_db for freq_hz in PHONE_BAND_HZ]
        down = self.from_hz == AGENT_HZ
        tried = {hz: self.unwanted_db(hz) for hz in (ALIASING_HZ if down else PHONE_BAND_HZ)}
        return Quality(
            sinad_1k_db=self.sinad_db(TONE_HZ),
            sinad_3k_db=self.sinad_db(3_001),
            unwanted_1k_db=tried[7_001 if down else TONE_HZ],
            unwanted_3k_db=tried[5_003 if down else 3_001],
            unwanted_worst_db=max(tried.values()),
            dip_db=min(band),
            peak_db=max(band),
            at_3400_db=band[-1],
        )

    def delay(self) -> Delay:
        """Measure the delay over 250 chunks of 20 ms, from the chunk at which it is reached on."""
        resampler = self.fresh()
        put = got = 0
        lags = []
        for chunk in frames(tone(TONE_HZ, self.from_hz, 5.0), self.from_hz):
            put += len(chunk)
            got += len(resampler.push(chunk))
            if got and len(chunk):
                lags.append(1000 * put / self.from_hz - 1000 * got / self.to_hz)
        return Delay(min(lags), sum(lags) / len(lags), max(lags))

    def cost_us(self, rounds: int = 2_000) -> float:
        """Measure the time one 20 ms chunk takes: the best of seven runs."""
        resampler, chunk = self.fresh(), tone(TONE_HZ, self.from_hz, 0.02)
        return min(timeit.repeat(lambda: resampler.push(chunk), number=rounds, repeat=7)) / rounds * 1e6


def table(cost_rounds: int = 2_000) -> str:
    """Return the whole table as text, one row for each kind and direction."""
    lines = [
        "                  SINAD dB   image of/alias at, dB    300-3400 Hz, dB        delay, ms       µs per",
        "resampler        1 kHz 3 kHz  1 kHz  3 kHz   worst  dip/peak   3400 Hz   min/  mean/   max  20 ms",
    ]
    for kind in KINDS:
        for from_hz, to_hz in DIRECTIONS:
            bench = Bench(kind, from_hz, to_hz)
            q, d = bench.quality(), bench.delay()
            lines.append(
                f"{kind:9} {from_hz // 1000:2} → {to_hz // 1000:2}  "
                f"{q.sinad_1k_db:7.1f}{q.sinad_3k_db:6.1f}"
                f"{q.unwanted_1k_db:7.1f}{q.unwanted_3k_db:7.1f}{q.unwanted_worst_db:8.1f}"
                f"{q.dip_db:8.3f}/{q.peak_db:5.3f}{q.at_3400_db:7.3f}"
                f"{d.min_ms:8.3f}/{d.mean_ms:6.3f}/{d.max_ms:6.3f}{bench.cost_us(cost_rounds):7.1f}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
