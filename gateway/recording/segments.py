"""What a call leaves on disk while it lives: pairs of µ-law samples, appended; any cut of it is still audio.

A segment is the audio of one media stream. In the clear it has no header and no structure (`sox -t ul -r 8000
-c 2` plays it), so that a process that is killed leaves nothing to repair. Sealed, it is the header of
:mod:`gateway.recording.encryption` and records of a length and a piece; a record that was cut is left out.

What has been appended survives the death of the process; what the operating system had yet to write at a
power cut (some 30 s as a rule) does not.
"""

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.errors import RecordingError
from gateway.recording.encryption import HEADER_BYTES, TAG_BYTES, KeyRing
from gateway.recording.wav import PAIR_BYTES

if sys.platform != "win32":
    import fcntl

PLAIN = ".ulaw"
SEALED = ".ulaw.sealed"

_LENGTH = struct.Struct("<I")
_BLOCK_BYTES = 64 * 1024
_MOST_RECORD_BYTES = _BLOCK_BYTES + TAG_BYTES


class Segment:
    """A segment that is being written. Lives from the first audio of a stream to its end.

    Args:
        folder: the recording's folder.
        start_ms: when the stream began (Unix time), which orders the segments of a call.
        keys: seal what is written; None leaves it in the clear.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, folder: Path, start_ms: int, keys: KeyRing | None) -> None:
        self.path = folder / f"{start_ms:013d}{SEALED if keys else PLAIN}"
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._seal = keys.new_file() if keys else None
        self._records = 0
        if self._seal is not None:
            _write_all(self._fd, self._seal.header)

    def append(self, pairs: bytes) -> None:
        """Write pairs of samples.

        Raises:
            OSError: the disk is full or broken; what was appended before stands.
        """
        if self._seal is None:
            _write_all(self._fd, pairs)
            return
        for at in range(0, len(pairs), _BLOCK_BYTES):
            sealed = self._seal.close(self._records, pairs[at : at + _BLOCK_BYTES])
            self._records += 1
            _write_all(self._fd, _LENGTH.pack(len(sealed)) + sealed)

    def close(self) -> None:
        """Let go of the file; closing twice is no fault."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(
                OSError
            ):  # what close() may still report (EIO) was reported by the writes, or is lost
                os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


class LiveFolder:
    """The folder of a recording that is not finished. Lives from the first audio to the finished WAV.

    Whoever works in it holds a lock that dies with the process: a folder that nobody holds was left behind.

    Args:
        path: the folder; made when it is held and not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def hold(self) -> None:
        """Make it ours; doing so again changes nothing.

        Raises:
            OSError: it cannot be made; BlockingIOError when another process works in it.
        """
        if self._fd >= 0:
            return
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform == "win32":
            return
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Let go of it; letting go twice is no fault."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def segments(folder: Path) -> list[Path]:
    """Return the segments of a recording, oldest first."""
    return sorted(path for path in folder.iterdir() if path.name.endswith((PLAIN, SEALED)))


def start_ms(segment: Path) -> int:
    """Return when a segment's stream began (Unix time); 0 for a name that is not ours."""
    stem = segment.name.partition(".")[0]
    return int(stem) if stem.isascii() and stem.isdigit() else 0


def count_pairs(segment: Path) -> int:
    """Return how many pairs of samples can be read from a segment."""
    size = segment.stat().st_size
    if not segment.name.endswith(SEALED):
        return size // PAIR_BYTES
    return sum(length - TAG_BYTES for _, length in _records(segment, size)) // PAIR_BYTES


def read(segment: Path, keys: KeyRing | None) -> Iterator[bytes]:
    """Yield the pairs of a segment, in pieces; half a pair at the end is left out.

    Raises:
        RecordingError: it is sealed and cannot be opened.
        OSError: it cannot be read.
    """
    return _read_sealed(segment, keys) if segment.name.endswith(SEALED) else _read_plain(segment)


def _read_plain(segment: Path) -> Iterator[bytes]:
    left = segment.stat().st_size // PAIR_BYTES * PAIR_BYTES
    with segment.open("rb") as file:
        while left and (block := file.read(min(left, _BLOCK_BYTES))):
            left -= len(block)
            yield block


def _read_sealed(segment: Path, keys: KeyRing | None) -> Iterator[bytes]:
    size = segment.stat().st_size
    if size < HEADER_BYTES:
        return  # killed before anything was heard
    if keys is None:
        raise RecordingError("the recording is sealed and no keys are given", reason="unknown_key")
    with segment.open("rb") as file:
        seal = keys.of_file(file.read(HEADER_BYTES))
        for number, (at, length) in enumerate(_records(segment, size)):
            file.seek(at)
            yield seal.open(number, file.read(length))


def _records(segment: Path, size: int) -> Iterator[tuple[int, int]]:
    """Yield where each complete record's piece starts, and its length."""
    at = HEADER_BYTES
    with segment.open("rb") as file:
        while at + _LENGTH.size <= size:
            file.seek(at)
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            at += _LENGTH.size
            if not TAG_BYTES <= length <= _MOST_RECORD_BYTES or at + length > size:
                return
            yield at, length
            at += length
