"""The clips: there, short, at a decent level, and without a click at either end."""

from typing import cast

import numpy as np
import pytest

from gateway.audio import ulaw
from gateway.audio.clips import CLIPS, Clip, load
from gateway.audio.level import LevelMeter
from tests.bench.resamplers import fit

PHONE_HZ = 8_000


def test_every_clip_has_a_name_in_the_type() -> None:
    """The names that may be asked for are those of the type."""
    assert set(CLIPS) == {"one_moment", "goodbye", "apology"}


@pytest.mark.parametrize(
    ("name", "shortest_s", "longest_s"),
    [("one_moment", 0.6, 0.8), ("goodbye", 0.4, 1.5), ("apology", 4.0, 7.5)],
)
def test_clip_lasts_as_long_as_it_should(name: Clip, shortest_s: float, longest_s: float) -> None:
    """Each clip says its piece and no more, in less than 60 kB."""
    data = load(name)

    assert shortest_s <= len(data) / PHONE_HZ <= longest_s
    assert len(data) < 60_000


@pytest.mark.parametrize("name", CLIPS)
def test_clip_is_neither_faint_nor_clipped(name: Clip) -> None:
    """Each clip is about as loud as speech on a telephone, with headroom."""
    meter = LevelMeter()
    meter.push(ulaw.decode(load(name)))

    assert -24 < meter.rms_dbfs < -16
    assert -15 < meter.peak_dbfs < -1


@pytest.mark.parametrize("name", CLIPS)
def test_clip_fades_in_and_out(name: Clip) -> None:
    """The first and last millisecond are all but silent: no click."""
    pcm = ulaw.decode(load(name)).astype(int)

    assert np.abs(pcm[:8]).max() < 400
    assert np.abs(pcm[-8:]).max() < 100


def test_chime_has_its_two_notes_one_after_the_other() -> None:
    """The lower note sounds first, alone; the higher joins it."""
    pcm = ulaw.decode(load("one_moment"))
    first, second = pcm[:1_280], pcm[1_600:3_600]

    assert fit(first, PHONE_HZ, 659.26)[0] > 10 * fit(first, PHONE_HZ, 880.0)[0]
    assert fit(second, PHONE_HZ, 880.0)[0] > fit(second, PHONE_HZ, 659.26)[0]


def test_load_reads_each_clip_once() -> None:
    """A clip asked for again is the same object."""
    assert load("goodbye") is load("goodbye")


@pytest.mark.parametrize("name", ["hello", "", "../clips", "one_moment.ulaw"])
def test_load_refuses_an_unknown_name(name: str) -> None:
    """Another name is refused by naming those there are."""
    with pytest.raises(ValueError, match=r"no clip is called .*; there are one_moment, goodbye, apology"):
        load(cast("Clip", name))
