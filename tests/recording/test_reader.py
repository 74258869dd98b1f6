"""Reading by ranges: every range of every kind of file equals the slice of the whole."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RecordingError
from gateway.recording import encryption, reader
from gateway.recording.encryption import HEADER_BYTES, PIECE_BYTES, TAG_BYTES, KeyRing
from gateway.recording.reader import ByteRange, RangeNotSatisfiable, open_recording, parse_range
from gateway.recording.store import Stored

ID = "3f0c2b1a-0000-4000-8000-00000000abcd"
NAME = f"3f/{ID}.wav"
KEYS = KeyRing("k", {"k": b"k" * 32})
SIZE = 3 * PIECE_BYTES + 1_000
CONTENT = bytes(at % 251 for at in range(SIZE))


class Shelf:
    """Holds one file in memory. Lives as long as a test."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def stat(self, name: str) -> Stored:
        """Return its size."""
        return Stored(name, len(self.content), 0)

    async def read(self, name: str, start: int, count: int) -> bytes:
        """Return a part of it."""
        return self.content[start : start + count]


def sealed(content: bytes) -> bytes:
    """Return the sealed form of a file."""
    seal = KEYS.new_file()
    starts = range(0, max(len(content), 1), PIECE_BYTES)
    pieces = [
        seal.close(number, content[at : at + PIECE_BYTES], last=at == starts[-1])
        for number, at in enumerate(starts)
    ]
    return seal.header + b"".join(pieces)


async def read(content: bytes, part: ByteRange | None = None, keys: KeyRing | None = KEYS) -> bytes:
    """Return what a reader gets of a file."""
    recording = await open_recording(Shelf(content), NAME, keys)
    return b"".join([block async for block in recording.read(part)])


EDGES = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, SIZE - 1, SIZE]


@pytest.mark.parametrize("form", ["plain", "sealed"])
async def test_every_range_equals_the_slice(form: str) -> None:
    """Ranges that start and end around the edges of pieces are what stands there, sealed or not."""
    content = CONTENT if form == "plain" else sealed(CONTENT)

    assert await read(content) == CONTENT
    for start in EDGES:
        for end in (edge for edge in EDGES if edge > start):
            assert await read(content, ByteRange(start, end)) == CONTENT[start:end]


@pytest.mark.parametrize("size", [0, 44, PIECE_BYTES, 2 * PIECE_BYTES, 5 * PIECE_BYTES + 7])
async def test_files_of_any_size_are_read_whole(size: int) -> None:
    """A file of whole pieces, of none, and one of more than a block come back byte by byte."""
    content = (CONTENT * 2)[:size]

    recording = await open_recording(Shelf(sealed(content)), NAME, KEYS)

    assert recording.size_bytes == size
    assert recording.key_id == "k"
    assert b"".join([block async for block in recording.read()]) == content


async def test_plain_recording_tells_its_length() -> None:
    """Size and duration follow from the file's size."""
    recording = await open_recording(Shelf(b"RIFF".ljust(44 + 32_000)), NAME, None)

    assert (recording.size_bytes, recording.duration_ms, recording.key_id) == (32_044, 1_000, "")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda whole: whole[:-1], "altered"),
        (lambda whole: whole[: HEADER_BYTES + 2 * (PIECE_BYTES + TAG_BYTES)], "altered"),
        (lambda whole: whole[: HEADER_BYTES + 3], "cut"),
        (lambda whole: whole[:HEADER_BYTES] + whole[HEADER_BYTES + PIECE_BYTES + TAG_BYTES :], "altered"),
        (lambda whole: whole[:100] + b"\0" + whole[101:], "altered"),
    ],
    ids=["one-byte", "whole-pieces", "within-a-tag", "first-piece", "one-bit"],
)
async def test_sealed_recording_that_was_tampered_with_is_refused(
    damage: Callable[[bytes], bytes], reason: str
) -> None:
    """Cut at its end, between pieces, at its start, or changed, a sealed recording does not read."""
    with pytest.raises(RecordingError) as caught:
        await read(damage(sealed(CONTENT)))

    assert caught.value.reason == reason


async def test_sealed_recording_needs_its_key() -> None:
    """Without keys, or with others, it is an error that says what is missing."""
    for keys in (None, KeyRing("j", {"j": b"j" * 32})):
        with pytest.raises(RecordingError) as caught:
            await read(sealed(CONTENT), keys=keys)
        assert caught.value.reason == "unknown_key"


async def test_recording_that_shrinks_while_it_is_read_is_an_error() -> None:
    """What was promised by its size and does not come is no end of the audio."""
    shelf = Shelf(CONTENT)
    recording = await open_recording(shelf, NAME, None)
    shelf.content = CONTENT[:100]

    with pytest.raises(RecordingError) as caught:
        [block async for block in recording.read()]
    assert caught.value.reason == "cut"


async def test_large_range_comes_in_blocks() -> None:
    """Memory stays small: no block is larger than four pieces."""
    recording = await open_recording(Shelf(CONTENT * 3), NAME, None)

    blocks = [len(block) async for block in recording.read(ByteRange(10, 2 * SIZE))]

    assert max(blocks) <= 4 * PIECE_BYTES
    assert sum(blocks) == 2 * SIZE - 10


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", ByteRange(0, 100)),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=10-19", ByteRange(10, 20)),
        ("bytes=90-1000", ByteRange(90, 100)),
        ("bytes=-10", ByteRange(90, 100)),
        ("bytes=-1000", ByteRange(0, 100)),
        ("Bytes = 5 - 6", None),
        ("BYTES= 5 - 6 ", ByteRange(5, 7)),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=9-5", None),
        ("items=0-5", None),
        ("bytes=0-99999999999999999999", None),
    ],
)
def test_range_header_is_read_as_the_rfc_has_it(header: str | None, expected: ByteRange | None) -> None:
    """One range is understood in its three forms; what is not understood means the whole."""
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("bytes=100-", "beyond_the_end"),
        ("bytes=500-600", "beyond_the_end"),
        ("bytes=-0", "beyond_the_end"),
        ("bytes=0-1,5-6", "several_ranges"),
        ("bytes=" + ",".join(f"{at}-{at}" for at in range(1_000)), "several_ranges"),
    ],
)
def test_range_that_cannot_be_served_is_416(header: str, reason: str) -> None:
    """Behind the end, nothing at all, and more than one range are refused."""
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, 100)

    assert caught.value.reason == reason


@given(st.text(max_size=40), st.integers(0, 1_000))
def test_any_header_gives_a_part_or_the_whole_or_416(header: str, size: int) -> None:
    """No header whatsoever leads out of the recording, or to another error."""
    try:
        part = parse_range(f"bytes={header}", size)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part.start < part.end <= size


def test_content_range_counts_as_http_does() -> None:
    """The header of the answer names the last byte, not the one behind it."""
    assert ByteRange(10, 20).content_range(100) == "bytes 10-19/100"
    assert reader._BLOCK_BYTES % encryption.PIECE_BYTES == 0
