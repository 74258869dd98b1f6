"""The resampler table of `tests/bench/resamplers.py`, and the law that samples in equal samples out."""

import weakref
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audio.pcm import Pcm, from_bytes
from gateway.audio.resample import AGENT_HZ, PHONE_HZ, Kind, SoxrResampler, make_resampler, prototype
from tests.bench.resamplers import DIRECTIONS, KINDS, TONE_HZ, Bench, cut, fit, frames, stream, table, tone

UP, DOWN = DIRECTIONS
EVERY = [
    pytest.param(Bench(kind, *direction), id=f"{kind}-{direction[0]}-{direction[1]}")
    for kind in KINDS
    for direction in DIRECTIONS
]
every_resampler = pytest.mark.parametrize("bench", EVERY)


def noise(count: int, seed: int = 0) -> Pcm:
    return np.random.default_rng(seed).integers(-32_768, 32_768, count).astype(np.int16)


def owed(bench: Bench, count: int) -> int:
    """The law: n samples in, n times the ratio out, rounded up."""
    return -(-count * bench.to_hz // bench.from_hz)


def whole(bench: Bench, pcm: Pcm) -> list[int]:
    return [int(sample) for sample in stream(bench.fresh(), [pcm])]


@every_resampler
def test_tones_come_out_clean(bench: Bench) -> None:
    """1 and 3 kHz leave at least 85 dB over all noise and distortion."""
    quality = bench.quality()

    assert quality.sinad_1k_db >= 85
    assert quality.sinad_3k_db >= 85


@every_resampler
def test_images_and_aliases_stay_out(bench: Bench) -> None:
    """No tone of the telephone band makes an image, and none above it folds back, at -90 dB or more."""
    quality = bench.quality()

    assert quality.unwanted_1k_db <= -90
    assert quality.unwanted_3k_db <= -90
    assert quality.unwanted_worst_db <= -90


@pytest.mark.parametrize("kind", KINDS)
def test_agents_5_khz_tone_does_not_reach_the_caller(kind: Kind) -> None:
    """A 5 kHz tone, which 8 kHz cannot hold, is at least 60 dB down at 3 kHz, where it would fold to."""
    made = Bench(kind, *DOWN).play(5_000)

    assert fit(made, PHONE_HZ, 3_000)[0] <= 16_384 / 1_000


@every_resampler
def test_telephone_band_is_flat(bench: Bench) -> None:
    """From 300 to 3,400 Hz no gain is further than 0.1 dB from that at 1 kHz."""
    quality = bench.quality()

    assert quality.dip_db >= -0.1
    assert quality.peak_db <= 0.1
    assert abs(quality.at_3400_db) <= 0.1


@pytest.mark.parametrize(
    ("kind", "direction", "delay_ms"),
    [("soxr", UP, 30.0), ("soxr", DOWN, 25.0), ("low_delay", UP, 4.0), ("low_delay", DOWN, 3.875)],
)
def test_delay_is_constant(kind: Kind, direction: tuple[int, int], delay_ms: float) -> None:
    """Over five seconds of 20 ms chunks the delay is the one promised, after each of them."""
    bench = Bench(kind, *direction)
    delay = bench.delay()

    assert (delay.min_ms, delay.mean_ms, delay.max_ms) == (delay_ms, delay_ms, delay_ms)
    assert bench.fresh().delay_ms == delay_ms


@every_resampler
def test_each_chunk_brings_audio_once_the_delay_has_filled_up(bench: Bench) -> None:
    """A 20 ms chunk in is a 20 ms chunk out: no bursts, no gaps."""
    resampler = bench.fresh()
    sizes = [len(resampler.push(frame)) for frame in frames(tone(TONE_HZ, bench.from_hz), bench.from_hz)]

    assert set(sizes[2:-1]) == {bench.to_hz // 50}


@every_resampler
def test_output_lies_in_time_where_the_input_lay(bench: Bench) -> None:
    """After the flush a 1 kHz tone has kept its place: the FIR's to the microsecond, soxr's to 0.25 ms."""
    made = bench.play(TONE_HZ)
    t = 0.1 + np.arange(len(made)) / bench.to_hz  # play() leaves out the first 100 ms
    phase = np.angle(np.sum(made * np.exp(-2j * np.pi * TONE_HZ * t))) + np.pi / 2

    assert abs(phase / (2 * np.pi * TONE_HZ)) <= (0.25e-3 if bench.kind == "soxr" else 1e-6)


@every_resampler
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=12), st.integers(0, 2**32 - 1))
def test_samples_in_are_samples_out_for_any_cut(bench: Bench, sizes: list[int], seed: int) -> None:
    """Whatever the chunks, odd and empty ones too, nothing is lost and the cut is not heard."""
    pcm = noise(sum(sizes), seed)

    made = stream(bench.fresh(), cut(pcm, sizes))

    assert len(made) == owed(bench, len(pcm))
    assert made.tolist() == whole(bench, pcm)


@every_resampler
def test_law_holds_for_every_short_stream(bench: Bench) -> None:
    """Each length up to 40 samples gives exactly its share, one sample at a time."""
    counts = [len(stream(bench.fresh(), cut(noise(n), [1] * n))) for n in range(40)]

    assert counts == [owed(bench, n) for n in range(40)]


@every_resampler
def test_law_holds_for_a_long_burst(bench: Bench) -> None:
    """Ten seconds in one push lose nothing and equal the same in frames."""
    pcm = noise(10 * bench.from_hz + 1)

    at_once = stream(bench.fresh(), [pcm])

    assert len(at_once) == owed(bench, len(pcm))
    assert np.array_equal(at_once, stream(bench.fresh(), frames(pcm, bench.from_hz)))


@every_resampler
def test_empty_stream_gives_nothing(bench: Bench) -> None:
    """A flush without audio, or with empty chunks only, returns no samples."""
    resampler = bench.fresh()
    nothing = resampler.push(noise(0))

    assert nothing.shape == (0,)
    assert nothing.dtype == np.int16
    assert resampler.flush().shape == (0,)
    assert resampler.flush().shape == (0,)


@every_resampler
def test_flushed_object_is_as_good_as_new(bench: Bench) -> None:
    """The next turn carries nothing over from the last, cut at an awkward place."""
    used = bench.fresh()
    stream(used, [noise(1_001, seed=1)])

    second = stream(used, [noise(2_000, seed=2)])

    assert second.tolist() == whole(bench, noise(2_000, seed=2))


def test_soxr_holds_no_native_memory_between_turns() -> None:
    """A flushed resampler that waits to be collected costs no more than its Python object."""
    resampler = make_resampler("soxr", 24_000, 8_000)
    resampler.push(noise(2_400))
    assert isinstance(resampler, SoxrResampler)
    assert resampler._stream is not None
    stream = weakref.ref(resampler._stream)
    resampler.flush()

    assert stream() is None


@every_resampler
def test_objects_share_no_state(bench: Bench) -> None:
    """Two calls at once hear their own audio."""
    one, other = bench.fresh(), bench.fresh()
    pcm = noise(4_000)
    parts = [(one.push(frame), other.push(np.zeros_like(frame))) for frame in frames(pcm, bench.from_hz)]

    assert np.concatenate([*(mine for mine, _ in parts), one.flush()]).tolist() == whole(bench, pcm)
    assert not any(theirs.any() for _, theirs in parts)


@every_resampler
def test_returned_samples_are_not_reused(bench: Bench) -> None:
    """What a push returned stays what it was when the next push comes."""
    resampler = bench.fresh()
    first = resampler.push(noise(2_400, seed=1))
    before = first.copy()

    resampler.push(noise(2_400, seed=2))

    assert np.array_equal(first, before)


@every_resampler
def test_silence_stays_silence(bench: Bench) -> None:
    """Digital silence comes out as zeros: no dither, nothing to set off a voice detector."""
    assert not any(whole(bench, np.zeros(4_000, dtype=np.int16)))


@every_resampler
def test_steady_level_passes_unchanged(bench: Bench) -> None:
    """A constant comes out as the same constant, all phases alike, within a step."""
    made = stream(bench.fresh(), [np.full(bench.from_hz, 10_000, dtype=np.int16)])
    inside = made[len(made) // 4 : -len(made) // 4].astype(int)

    assert np.abs(inside - 10_000).max() <= 1


@every_resampler
def test_full_scale_square_saturates(bench: Bench) -> None:
    """The overshoot of a full-scale square wave is clipped; a wrap would show the opposite sign."""
    half = bench.from_hz // 400
    square = np.tile(np.repeat(np.array([32_767, -32_768], dtype=np.int16), half), 50)

    made = stream(bench.fresh(), [square])

    assert made.max() == 32_767
    assert made.min() == -32_768
    # Away from the edges each half wave keeps its sign.
    plateaus = made.reshape(-1, bench.to_hz // 400)[2:-2]
    inside = plateaus[:, plateaus.shape[1] // 4 : -plateaus.shape[1] // 4]
    assert (inside[::2] > 25_000).all()
    assert (inside[1::2] < -25_000).all()


@every_resampler
def test_read_only_and_strided_input_is_taken(bench: Bench) -> None:
    """Bytes off the wire and views with gaps are read where they lie."""
    pcm = noise(960)
    wire = from_bytes(pcm.tobytes())

    assert not wire.flags.writeable
    assert whole(bench, wire) == whole(bench, pcm)
    assert whole(bench, np.repeat(pcm, 2)[::2]) == whole(bench, pcm)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 95, 96, 97, 1_000, 5_003])
def test_fir_upwards_equals_the_textbook(length: int) -> None:
    """Three times as many samples, equal bit by bit to zero-stuffing and convolving with the prototype."""
    pcm = noise(length)
    stuffed = np.zeros(3 * length + 1)
    stuffed[: 3 * length : 3] = pcm
    exact = np.convolve(stuffed, 3 * prototype())[95:][: 3 * length]

    expected = np.clip(np.rint(exact), -32_768, 32_767)

    assert whole(Bench("low_delay", *UP), pcm) == expected.tolist()


@pytest.mark.parametrize("length", [1, 2, 3, 95, 96, 97, 1_000, 5_003])
def test_fir_downwards_equals_the_textbook(length: int) -> None:
    """Every third sample of the convolution with the prototype, bit by bit."""
    pcm = noise(length)
    exact = np.convolve(pcm.astype(float), prototype())[95:][:length:3]

    expected = np.clip(np.rint(exact), -32_768, 32_767)

    assert whole(Bench("low_delay", *DOWN), pcm) == expected.tolist()


def test_prototype_stops_all_that_8_khz_cannot_hold() -> None:
    """The low-pass is flat within 0.06 dB to 3.4 kHz and below -90 dB from 4 kHz on."""
    response = np.abs(np.fft.rfft(prototype(), 1 << 15))
    freq_hz = np.fft.rfftfreq(1 << 15, 1 / AGENT_HZ)
    level_db = 20 * np.log10(np.maximum(response, 1e-9))

    assert np.abs(level_db[freq_hz <= 3_400]).max() < 0.06
    assert level_db[freq_hz >= 4_000].max() < -90


def test_prototype_is_symmetric_and_exact() -> None:
    """Linear phase, and taps that are whole multiples of 2^-30, so that float64 sums are exact."""
    taps = prototype()

    assert taps.shape == (191,)
    assert np.array_equal(taps, taps[::-1])
    assert np.array_equal(taps * 2**30, np.rint(taps * 2**30))


@pytest.mark.parametrize("rates", [(8_000, 16_000), (24_000, 24_000), (24_000, 48_000), (0, 0)])
@pytest.mark.parametrize("kind", KINDS)
def test_other_rates_are_refused(kind: Kind, rates: tuple[int, int]) -> None:
    """Only the two legs' rates are served, and the error says which."""
    with pytest.raises(ValueError, match=r"from 8000 to 24000 Hz or back, not from"):
        make_resampler(kind, *rates)


def test_unknown_kind_is_refused() -> None:
    """Another name is refused by naming those there are."""
    with pytest.raises(ValueError, match=r"must be 'soxr' or 'low_delay', not 'linear'"):
        make_resampler(cast("Kind", "linear"), *UP)


def test_table_has_a_row_for_each_resampler(record_property: Callable[[str, object], None]) -> None:
    """The printable table is whole, and goes into the test report with its costs."""
    text = table(cost_rounds=200)
    record_property("resamplers", text)

    assert [line.split()[0] for line in text.splitlines()[2:]] == ["soxr", "soxr", "low_delay", "low_delay"]
