"""Where finished recordings are kept: a folder, or an object store (see :mod:`gateway.recording.objects`)."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.errors import RecordingError
from gateway.recording.finalise import sync_folder
from gateway.recording.names import check_name

# Without O_NONBLOCK a named pipe that somebody put there would hold the thread for ever.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_DISK_WITHIN_S = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """One thing in a store.

    Attributes:
        modified_ms: when it was put there (Unix time).
    """

    name: str
    size_bytes: int
    modified_ms: int


class Store(Protocol):
    """Keeps finished recordings by name. Every method checks the name and has a deadline of its own.

    Methods raise RecordingError: ``not_found`` for a name that is not ours or not there, ``unavailable`` when
    the store did not answer as it must.
    """

    async def put(self, name: str, source: Path) -> None:
        """Keep a file under a name; doing so again replaces it. The source is left or moved."""

    async def stat(self, name: str) -> Stored:
        """Return what is known of a recording."""

    async def read(self, name: str, start: int, count: int) -> bytes:
        """Return a range of bytes, fewer where the recording ends."""

    async def delete(self, name: str) -> None:
        """Remove a recording; one that is not there is no fault."""

    def list(self) -> AsyncIterator[Stored]:
        """Yield all recordings."""


class LocalStore:
    """A folder. Lives as long as the process.

    Files are opened below the folder without following links, whatever somebody may have put there.

    Args:
        folder: made when the first recording is put there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, source: Path) -> None:
        """Move a file of the same file system to its name."""
        target = self._folder / check_name(name)
        await _in_thread(lambda: _adopt(source, target))

    async def stat(self, name: str) -> Stored:
        """Return what is known of a recording."""
        check_name(name)
        return await _in_thread(lambda: self._stat(name))

    def _stat(self, name: str) -> Stored:
        fd = self._open(name)
        try:
            found = os.fstat(fd)
        finally:
            os.close(fd)
        return Stored(name, found.st_size, found.st_mtime_ns // 1_000_000)

    async def read(self, name: str, start: int, count: int) -> bytes:
        """Return a range of bytes."""
        check_name(name)
        return await _in_thread(lambda: self._read(name, start, count))

    def _read(self, name: str, start: int, count: int) -> bytes:
        fd = self._open(name)
        try:
            return os.pread(fd, count, start)
        finally:
            os.close(fd)

    def _open(self, name: str) -> int:
        """Open a file step by step, so that no part of the way is a link."""
        folder, _, file = name.partition("/")
        above = os.open(self._folder, os.O_RDONLY)
        try:
            below = os.open(folder, _READ, dir_fd=above)
            try:
                fd = os.open(file, _READ, dir_fd=below)
            finally:
                os.close(below)
        finally:
            os.close(above)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise FileNotFoundError(name)
        return fd

    async def delete(self, name: str) -> None:
        """Remove a recording."""
        path = self._folder / check_name(name)
        try:
            await _in_thread(path.unlink)
        except RecordingError as fault:
            if fault.reason != "not_found":
                raise

    async def list(self) -> AsyncIterator[Stored]:
        """Yield all recordings; whatever else lies in the folder is passed over."""
        for stored in await _in_thread(lambda: tuple(self._walk())):
            yield stored

    def _walk(self) -> Iterator[Stored]:
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(RecordingError, OSError):
                yield self._stat(check_name(path.relative_to(self._folder).as_posix()))


def _adopt(source: Path, target: Path) -> None:
    if source == target:
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source.replace(target)
    sync_folder(target.parent)


async def _in_thread(work: Callable[[], T]) -> T:
    """Do a disk call off the loop.

    Raises:
        RecordingError: it failed, or the disk did not answer in time.
    """
    try:
        async with asyncio.timeout(_DISK_WITHIN_S):  # wait_for can lose a cancellation before Python 3.12
            return await asyncio.to_thread(work)
    except (FileNotFoundError, NotADirectoryError):
        raise RecordingError("there is no such recording", reason="not_found") from None
    except OSError as error:  # a TimeoutError is one
        if error.errno == errno.ELOOP:  # a link in the way is not ours, hence not there
            raise RecordingError("there is no such recording", reason="not_found") from None
        raise RecordingError("the recordings' folder cannot be used", reason="unavailable") from error
