import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.pcm import Pcm
from gateway.speech import extra, tts, vad
from gateway.speech.vad import Edge, Endpointer, Framer

FRAME = 320
LOUD = np.full(FRAME, 8_000, np.int16)
QUIET = np.zeros(FRAME, np.int16)


def edges(endpointer: Endpointer, frames: list[Pcm]) -> list[tuple[int, Edge]]:
    """Push frames; return the index of each frame that changed something, and what."""
    results = [(index, endpointer.push(frame)) for index, frame in enumerate(frames)]
    return [(index, edge) for index, edge in results if edge is not None]


def test_speech_starts_after_its_first_80_ms_and_stops_after_560_ms_of_silence() -> None:
    """An utterance is reported four frames in, and its end twenty-eight frames after the last word."""
    found = edges(Endpointer(vad.energy()), [LOUD] * 20 + [QUIET] * 40)
    assert found == [(3, Edge.STARTED), (47, Edge.STOPPED)]


def test_click_starts_nothing() -> None:
    """Three loud frames between silence are no speech."""
    assert edges(Endpointer(vad.energy()), [QUIET, LOUD, LOUD, LOUD, QUIET] * 5) == []


def test_pause_within_a_sentence_does_not_end_it() -> None:
    """Half a second of silence belongs to the utterance."""
    assert edges(Endpointer(vad.energy()), [LOUD] * 10 + [QUIET] * 27 + [LOUD] * 10) == [(3, Edge.STARTED)]


def test_amount_of_speech_leaves_pauses_out() -> None:
    """What counts towards a barge-in is speech, not time."""
    endpointer = Endpointer(vad.energy())
    edges(endpointer, [LOUD] * 6 + [QUIET] * 10 + [LOUD] * 4)
    assert endpointer.speech_ms == 200


def test_stopped_utterance_counts_from_zero_again() -> None:
    """An utterance ended from outside leaves nothing behind for the next."""
    endpointer = Endpointer(vad.energy())
    edges(endpointer, [LOUD] * 6)
    assert endpointer.stop() is Edge.STOPPED
    assert (endpointer.speaking, endpointer.speech_ms) == (False, 0)
    assert edges(endpointer, [LOUD] * 4) == [(3, Edge.STARTED)]


@pytest.mark.parametrize(("level_dbfs", "heard"), [(-40.0, True), (-44.0, False)])
def test_energy_floor_is_where_it_says(level_dbfs: float, heard: bool) -> None:
    """A frame 2 dB above the floor is heard, one 2 dB below is not."""
    frame = np.full(FRAME, round(32_768 * 10 ** (level_dbfs / 20)), np.int16)
    assert vad.energy(-42.0)(frame) is heard


@pytest.mark.parametrize("size", [1, 7, 319, 320, 321, 1_000])
def test_frames_are_the_stream_however_it_is_cut(size: int) -> None:
    """Chunks of any size give the same whole frames, and nothing is lost between them."""
    stream = np.arange(3 * FRAME + 5, dtype=np.int16)
    framer = Framer(16_000)
    frames = [frame for i in range(0, len(stream), size) for frame in framer.push(stream[i : i + size])]
    assert [len(frame) for frame in frames] == [FRAME] * 3
    assert np.array_equal(np.concatenate(frames), stream[: 3 * FRAME])


@pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")
def test_spoken_sentence_is_one_utterance() -> None:
    """A rendered sentence between silences starts once and stops once."""
    spoken = np.pad(tts.render("For four people, please.", tts.CALLER_VOICE, 16_000), (8_000, 16_000))
    found = edges(Endpointer(vad.speech(16_000)), Framer(16_000).push(spoken))
    assert [edge for _, edge in found] == [Edge.STARTED, Edge.STOPPED]


@pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")
def test_faint_speech_is_not_for_us() -> None:
    """Speech far below the floor (somebody across the room) starts nothing."""
    spoken = tts.render("For four people, please.", tts.CALLER_VOICE, 16_000) // 256
    assert edges(Endpointer(vad.speech(16_000)), Framer(16_000).push(spoken)) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=30))
def test_starts_and_stops_alternate_whatever_is_heard(runs: list[tuple[bool, int]]) -> None:
    """Any pattern of sound and silence gives start, stop, start, stop; and what is said is what happened."""
    endpointer = Endpointer(vad.energy())
    found = edges(endpointer, [LOUD if loud else QUIET for loud, length in runs for _ in range(length)])
    expected = [Edge.STARTED, Edge.STOPPED] * len(found)
    assert [edge for _, edge in found] == expected[: len(found)]
    assert endpointer.speaking == (len(found) % 2 == 1)
    assert (endpointer.speech_ms > 0) == endpointer.speaking


@given(st.lists(st.integers(0, 900), max_size=20))
def test_framer_loses_no_sample(sizes: list[int]) -> None:
    """Frames in order are the stream, less what does not fill a frame yet."""
    framer, start = Framer(16_000), 0
    frames: list[Pcm] = []
    for size in sizes:
        frames += framer.push(np.arange(start, start + size, dtype=np.int16))
        start += size
    whole = start - start % FRAME
    joined = np.concatenate(frames) if frames else np.empty(0, np.int16)
    assert np.array_equal(joined, np.arange(whole, dtype=np.int16))
