"""From what a call left on disk to the WAV people can play: the same file however often it is made.

The segments of a call are joined, with silence for the time between two streams; the result is written
beside its place, synced and renamed there, and only then are the segments removed, all at once. Killed at any
point, the next run begins again and ends the same.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.recording import names, segments, wav
from gateway.recording.encryption import PIECE_BYTES, KeyRing
from gateway.recording.timeline import SAMPLES_PER_MS, SILENCE

_MOST_GAP_MS = 60_000  # a stream that broke is followed by the next within that, or the wall clock was set
_BLOCK_PAIRS = 32 * 1024
_SPENT = ".spent"


@dataclass(frozen=True, slots=True)
class Finished:
    """A recording that is complete.

    Attributes:
        recording_id: whose it is.
        name: under which the store keeps it.
        size_bytes: of the WAV, opened if it is sealed.
        duration_ms: from the first stream's start to the last one's end.
        key_id: of the key that seals it; empty in the clear.
        truncated: why it ends before its call did (``disk_full``, ``io_error``); empty when it does not.
        dropped_ms: audio that is silence because the disk was too slow for it, both sides together.
        recovered: True when it is what a crash left.
    """

    recording_id: str
    name: str
    size_bytes: int
    duration_ms: int
    key_id: str = ""
    truncated: str = ""
    dropped_ms: int = 0
    recovered: bool = False


def finalise(live: Path, folder: Path, recording_id: str, keys: KeyRing | None) -> Finished | None:
    """Make the WAV of a recording and remove its segments.

    Args:
        live: the folder that holds the recording's segments.
        folder: below it the WAV gets its place, by its name.
        recording_id: whose it is.
        keys: seal the WAV; None leaves it in the clear.

    Returns:
        What was made, or None when there was nothing to make it from (then the folder is removed too).

    Raises:
        RecordingError: a segment is sealed by a key that is not there.
        OSError: it cannot be read or written, or there is no room for it; the segments stand.
    """
    parts = segments.segments(live) if live.is_dir() else []
    pairs = min(sum(count for count, _ in _plan(parts)), wav.MOST_PAIRS)
    if not pairs:
        shutil.rmtree(live, ignore_errors=True)
        return None
    name = names.name_of(recording_id, sealed=keys is not None)
    key_id = keys.current if keys else ""
    _need_room(folder, wav.size(pairs))
    _write(folder / name, _sealed(_content(parts, pairs, keys), keys))
    spent = live.with_name(live.name + _SPENT)
    live.replace(spent)  # at once: segments removed one by one would leave half a call to be finished again
    shutil.rmtree(spent)
    return Finished(recording_id, name, wav.size(pairs), pairs // SAMPLES_PER_MS, key_id)


def _plan(parts: list[Path]) -> Iterator[tuple[int, Path | None]]:
    """Yield what follows what: so many pairs of a segment, or of silence (None)."""
    end_ms: int | None = None
    for part in parts:
        start_ms = segments.start_ms(part)
        if end_ms is not None and start_ms > end_ms:
            yield min(start_ms - end_ms, _MOST_GAP_MS) * SAMPLES_PER_MS, None
        pairs = segments.count_pairs(part)
        end_ms = max(end_ms or 0, start_ms + pairs // SAMPLES_PER_MS)
        yield pairs, part


def _content(parts: list[Path], pairs: int, keys: KeyRing | None) -> Iterator[bytes]:
    yield wav.header(pairs)
    left = pairs * wav.PAIR_BYTES
    for count, part in _plan(parts):
        for ulaw in segments.read(part, keys) if part else _silence(count):
            yield wav.frames(ulaw[:left])
            left -= len(ulaw[:left])


def _silence(pairs: int) -> Iterator[bytes]:
    while pairs:
        count = min(pairs, _BLOCK_PAIRS)
        pairs -= count
        yield SILENCE * (wav.PAIR_BYTES * count)


def _sealed(content: Iterator[bytes], keys: KeyRing | None) -> Iterator[bytes]:
    """Seal a stream of bytes in pieces of the one size, the last one shorter; in the clear, pass it on."""
    if keys is None:
        yield from content
        return
    seal = keys.new_file()
    yield seal.header
    waiting, number = bytearray(), 0
    for data in content:
        waiting += data
        while len(waiting) > PIECE_BYTES:  # a full piece may be the last: it waits for what follows
            yield seal.close(number, bytes(waiting[:PIECE_BYTES]))
            del waiting[:PIECE_BYTES]
            number += 1
    yield seal.close(number, bytes(waiting), last=True)


def _need_room(folder: Path, size_bytes: int) -> None:
    """See first whether a WAV fits: written up to the last byte of the disk, it would cut calls that live."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < size_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write(path: Path, content: Iterator[bytes]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            for data in content:
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def sync_folder(folder: Path) -> None:
    """Make sure that a rename in a folder outlives a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_spent(folder: Path) -> None:
    """Remove what a crash left of segments that have been finished; `folder` is that of all live ones."""
    for spent in folder.glob(f"*{_SPENT}"):
        shutil.rmtree(spent, ignore_errors=True)
