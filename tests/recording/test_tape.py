"""A recorder and its tape: what is put down on one side and written on the other."""

import errno
import os
from pathlib import Path

import pytest

from gateway.recording.segments import LiveFolder
from gateway.recording.tape import Recorder, Tape
from gateway.recording.timeline import SILENCE

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
        recorder.caller(speech(20, value), at_ms, (at_ms + 20) / 1000)


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

    tape.carry(1.0)
    assert len(on_disk(tmp_path)) == 2 * 700 * MS
    tape.finish(1.0)

    pairs = on_disk(tmp_path)
    assert pairs[::2] == speech(1_000)
    assert pairs[1::2] == SILENCE * 500 * MS + speech(50, 5) + SILENCE * 450 * MS


def test_nothing_heard_makes_no_file(tmp_path: Path) -> None:
    """A stream that ends before any audio leaves no trace."""
    recorder, tape = running(tmp_path)
    recorder.caller(b"", 0, 0.0)

    tape.carry(0.1)
    tape.finish(0.0)

    assert list(tmp_path.iterdir()) == []


def test_slow_disk_costs_silence_of_the_right_length(tmp_path: Path) -> None:
    """What finds no room is counted and stands as silence; what follows stands where it was said."""
    recorder, tape = running(tmp_path, limit_ms=400)
    talk(recorder, 0, 600, 1)
    assert recorder.dropped_bytes == 200 * MS

    tape.carry(0.6)
    talk(recorder, 600, 700, 2)
    tape.finish(0.7)

    left = on_disk(tmp_path)[::2]
    assert left == speech(400, 1) + SILENCE * 200 * MS + speech(100, 2)


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
    tape.carry(1.0)
    before = on_disk(tmp_path)

    def fail(fd: int, data: bytes) -> int:
        raise OSError(number, "injected")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fail)
        talk(recorder, 1_000, 2_000)
        tape.carry(2.0)
    talk(recorder, 2_000, 3_000)
    recorder.cleared(2.5)
    tape.carry(3.0)
    tape.finish(3.0)

    assert recorder.truncated == reason
    assert on_disk(tmp_path) == before
    assert not recorder._queue


def test_folder_that_cannot_be_made_ends_the_recording(tmp_path: Path) -> None:
    """A file in the folder's place is a fault of the disk's like any other."""
    (tmp_path / ID).touch()
    recorder, tape = running(tmp_path)
    talk(recorder, 0, 1_000)

    tape.carry(1.0)

    assert recorder.truncated == "io_error"
