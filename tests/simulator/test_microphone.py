"""The caller's microphone: frames of speech, else line silence."""

import base64
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from gateway.audio import ulaw
from gateway.simulator.microphone import FRAME_BYTES, SILENCE, Microphone, cut


class TestCut:
    """Speech is cut before the call."""

    @given(st.binary(max_size=1_000))
    def test_frames_hold_the_audio_and_silence_at_the_end(self, audio: bytes) -> None:
        """Nothing is lost, and every frame is whole."""
        joined = b"".join(map(base64.b64decode, cut(audio)))

        assert joined == audio.ljust(len(joined), b"\xff")
        assert len(joined) - len(audio) < FRAME_BYTES
        assert len(joined) % FRAME_BYTES == 0

    def test_a_frame_has_216_characters(self) -> None:
        """As every captured frame had."""
        assert [len(frame) for frame in cut(b"a" * 161)] == [216, 216]
        assert cut(b"a")[0].endswith(b"==")


class TestSilence:
    """What the line sounds like when nobody speaks."""

    def test_both_zeros_are_mixed_with_a_few_smallest_steps(self) -> None:
        """As in the captured frame: about half 0xFF, half 0x7F, a few 0xFE and 0x7E."""
        line = b"".join(map(base64.b64decode, SILENCE))
        counts = {code: line.count(code) / len(line) for code in (0xFF, 0x7F, 0xFE, 0x7E)}

        assert sum(counts.values()) == 1
        assert 0.4 < counts[0xFF] < 0.6
        assert 0.4 < counts[0x7F] < 0.6
        assert 0 < counts[0xFE] + counts[0x7E] < 0.05

    def test_silence_is_inaudible(self) -> None:
        """No sample is further from zero than µ-law's smallest step."""
        line = ulaw.decode(b"".join(map(base64.b64decode, SILENCE)))

        assert abs(line).max() <= 8

    def test_silent_frames_differ(self) -> None:
        """A run of equal frames could be mistaken for a stuck line."""
        assert len(set(SILENCE)) == len(SILENCE)


class TestMicrophone:
    """What leaves it, frame by frame."""

    def test_speech_comes_first_then_silence(self) -> None:
        """The queue runs dry without a gap in the frames."""
        mic, speech = Microphone(), cut(b"a" * 320)
        mic.speak(speech)

        frames = [mic.next_frame() for _ in range(4)]

        assert tuple(frames[:2]) == speech
        assert all(frame in SILENCE for frame in frames[2:])
        assert (mic.frames, mic.spoken_frames, mic.talking) == (4, 2, False)

    def test_more_speech_waits_its_turn(self) -> None:
        """Two sayings do not mix."""
        mic = Microphone()
        mic.speak(cut(b"a" * 160))
        mic.speak(cut(b"b" * 160))

        assert [base64.b64decode(mic.next_frame())[:1] for _ in range(2)] == [b"a", b"b"]

    def test_hush_stops_in_the_middle(self) -> None:
        """What was not said is never said."""
        mic = Microphone()
        mic.speak(islice(cut(b"a" * 1_600), 10))
        mic.next_frame()

        mic.hush()

        assert not mic.talking
        assert mic.next_frame() in SILENCE

    def test_the_recording_is_what_was_sent(self) -> None:
        """From any frame on."""
        mic = Microphone()
        mic.next_frame()
        mic.speak(cut(b"a" * 320))
        mic.next_frame()
        mic.next_frame()

        assert len(mic.recorded()) == 3 * FRAME_BYTES
        assert mic.recorded(1) == b"a" * 320

    def test_without_a_recording_nothing_is_kept(self) -> None:
        """The frames are counted all the same."""
        mic = Microphone(keep_audio=False)
        mic.next_frame()

        assert (mic.recorded(), mic.frames) == (b"", 1)
