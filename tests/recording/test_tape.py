"""A recorder and its tape: what is put down on one side and written on the other."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.recording.segments import LiveFolder
from gateway.recording.tape import Recorder, Tape
from gateway.recording.timeline import SILENCE, Timeline

MS = 8
ID = "3f0c2b1a-0000-4000-8000-00000000abcd"


def speech(ms: int, value: int = 1) -> bytes:
    """Return so much µ-law, told apart by its value."""
    return bytes([value]) * (ms * MS)


def running(folder: Path, *, limit_ms: int = 20_000) -> tuple[Recorder, Tape]:
    """Return a recorder that began at 0 s, and its tape."""
    recorder = Recorder(ID, 0.0, limit_ms=limit_ms)
    return recorder, Tape(recorder, LiveFolder(folder / ID), 1_000, None)


def talk(recorder: Recorder, from_ms: int, to_ms: int, value: int = 1) -> None:
    """Let the caller's frames of a while arrive as they are spoken."""
    for at_ms in range(from_ms, to_ms, 20):
        recorder.caller(speech(20, value), at_ms, at_ms / 1000)


def carry(tape: Tape, now_s: float) -> None:
    """Settle and write, as the writer does."""
    tape.settle(now_s)
    tape.write()


def finish(tape: Tape, end_s: float) -> None:
    """Settle and write the rest."""
    tape.finish(end_s)
    tape.end()


def on_disk(folder: Path) -> bytes:
    """Return the one segment's bytes."""
    [segment] = (folder / ID).iterdir()
    return segment.read_bytes()


def test_both_voices_reach_the_disk_as_they_are_heard(tmp_path: Path) -> None:
    """Turn by turn what has settled is appended; the end brings the rest."""
    recorder, tape = running(tmp_path)
    talk(recorder, 0, 1_000)
    recorder.agent(speech(100, 5), 0.5)
    recorder.cleared(0.55)

    carry(tape, 1.0)
    assert len(on_disk(tmp_path)) == 2 * 700 * MS
    finish(tape, 1.0)

    pairs = on_disk(tmp_path)
    assert pairs[::2] == speech(1_000)
    assert pairs[1::2] == SILENCE * 500 * MS + speech(50, 5) + SILENCE * 450 * MS


def test_nothing_heard_makes_no_file(tmp_path: Path) -> None:
    """A stream that ends before any audio leaves no trace."""
    recorder, tape = running(tmp_path)
    recorder.caller(b"", 0, 0.0)

    carry(tape, 0.1)
    finish(tape, 0.0)

    assert list(tmp_path.iterdir()) == []


def test_disk_that_hangs_costs_silence_of_the_right_length(tmp_path: Path) -> None:
    """What finds no room is counted and stands as silence; what follows stands where it was said."""
    recorder, tape = running(tmp_path, limit_ms=1_000)
    talk(recorder, 0, 600, 1)
    tape.settle(0.6)  # 300 ms of both sides wait, nothing is written
    for at_ms in range(600, 1_200, 200):
        talk(recorder, at_ms, at_ms + 200, 2)
        tape.settle((at_ms + 200) / 1000)
    assert recorder.dropped_bytes == 2 * 400 * MS
    tape.write()
    talk(recorder, 1_200, 1_300, 3)
    finish(tape, 1.3)

    left = on_disk(tmp_path)[::2]
    assert left == speech(500, 1) + SILENCE * 400 * MS + speech(300, 2) + speech(100, 3)


def test_silence_that_is_owed_is_paid_at_the_end(tmp_path: Path) -> None:
    """A disk that hangs until the call is over still leaves a recording of the call's length."""
    recorder, tape = running(tmp_path, limit_ms=1_000)
    for at_ms in range(0, 2_000, 200):
        talk(recorder, at_ms, at_ms + 200)
        tape.settle((at_ms + 200) / 1000)

    finish(tape, 2.0)

    assert len(on_disk(tmp_path)) == 2 * 2_000 * MS
    assert recorder.dropped_bytes > 0


def test_queue_that_nobody_empties_is_bounded(tmp_path: Path) -> None:
    """Without a writer the call's frames are dropped beyond the bound, and counted."""
    recorder, tape = running(tmp_path, limit_ms=400)

    talk(recorder, 0, 1_000)

    assert recorder.dropped_bytes == 600 * MS
    finish(tape, 1.0)
    assert on_disk(tmp_path)[::2] == speech(400) + SILENCE * 600 * MS


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EIO, "io_error"),
        (errno.EROFS, "io_error"),
    ],
)
def test_broken_disk_ends_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    """The recording says why it ends, keeps what it has, takes nothing more; nobody gets an error."""
    recorder, tape = running(tmp_path)
    talk(recorder, 0, 1_000)
    carry(tape, 1.0)
    before = on_disk(tmp_path)

    def fail(fd: int, data: bytes) -> int:
        raise OSError(number, "injected")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fail)
        talk(recorder, 1_000, 2_000)
        carry(tape, 2.0)
    talk(recorder, 2_000, 3_000)
    recorder.cleared(2.5)
    carry(tape, 3.0)
    finish(tape, 3.0)

    assert recorder.truncated == reason
    assert on_disk(tmp_path) == before
    assert not recorder._frames
    assert not recorder._pieces


def test_folder_that_cannot_be_made_ends_the_recording(tmp_path: Path) -> None:
    """A file in the folder's place is a fault of the disk's like any other."""
    (tmp_path / ID).touch()
    recorder, tape = running(tmp_path)
    talk(recorder, 0, 1_000)

    carry(tape, 1.0)

    assert recorder.truncated == "io_error"


@given(
    st.lists(
        st.tuples(st.sampled_from([20, 20, 20, 20, 22, 17, 40, 0, -20]), st.integers(0, 40)), max_size=60
    )
)
def test_frames_joined_are_as_good_as_frames_one_by_one(frames: list[tuple[int, int]]) -> None:
    """Whatever gaps, repeats and delays they have, joining frames changes neither side."""
    recorder, joined, single = Recorder(ID, 0.0), Timeline(0.0), Timeline(0.0)
    at_ms = 0
    for number, (step_ms, late_ms) in enumerate(frames):
        at_ms = max(0, at_ms + step_ms)
        frame = (speech(20, number % 200), at_ms, (at_ms + late_ms) / 1000)
        recorder.caller(*frame)
        single.caller(*frame)
    recorder.agent(speech(60, 201), at_ms / 1000)
    single.agent(speech(60, 201), at_ms / 1000)

    recorder.take(joined)

    end_s = (at_ms + 80) / 1000
    assert joined.finish(end_s)[::2] == single.finish(end_s)[::2]
    assert joined.counters == single.counters


def test_gap_between_frames_is_kept(tmp_path: Path) -> None:
    """Frames on both sides of a gap, and a last one repeated, stand where they were spoken."""
    recorder, tape = running(tmp_path)
    talk(recorder, 0, 100, 1)
    talk(recorder, 160, 200, 2)
    recorder.caller(speech(20, 3), 180, 0.18)

    finish(tape, 0.2)

    assert on_disk(tmp_path)[::2] == speech(100, 1) + SILENCE * 60 * MS + speech(40, 2)
