"""Segments: appended, cut anywhere, read again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import RecordingError
from gateway.recording import segments
from gateway.recording.encryption import KeyRing
from gateway.recording.segments import LiveFolder, Segment

KEYS = KeyRing("k", {"k": b"k" * 32})
AUDIO = bytes(range(250)) * 8


def written(folder: Path, keys: KeyRing | None, *parts: bytes) -> Path:
    """Return a segment with these parts appended."""
    segment = Segment(folder, 1_700_000_000_000, keys)
    for part in parts:
        segment.append(part)
    segment.close()
    return segment.path


def test_plain_segment_is_the_audio_and_nothing_else(tmp_path: Path) -> None:
    """In the clear a segment has no header: its bytes are the samples."""
    path = written(tmp_path, None, AUDIO, AUDIO)

    assert path.name == "1700000000000.ulaw"
    assert path.read_bytes() == AUDIO * 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_appended_audio_is_in_the_file_at_once(tmp_path: Path) -> None:
    """Nothing waits in the process: what append returned from survives its death."""
    segment = Segment(tmp_path, 0, None)

    segment.append(AUDIO)

    assert segment.path.read_bytes() == AUDIO
    segment.close()
    segment.close()


@pytest.mark.parametrize("keys", [None, KEYS], ids=["plain", "sealed"])
def test_cut_at_any_byte_it_still_reads(tmp_path: Path, keys: KeyRing | None) -> None:
    """A segment cut at any length yields a beginning of the audio, in whole pairs, as many as it counts."""
    parts = [AUDIO[:10], AUDIO[10:30], AUDIO[30:100]]
    path = written(tmp_path, keys, *parts)
    content = path.read_bytes()

    found = b""
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        found = b"".join(segments.read(path, keys))
        assert AUDIO[:100].startswith(found)
        assert segments.count_pairs(path) == len(found) // 2
        assert len(found) % 2 == 0
    assert found == AUDIO[:100]


def test_sealed_segment_shows_nothing_of_the_audio(tmp_path: Path) -> None:
    """Sealed, neither the samples nor silence can be seen, and large parts are cut to pieces."""
    silence = b"\xff" * 200_000
    path = written(tmp_path, KEYS, silence)

    assert b"\xff" * 16 not in path.read_bytes()
    assert b"".join(segments.read(path, KEYS)) == silence


def test_sealed_segment_needs_its_key(tmp_path: Path) -> None:
    """Without keys, or altered, a sealed segment is an error rather than noise."""
    path = written(tmp_path, KEYS, AUDIO)

    with pytest.raises(RecordingError, match="no keys"):
        list(segments.read(path, None))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="altered"):
        list(segments.read(path, KEYS))


def test_record_of_an_impossible_length_ends_the_segment(tmp_path: Path) -> None:
    """Zeros behind the last record, as a power cut may leave them, are no audio."""
    path = written(tmp_path, KEYS, AUDIO)
    path.write_bytes(path.read_bytes() + bytes(100))

    assert b"".join(segments.read(path, KEYS)) == AUDIO


def test_segments_are_found_in_the_order_of_their_streams(tmp_path: Path) -> None:
    """The older stream comes first; what is no segment is passed over."""
    for start_ms in (2_000, 1_000):
        Segment(tmp_path, start_ms, None).close()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "x.ulaw").touch()

    assert [segments.start_ms(path) for path in segments.segments(tmp_path)] == [1_000, 2_000, 0]


def test_segment_is_never_written_over(tmp_path: Path) -> None:
    """Two streams that claim the same start do not share a file."""
    Segment(tmp_path, 5, None).close()

    with pytest.raises(FileExistsError):
        Segment(tmp_path, 5, None)


def test_folder_is_held_once(tmp_path: Path) -> None:
    """A folder that somebody holds is refused to others until it is let go of."""
    first, second = LiveFolder(tmp_path / "call"), LiveFolder(tmp_path / "call")
    first.hold()
    first.hold()

    with pytest.raises(BlockingIOError):
        second.hold()
    first.release()
    first.release()
    second.hold()
    second.release()


def test_folder_of_a_process_that_died_is_free(tmp_path: Path) -> None:
    """The hold of a process that was killed does not outlive it."""
    program = (
        "import os, signal, sys; from pathlib import Path;"
        "from gateway.recording.segments import LiveFolder, Segment;"
        "folder = LiveFolder(Path(sys.argv[1])); folder.hold();"
        "Segment(folder.path, 0, None).append(b'ab');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", program, str(tmp_path / "call")], check=False, timeout=20)

    folder = LiveFolder(tmp_path / "call")
    folder.hold()
    folder.release()
    assert died.returncode == -9
    assert (tmp_path / "call" / "0000000000000.ulaw").read_bytes() == b"ab"


def test_full_disk_is_reported_and_keeps_what_was_written() -> None:
    """The error of a full disk comes through as it is."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    fd = os.open(full, os.O_WRONLY)

    with pytest.raises(OSError, match="No space"):
        segments._write_all(fd, AUDIO)
    os.close(fd)
