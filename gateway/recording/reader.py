"""Reading recordings by ranges of bytes, wherever they are and whether sealed or not."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import RecordingError
from gateway.recording import encryption
from gateway.recording.encryption import HEADER_BYTES, PIECE_BYTES, TAG_BYTES, KeyRing, Seal
from gateway.recording.store import Stored
from gateway.recording.timeline import SAMPLES_PER_MS
from gateway.recording.wav import pairs_in

_BLOCK_BYTES = 4 * PIECE_BYTES
_SINGLE = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*")


class Source(Protocol):
    """What the reader needs of a store."""

    async def stat(self, name: str) -> Stored:
        """Return what is known of a recording."""

    async def read(self, name: str, start: int, count: int) -> bytes:
        """Return a range of bytes, fewer where the recording ends."""


class RangeNotSatisfiable(RecordingError):
    """No part of the recording lies in the range asked for: HTTP status 416."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a recording: from `start`, up to but not including `end`."""

    start: int
    end: int

    def content_range(self, size: int) -> str:
        """Return the header that goes with status 206."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Read a `Range` header (RFC 9110, 14.2): a single range, or None for the whole.

    A header that is not understood means the whole, as the RFC has it.

    Raises:
        RangeNotSatisfiable: it begins behind the end, or there are several ranges (we serve one at a time).
    """
    if header is None or not header.strip().lower().startswith("bytes="):
        return None
    if "," in header:
        raise RangeNotSatisfiable("ask for a single range of bytes", reason="several_ranges")
    match = _SINGLE.fullmatch(header.strip().lower())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise RangeNotSatisfiable(f"the recording has {size} bytes", reason="beyond_the_end")
    return ByteRange(start, end)


async def open_recording(source: Source, name: str, keys: KeyRing | None) -> "Recording":
    """Open a recording for reading.

    Raises:
        RecordingError: it is not there, its key is not there, or the store did not answer.
    """
    size = (await source.stat(name)).size_bytes
    start = await source.read(name, 0, HEADER_BYTES)
    if not encryption.is_sealed(start):
        return Recording(source, name, size, None)
    if keys is None:
        raise RecordingError("the recording is sealed and no keys are given", reason="unknown_key")
    return Recording(source, name, encryption.plain_size(size), keys.of_file(start))


class Recording:
    """A finished recording that is being read. Lives as long as the request that reads it.

    Attributes:
        size_bytes: of the WAV.
        duration_ms: of what is heard.
        key_id: of the key that seals it; empty in the clear.
    """

    def __init__(self, source: Source, name: str, size_bytes: int, seal: Seal | None) -> None:
        self._source = source
        self._name = name
        self._seal = seal
        self.size_bytes = size_bytes
        self.duration_ms = pairs_in(size_bytes) // SAMPLES_PER_MS
        self.key_id = seal.key_id if seal else ""

    async def read(self, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        """Yield the WAV, or a part of it, in blocks.

        Raises:
            RecordingError: it was cut or altered since, or the store did not answer.
        """
        start, end = (part.start, part.end) if part else (0, self.size_bytes)
        while start < end:
            # Blocks end where pieces end, so that none is opened twice.
            block_end = min(end, (start // _BLOCK_BYTES + 1) * _BLOCK_BYTES)
            block = await (self._plain if self._seal is None else self._opened)(start, block_end)
            if len(block) != block_end - start:
                raise RecordingError("the recording is shorter than it was", reason="cut")
            yield block
            start = block_end

    async def _plain(self, start: int, end: int) -> bytes:
        return await self._source.read(self._name, start, end - start)

    async def _opened(self, start: int, end: int) -> bytes:
        assert self._seal is not None
        first, behind = start // PIECE_BYTES, -(-end // PIECE_BYTES)
        step = PIECE_BYTES + TAG_BYTES
        sealed = await self._source.read(self._name, HEADER_BYTES + first * step, (behind - first) * step)
        last = max(0, -(-self.size_bytes // PIECE_BYTES) - 1)
        pieces = [
            self._seal.open(number, sealed[at : at + step], last=number == last)
            for number, at in zip(range(first, behind), range(0, len(sealed), step), strict=False)
        ]
        whole = b"".join(pieces)
        return whole[start - first * PIECE_BYTES : end - first * PIECE_BYTES]
