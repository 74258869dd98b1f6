"""The recordings: what was heard, and both sides."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gateway.audio import ulaw, wav
from gateway.simulator.recording import sides, write
from tests.simulator.stories import CALL, SILENT, SPEECH, STREAM


class TestSides:
    """Two lines on one clock."""

    def test_both_have_the_streams_length(self) -> None:
        """What the caller said is padded."""
        spoken, heard = sides(CALL)

        assert len(spoken) == len(heard) == 24_000
        assert np.array_equal(spoken[:8_000], ulaw.decode(SPEECH))
        assert np.array_equal(heard[8_000:16_000], ulaw.decode(SPEECH))

    def test_the_microphone_begins_at_its_offset(self) -> None:
        """A moment after the stream."""
        stream = replace(STREAM, spoken=SPEECH, spoken_offset=100)
        spoken, _ = sides(replace(CALL, streams=(stream,)))

        assert not spoken[:100].any()
        assert np.array_equal(spoken[100:8_100], ulaw.decode(SPEECH))

    def test_a_microphone_longer_than_the_stream_is_cut(self) -> None:
        """The last frame may reach over the end."""
        stream = replace(STREAM, heard=SILENT, spoken=SPEECH + SPEECH)
        spoken, _ = sides(replace(CALL, streams=(stream,)))

        assert len(spoken) == 8_000

    def test_streams_follow_each_other(self) -> None:
        """A resumed call is one recording."""
        spoken, heard = sides(replace(CALL, streams=(STREAM, STREAM)))

        assert len(spoken) == len(heard) == 48_000

    def test_a_call_without_streams_is_empty(self) -> None:
        """And no failure."""
        assert [len(side) for side in sides(replace(CALL, streams=()))] == [0, 0]


def test_files_hold_what_was_heard_and_both_sides(tmp_path: Path) -> None:
    """Mono and stereo, 8 kHz, in a folder that is made if need be."""
    heard_path, stereo_path = write(CALL, tmp_path / "new" / "folder")
    heard, rate_hz = wav.read(heard_path)

    assert rate_hz == 8_000
    assert np.array_equal(heard, ulaw.decode(STREAM.heard))
    assert heard_path.name == "caller_heard.wav"
    content = stereo_path.read_bytes()
    left_right = np.frombuffer(content[-24_000 * 4 :], dtype="<i2").reshape(-1, 2)
    assert np.array_equal(left_right[:, 0], ulaw.decode(STREAM.spoken))
    assert np.array_equal(left_right[:, 1], ulaw.decode(STREAM.heard))
