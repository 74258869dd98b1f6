"""The clips: there, short, at a decent level, and without a click at either end."""

import struct
from functools import partial
from typing import cast

import numpy as np
import pytest

from gateway.audio import pcm, ulaw
from gateway.audio.clips import CLIPS, HOLD_NOTE_BYTES, Clip, from_wav, load
from gateway.audio.level import LevelMeter
from tests.bench.resamplers import fit

PHONE_HZ = 8_000


def test_every_clip_has_a_name_in_the_type() -> None:
    """The names that may be asked for are those of the type."""
    assert set(CLIPS) == {"one_moment", "hold", "goodbye", "apology"}


@pytest.mark.parametrize(
    ("name", "shortest_s", "longest_s"),
    [("one_moment", 0.6, 0.8), ("hold", 3.2, 3.2), ("goodbye", 0.4, 1.5), ("apology", 4.0, 7.5)],
)
def test_clip_lasts_as_long_as_it_should(name: Clip, shortest_s: float, longest_s: float) -> None:
    """Each clip says its piece and no more, in less than 60 kB."""
    data = load(name)

    assert shortest_s <= len(data) / PHONE_HZ <= longest_s
    assert len(data) < 60_000


@pytest.mark.parametrize("name", ["one_moment", "goodbye", "apology"])
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


def test_hold_tone_is_quiet() -> None:
    """The hold tone stays well below speech: it may go on for a while."""
    meter = LevelMeter()
    meter.push(ulaw.decode(load("hold")))

    assert meter.rms_dbfs == pytest.approx(-24, abs=0.5)
    assert meter.peak_dbfs < -12


def test_hold_tone_can_stop_after_any_note_and_go_round() -> None:
    """Each of its four notes begins and ends in silence, so that no seam clicks, the loop's least of all."""
    notes = ulaw.decode(load("hold")).astype(int).reshape(-1, HOLD_NOTE_BYTES)

    assert len(notes) == 4
    for note, own_hz in zip(notes, (392.00, 523.25, 659.26, 523.25), strict=True):
        middle = note[1_000:3_000].astype(np.int16)
        assert not note[-30 * 8 :].any()
        assert np.abs(note[:8]).max() < 50
        assert own_hz == max((392.00, 523.25, 659.26), key=partial(_strength, middle))


def _strength(samples: pcm.Pcm, hz: float) -> float:
    return fit(samples, PHONE_HZ, hz)[0]


def wav_of(samples: pcm.Pcm, rate_hz: int, *, channels: int = 1) -> bytes:
    """Write a WAV of PCM16, all channels alike."""
    body = pcm.to_bytes(np.repeat(samples, channels))
    shape = struct.pack("<HHIIHH", 1, channels, rate_hz, 2 * channels * rate_hz, 2 * channels, 16)
    head = b"WAVEfmt " + struct.pack("<I", len(shape)) + shape + b"data" + struct.pack("<I", len(body))
    return b"RIFF" + struct.pack("<I", len(head) + len(body)) + head + body


def sine(rate_hz: int, seconds: float = 1.0, hz: float = 1_009.0) -> pcm.Pcm:
    """Return a tone at half scale."""
    at = np.arange(round(rate_hz * seconds)) / rate_hz
    tone: pcm.Pcm = (16_384 * np.sin(2 * np.pi * hz * at)).astype(np.int16)
    return tone


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_wav_becomes_a_clip(rate_hz: int, channels: int) -> None:
    """A WAV of each rate, mono or stereo, becomes µ-law at 8 kHz: as long, as loud, the same tone."""
    clip = from_wav(wav_of(sine(rate_hz), rate_hz, channels=channels))

    assert len(clip) == 8_000
    amplitude, rest = fit(ulaw.decode(clip)[800:-800], PHONE_HZ, 1_009.0)
    assert amplitude == pytest.approx(16_384, rel=0.01)
    assert np.sqrt(np.mean(rest**2)) < 16_384 / 50  # µ-law's own noise


def test_wav_above_the_telephone_band_does_not_fold_into_it() -> None:
    """A tone that 8 kHz cannot carry is taken out, not folded down."""
    clip = from_wav(wav_of(sine(48_000, hz=7_001.0), 48_000))

    assert np.abs(ulaw.decode(clip)[800:-800].astype(int)).max() < 20


def test_wav_of_mu_law_is_taken_as_it_is() -> None:
    """µ-law at 8 kHz is what the phone speaks: not a byte is changed."""
    spoken = load("goodbye")
    shape = struct.pack("<HHIIHH", 7, 1, 8_000, 8_000, 1, 8)
    head = b"WAVEfmt " + struct.pack("<I", len(shape)) + shape + b"data" + struct.pack("<I", len(spoken))

    assert from_wav(b"RIFF" + struct.pack("<I", len(head) + len(spoken)) + head + spoken) == spoken


def test_same_wav_always_gives_the_same_clip() -> None:
    """No dither is added on the way."""
    data = wav_of(sine(24_000), 24_000)

    assert from_wav(data) == from_wav(data)


def test_loudest_wav_is_clipped_not_wrapped() -> None:
    """Overshoot of the resampler beyond full scale stays at full scale."""
    square = np.where(np.arange(24_000) // 30 % 2, 32_767, -32_768).astype(np.int16)
    clip = ulaw.decode(from_wav(wav_of(square, 24_000))).astype(int)

    assert np.abs(clip).max() == 32_124
    assert np.sign(clip[1_000:1_005]).tolist() == np.sign(square[3_000:3_015:3]).tolist()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"ID3 an mp3", "not a WAV file"),
        (wav_of(sine(44_100), 44_100), r"44100 Hz; convert it to 8000 Hz \(8000, 16000, 24000 and 48000 are"),
        (wav_of(sine(8_000, 30.1), 8_000), "30.1 s long; shorten it to 30 s or less"),
        (wav_of(sine(8_000, 0), 8_000), "no sound in it; record it again"),
    ],
)
def test_wav_that_cannot_be_a_clip(data: bytes, fault: str) -> None:
    """What is no WAV, of another rate, too long or empty is refused with the fault and what to do."""
    with pytest.raises(ValueError, match=fault):
        from_wav(data)


def test_longest_wav() -> None:
    """Just 30 s are taken."""
    assert len(from_wav(wav_of(sine(8_000, 30), 8_000))) == 240_000


def test_load_reads_each_clip_once() -> None:
    """A clip asked for again is the same object."""
    assert load("goodbye") is load("goodbye")


@pytest.mark.parametrize("name", ["hello", "", "../clips", "one_moment.ulaw"])
def test_load_refuses_an_unknown_name(name: str) -> None:
    """Another name is refused by naming those there are."""
    with pytest.raises(
        ValueError, match=r"no clip is called .*; there are one_moment, hold, goodbye, apology"
    ):
        load(cast("Clip", name))
