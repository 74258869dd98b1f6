"""Keys as tones: a receiver as Q.24 wants it understands every key, at the levels and times promised."""

from itertools import product
from math import log10

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio import ulaw
from gateway.audio.dtmf import MAX_KEYS, PAUSE_MS, TONE_MS, WAIT_MS, tones

MS = 8  # samples
LOW_HZ, HIGH_HZ = (697, 770, 852, 941), (1_209, 1_336, 1_477, 1_633)
KEYPAD = dict(zip(product(LOW_HZ, HIGH_HZ), "123A456B789C*0#D", strict=True))
KEYS = "".join(KEYPAD.values())
FULL_SCALE = 32_124
FULL_SCALE_DBM0 = 3.17

Real = npt.NDArray[np.float64]


def dbm0(amplitude: float) -> float:
    """Return the level of a sine of that peak."""
    return 20 * log10(amplitude / FULL_SCALE) + FULL_SCALE_DBM0


def amplitude(samples: Real, hz: float) -> float:
    """Return the peak of the sine of a frequency, by correlation over the middle of a tone."""
    middle = samples[10 * MS : -10 * MS]
    wave = np.exp(-2j * np.pi * hz * np.arange(len(middle)) / 8_000)
    window = np.hanning(len(middle))
    return float(2 * abs(np.dot(middle * window, wave)) / window.sum())


def understood(audio: bytes) -> str:
    """Return the keys that a receiver hears: of each 100 ms that sounds the strongest of either group."""
    samples = ulaw.decode(audio).astype(np.float64)
    keys, at = "", 0
    while at < len(samples):
        tone = samples[at : at + TONE_MS * MS]
        if not np.any(tone):
            keys, at = keys + "w", at + WAIT_MS["w"] * MS
            continue
        low, high = (max(group, key=lambda hz: amplitude(tone, hz)) for group in (LOW_HZ, HIGH_HZ))
        keys, at = keys + KEYPAD[low, high], at + (TONE_MS + PAUSE_MS) * MS
    return keys


@pytest.mark.parametrize("key", KEYS)
def test_key_is_its_two_tones_and_nothing_else(key: str) -> None:
    """The two frequencies of a key stand 30 dB above any other, within 0.2 % of where they belong."""
    [(low_hz, high_hz)] = [pair for pair, name in KEYPAD.items() if name == key]
    tone = ulaw.decode(tones(key))[: TONE_MS * MS].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 1 << 17))
    hz = np.fft.rfftfreq(1 << 17, 1 / 8_000)
    near_low, near_high = np.abs(hz - low_hz) < 30, np.abs(hz - high_hz) < 30

    assert hz[near_low][np.argmax(spectrum[near_low])] == pytest.approx(low_hz, rel=0.002)
    assert hz[near_high][np.argmax(spectrum[near_high])] == pytest.approx(high_hz, rel=0.002)
    rest = spectrum[(hz > 200) & ~near_low & ~near_high].max()
    assert 20 * log10(min(spectrum[near_low].max(), spectrum[near_high].max()) / rest) > 30


@pytest.mark.parametrize("key", KEYS)
def test_levels_and_twist(key: str) -> None:
    """The low group leaves at −9 dBm0, the high at −7, so that the twist is 2 dB; nothing clips."""
    [(low_hz, high_hz)] = [pair for pair, name in KEYPAD.items() if name == key]
    tone = ulaw.decode(tones(key))[: TONE_MS * MS].astype(np.float64)
    low, high = dbm0(amplitude(tone, low_hz)), dbm0(amplitude(tone, high_hz))

    assert low == pytest.approx(-9, abs=0.2)
    assert high == pytest.approx(-7, abs=0.2)
    assert high - low == pytest.approx(2, abs=0.3)
    assert np.abs(tone).max() < 0.6 * FULL_SCALE


@pytest.mark.parametrize("key", KEYS)
def test_tone_lasts_as_long_as_it_should(key: str) -> None:
    """100 ms of tone, all of it loud, then 100 ms of pure silence; no click at either end."""
    samples = ulaw.decode(tones(key)).astype(int)
    tone, pause = samples[: TONE_MS * MS], samples[TONE_MS * MS :]

    assert len(pause) == PAUSE_MS * MS
    assert not pause.any()
    blocks = np.sqrt(np.mean(tone.reshape(-1, 10 * MS) ** 2, axis=1))
    assert blocks.min() > 0.7 * blocks.max()
    assert abs(tone[-1]) < 1_000


def test_pause_is_half_a_second() -> None:
    """A ``w`` is 500 ms of silence, a ``W`` twice that."""
    assert tones("w") == b"\xff" * (500 * MS)
    assert tones("W") == tones("ww")
    assert tones("1w2") == tones("1") + tones("w") + tones("2")


@given(st.text(KEYS + "w", min_size=1, max_size=8))
def test_every_word_is_understood(keys: str) -> None:
    """Whatever is pressed, in whatever order, a receiver hears just that."""
    assert understood(tones(keys)) == keys


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ("12x4", "character 3 is no key; keys are 0-9, *, #, A-D, and w for a pause"),
        ("E", "character 1 is no key"),
        ("1 2", "character 2 is no key"),
        ("１", "character 1 is no key"),
        ("", "1 to 32 keys can be pressed at once, not 0"),
        ("1" * (MAX_KEYS + 1), "1 to 32 keys can be pressed at once, not 33"),
    ],
)
def test_what_is_no_key_is_refused(keys: str, fault: str) -> None:
    """Anything else is refused by its place; what it was is not told, for it may be half a secret."""
    with pytest.raises(ValueError, match=fault.replace("*", r"\*")) as refusal:
        tones(keys)
    assert "x" not in str(refusal.value)


def test_letters_are_keys_in_either_case() -> None:
    """Keypads have capitals; who writes small ones means the same."""
    assert tones("abcd") == tones("ABCD")


def test_as_many_keys_as_twilio_sends() -> None:
    """The longest word that is taken is 32 keys."""
    assert len(tones("1" * MAX_KEYS)) == MAX_KEYS * (TONE_MS + PAUSE_MS) * MS
