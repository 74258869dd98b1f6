"""Callers without a script: silence, a recording, a tone."""

import io
import wave

import numpy as np
import pytest

from gateway.audio import ulaw
from gateway.simulator.caller import SilentCaller, ToneCaller, WavCaller, frames_of_wav, sine
from gateway.simulator.handset import Handset
from gateway.simulator.microphone import SILENCE, cut


def wav_of(samples: int, rate_hz: int = 8_000) -> bytes:
    """Build a WAV file with a sine in it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(sine(400, samples, -12).tobytes())
    return file.getvalue()


def frames_until_hang_up(handset: Handset, limit: int = 1_000) -> list[bytes]:
    """Advance until the phone is put down, and return the frames before that."""
    frames: list[bytes] = []
    for _ in range(limit):
        frame = handset.advance()
        if handset.hung_up:
            return frames
        frames.append(frame)
    raise AssertionError("the caller never hung up")


class TestSilentCaller:
    """Says nothing."""

    def test_hangs_up_after_its_time(self) -> None:
        """Two seconds are a hundred frames of silence."""
        frames = frames_until_hang_up(Handset(SilentCaller(2), "CA"))

        assert len(frames) == 100
        assert all(frame in SILENCE for frame in frames)

    def test_without_a_time_it_stays(self) -> None:
        """Somebody else has to end the call."""
        handset = Handset(SilentCaller(), "CA")
        for _ in range(1_000):
            handset.advance()

        assert not handset.hung_up


class TestWavCaller:
    """Plays a recording."""

    def test_plays_lingers_and_hangs_up(self) -> None:
        """Two frames of audio, then half a second of silence."""
        speech = cut(b"a" * 320)
        frames = frames_until_hang_up(Handset(WavCaller(speech, linger_s=0.5), "CA"))

        assert tuple(frames[:2]) == speech
        assert len(frames) == 2 + 25

    def test_repeats_without_a_pause(self) -> None:
        """Three times the same."""
        speech = cut(b"a" * 320)
        frames = frames_until_hang_up(Handset(WavCaller(speech, linger_s=0, repeat=3), "CA"))

        assert tuple(frames) == speech * 3

    def test_one_caller_makes_many_calls(self) -> None:
        """It keeps nothing of a call."""
        caller = WavCaller(cut(b"a" * 320), linger_s=0)

        assert frames_until_hang_up(Handset(caller, "CA1")) == frames_until_hang_up(Handset(caller, "CA2"))


class TestFramesOfWav:
    """Files become frames."""

    def test_samples_are_encoded(self) -> None:
        """PCM16 at 8 kHz turns into µ-law frames."""
        assert frames_of_wav(wav_of(320)) == cut(ulaw.encode(sine(400, 320, -12)))

    def test_another_rate_is_refused(self) -> None:
        """The message names both rates."""
        with pytest.raises(ValueError, match="8000 Hz, not 16000"):
            frames_of_wav(wav_of(320, rate_hz=16_000))

    def test_another_file_is_refused(self) -> None:
        """It is not a WAV."""
        with pytest.raises(ValueError, match="WAV"):
            frames_of_wav(b"ID3 not a wave at all, but long enough to be one")


class TestToneCaller:
    """Plays a sine."""

    def test_sends_exactly_its_samples(self) -> None:
        """The report compares with this number."""
        caller = ToneCaller(1_004, 0.1, linger_s=0)
        frames = frames_until_hang_up(Handset(caller, "CA"))

        assert (len(frames), caller.samples, caller.hz) == (5, 800, 1_004)

    def test_silence_may_come_first(self) -> None:
        """The tone follows whole."""
        caller = ToneCaller(1_004, 0.1, lead_s=0.2, linger_s=0)
        frames = frames_until_hang_up(Handset(caller, "CA"))

        assert (len(frames), caller.samples) == (15, 800)
        assert all(frame in SILENCE for frame in frames[:10])
        assert not any(frame in SILENCE for frame in frames[10:])

    @pytest.mark.parametrize(
        ("hz", "better"),
        [(50, 54), (1_000, 1_004), (1_001.5, 1_004), (3_400, 3_404), (3_948.5, 3_954), (3_999, 3_996)],
    )
    def test_tone_that_is_blind_to_lost_frames_is_refused(self, hz: float, better: float) -> None:
        """It has whole periods in 20 ms; the message says what to take."""
        with pytest.raises(ValueError, match=f"take {better} Hz"):
            ToneCaller(hz, 0.1)

        ToneCaller(better, 0.1)

    def test_sine_has_the_level_that_was_asked_for(self) -> None:
        """RMS against full scale."""
        pcm = sine(1_000, 8_000, -10).astype(np.float64)
        rms_dbfs = 20 * np.log10(np.sqrt(np.mean(pcm**2)) / 32_768)

        assert rms_dbfs == pytest.approx(-10, abs=0.01)

    @pytest.mark.parametrize(("hz", "dbfs"), [(1_000, 0), (4_000, -10), (0, -10), (-5, -10)])
    def test_impossible_tone_is_refused(self, hz: float, dbfs: float) -> None:
        """Too loud, too high, or no tone at all."""
        with pytest.raises(ValueError, match=r"-3\.02 dBFS"):
            sine(hz, 100, dbfs)
