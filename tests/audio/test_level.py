"""The level meter against values one can work out by hand."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.level import FLOOR_DBFS, LevelMeter
from gateway.audio.pcm import Pcm

SQUARE: Pcm = np.tile(np.array([-32_768, 32_767], dtype=np.int16), 80)


def metered(*chunks: Pcm) -> LevelMeter:
    meter = LevelMeter()
    for chunk in chunks:
        meter.push(chunk)
    return meter


def sine(amplitude: float) -> Pcm:
    wave: Pcm = np.rint(amplitude * np.sin(2 * np.pi * np.arange(8_000) / 8)).astype(np.int16)
    return wave


def test_nothing_reads_the_floor() -> None:
    """A meter that has heard nothing reads the floor, not minus infinity."""
    assert metered().rms_dbfs == FLOOR_DBFS
    assert metered().peak_dbfs == FLOOR_DBFS


def test_empty_chunk_changes_nothing() -> None:
    """A chunk without samples neither fails nor counts."""
    assert metered(np.empty(0, dtype=np.int16)).peak_dbfs == FLOOR_DBFS


def test_silence_reads_the_floor() -> None:
    """Digital silence reads the floor in both figures."""
    meter = metered(np.zeros(160, dtype=np.int16))

    assert (meter.rms_dbfs, meter.peak_dbfs) == (FLOOR_DBFS, FLOOR_DBFS)


def test_full_scale_square_reads_zero() -> None:
    """The loudest signal there is reads 0 dBFS, and -32768 does not overflow."""
    meter = metered(SQUARE)

    assert meter.rms_dbfs == pytest.approx(0.0, abs=0.001)
    assert meter.peak_dbfs == 0.0


def test_sine_reads_three_decibels_below_its_peak() -> None:
    """A sine of half scale peaks at -6.02 dBFS and reads -9.03 RMS."""
    meter = metered(sine(16_384))

    assert meter.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert meter.rms_dbfs == pytest.approx(-9.03, abs=0.01)


def test_one_faint_sample_in_long_silence_reads_the_floor_in_rms_only() -> None:
    """RMS never reads below the floor, however long the silence around a click of one step."""
    click = np.zeros(480_000, dtype=np.int16)
    click[0] = 1
    meter = metered(click)

    assert meter.rms_dbfs == FLOOR_DBFS
    assert meter.peak_dbfs == pytest.approx(-90.31, abs=0.01)


def test_reset_starts_anew() -> None:
    """After a reset only what follows is measured."""
    meter = metered(SQUARE)

    meter.reset()
    meter.push(sine(327.68))

    assert meter.peak_dbfs == pytest.approx(-40.0, abs=0.02)


@pytest.mark.parametrize("sign", [1, -1])
def test_peak_sees_either_sign(sign: int) -> None:
    """A lone excursion counts by magnitude, up or down."""
    pulse = np.zeros(160, dtype=np.int16)
    pulse[80] = sign * 16_384

    assert metered(pulse).peak_dbfs == pytest.approx(-6.02, abs=0.01)


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=99), st.integers(0, 99))
def test_levels_do_not_depend_on_the_cut(values: list[int], border: int) -> None:
    """One push or two give the same reading."""
    pcm = np.array(values, dtype=np.int16)
    whole, halves = metered(pcm), metered(pcm[:border], pcm[border:])

    assert halves.peak_dbfs == whole.peak_dbfs
    assert halves.rms_dbfs == pytest.approx(whole.rms_dbfs)


def test_reading_between_chunks_disturbs_nothing() -> None:
    """A meter that is read after every chunk reads at the end what one reads that was left alone."""
    chunks = [sine(300.0 * k)[k : k + 160] for k in range(1, 60)]
    left_alone, watched = metered(*chunks), LevelMeter()

    for count, chunk in enumerate(chunks, 1):
        watched.push(chunk)
        assert watched.rms_dbfs == pytest.approx(metered(*chunks[:count]).rms_dbfs)

    assert watched.peak_dbfs == left_alone.peak_dbfs


def test_measuring_wakes_no_thread() -> None:
    """However much is measured at once, no second thread works: the event loop would have to wait for it."""
    much: Pcm = np.tile(SQUARE, 500)
    metered(much).rms_dbfs  # noqa: B018 - the first time pays for more
    others_before = time.process_time() - time.thread_time()
    for _ in range(2_000):
        metered(much).rms_dbfs  # noqa: B018

    assert time.process_time() - time.thread_time() - others_before < 0.005
