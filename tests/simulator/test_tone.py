"""A sine found again: frequency, SINAD, level, length, holes, clicks."""

import numpy as np
import pytest

from gateway.audio import ulaw
from gateway.audio.pcm import Pcm
from gateway.simulator.caller import sine
from gateway.simulator.tone import ToneMatch, match


def line(*parts: Pcm) -> Pcm:
    """Join parts of a line, half a second of silence around them."""
    silence = np.zeros(4_000, dtype=np.int16)
    return np.concatenate([silence, *parts, silence])


def found(pcm: Pcm, hz: float = 1_004) -> ToneMatch:
    """Match a tone that must be there."""
    tone = match(pcm, hz)
    assert tone is not None
    return tone


class TestCleanTone:
    """Nothing happened to it."""

    @pytest.mark.parametrize("hz", [303.0, 440.0, 1_004.0, 1_004.3, 3_389.0])
    def test_frequency_and_length_are_exact(self, hz: float) -> None:
        """To a hundredth of a hertz, and within a period of the ends."""
        tone = found(line(sine(hz, 24_000, -10)), hz)

        assert tone.hz == pytest.approx(hz, abs=0.01)
        assert tone.samples == pytest.approx(24_000, abs=4)
        assert (tone.holes, tone.clicks, tone.phase_jumps) == (0, 0, 0)

    def test_level_is_the_tones(self) -> None:
        """RMS against full scale."""
        assert found(line(sine(1_004, 8_000, -15))).dbfs == pytest.approx(-15, abs=0.05)

    def test_sinad_of_pure_samples_is_high(self) -> None:
        """Only rounding to 16 bits is left."""
        assert found(line(sine(1_003, 8_000, -10))).sinad_db > 75

    def test_sinad_of_mu_law_is_what_mu_law_allows(self) -> None:
        """Between 34 and 42 dB for a telephone level."""
        once = ulaw.decode(ulaw.encode(line(sine(1_003, 8_000, -10))))

        assert 34 < found(once).sinad_db < 42

    def test_a_minute_is_matched_as_well(self) -> None:
        """Small frequency errors do not add up."""
        tone = found(line(sine(1_004.02, 480_000, -10)))

        assert tone.hz == pytest.approx(1_004.02, abs=0.002)
        assert tone.phase_jumps == 0


class TestDamage:
    """What went wrong with it."""

    def test_noise_lowers_sinad(self) -> None:
        """Twenty decibels under the tone."""
        noise = np.random.default_rng(1).normal(0, 32_768 * 10 ** (-30 / 20), 16_000)
        pcm = (sine(1_004, 16_000, -10) + noise).astype(np.int16)

        assert found(line(pcm)).sinad_db == pytest.approx(20, abs=0.5)

    def test_a_hole_is_counted_and_its_samples_are_missing(self) -> None:
        """Twenty milliseconds of silence in the middle."""
        pcm = sine(1_004, 16_000, -10)
        pcm[8_000:8_160] = 0
        tone = found(line(pcm))

        assert tone.holes == 1
        assert tone.samples == pytest.approx(16_000 - 160, abs=10)

    def test_lost_samples_show_as_a_phase_jump(self) -> None:
        """Three samples of a 1,004 Hz tone are 2.4 rad."""
        pcm = sine(1_004, 16_000, -10)
        tone = found(line(np.delete(pcm, slice(8_000, 8_003))))

        assert tone.phase_jumps >= 1
        assert tone.samples == pytest.approx(15_997, abs=4)

    @pytest.mark.parametrize("hz", [1_004.0, 3_389.0])
    @pytest.mark.parametrize("damage", ["lost", "repeated", "swapped"])
    def test_whole_frames_out_of_place_are_noticed(self, hz: float, damage: str) -> None:
        """A tone without whole periods in 20 ms cannot be the same again."""
        pcm = sine(hz, 16_000, -10)
        frames = [pcm[start : start + 160] for start in range(0, 16_000, 160)]
        pieces = {"lost": (50, 52), "repeated": (50, 51, 51, 52), "swapped": (51, 50, 52)}[damage]
        tone = found(line(*frames[:50], *(frames[n] for n in pieces), *frames[53:]), hz)

        assert tone.clicks + tone.phase_jumps > 0

    def test_a_click_is_counted_once(self) -> None:
        """A few wrong samples side by side are one click."""
        pcm = sine(1_004, 16_000, -10)
        pcm[8_000:8_003] = 30_000

        assert found(line(pcm)).clicks == 1

    def test_another_frequency_is_reported_as_it_is(self) -> None:
        """A tone off by a semitone is not the tone."""
        assert found(line(sine(1_040, 16_000, -10))).hz == pytest.approx(1_040, abs=0.1)


class TestNoTone:
    """There is nothing to measure."""

    def test_silence_has_none(self) -> None:
        """Neither digital nor missing."""
        assert match(np.zeros(16_000, dtype=np.int16), 1_004) is None
        assert match(np.zeros(0, dtype=np.int16), 1_004) is None

    def test_a_beep_is_too_short(self) -> None:
        """Under 240 ms nothing can be said of continuity."""
        assert match(line(sine(1_004, 1_200, -10)), 1_004) is None
