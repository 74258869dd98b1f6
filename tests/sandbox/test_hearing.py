import numpy as np
import pytest

from gateway.sandbox.hearing import Ear, Heard
from gateway.sandbox.signals import sine
from gateway.speech.vad import Edge, energy

SPEECH = sine(300.0, 1.0, -12.0)
SILENCE = bytes(48_000)


def listen(ear: Ear, audio: bytes, frame_bytes: int = 960) -> list[Heard]:
    """Push audio in frames; return what started and stopped."""
    return [
        event for i in range(0, len(audio), frame_bytes) for event in ear.push(audio[i : i + frame_bytes])
    ]


@pytest.mark.parametrize("frame_bytes", [333, 960, 4_800, 200_000])
def test_utterance_is_kept_with_what_was_just_before_it(frame_bytes: int) -> None:
    """A second of speech gives an utterance of itself, 0.3 s before and the 0.56 s that ended it."""
    started, stopped = listen(Ear(energy()), SILENCE + SPEECH + SILENCE, frame_bytes)
    assert (started.edge, stopped.edge) == (Edge.STARTED, Edge.STOPPED)
    assert len(started.pcm) == 300 * 16
    assert len(stopped.pcm) == pytest.approx((220 + 1_000 + 560) * 16, abs=640)


def test_utterance_holds_the_speech_at_its_new_rate() -> None:
    """What the recogniser gets is the caller's tone, at 16 kHz and at its level."""
    ear = Ear(energy())
    listen(ear, SILENCE + SPEECH + SILENCE[:9_600])
    heard = ear.so_far()[-12_000:-4_000].astype(np.float64)
    assert np.abs(np.fft.rfft(heard)).argmax() == 150
    assert heard.max() == pytest.approx(32_767 * 10 ** (-12 / 20), rel=0.01)


def test_silence_is_not_collected() -> None:
    """However long the silence, no more is kept than the third of a second before a possible word."""
    ear = Ear(energy())
    listen(ear, SILENCE * 20)
    assert ear.kept_ms <= 300
    assert (ear.speaking, ear.speech_ms, ear.utterances) == (False, 0, 0)


def test_endless_speech_is_cut_into_utterances() -> None:
    """After ten seconds an utterance ends, whether or not the caller breathes, and the next begins."""
    ear = Ear(energy())
    events = listen(ear, SPEECH * 12)
    assert [event.edge for event in events] == [Edge.STARTED, Edge.STOPPED, Edge.STARTED]
    assert len(events[1].pcm) == 160_000
    assert ear.utterances == 2


def test_two_utterances_in_one_message_are_two() -> None:
    """A client that sends half a minute at once loses none of what it said."""
    events = listen(Ear(energy()), (SPEECH + SILENCE) * 2, 1_000_000)
    assert [event.edge for event in events] == [Edge.STARTED, Edge.STOPPED] * 2
    assert all(len(event.pcm) > 16_000 for event in events[1::2])
