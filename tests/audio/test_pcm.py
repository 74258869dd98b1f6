"""Samples and bytes: nothing is lost at odd borders, whatever the cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.pcm import ByteAligner, empty, from_bytes, to_bytes


def test_from_bytes_reads_little_endian() -> None:
    """The low byte comes first, and the sign is kept."""
    samples = from_bytes(b"\x01\x00\xff\x7f\x00\x80\xff\xff")

    assert samples.tolist() == [1, 32_767, -32_768, -1]
    assert samples.dtype == np.int16
    assert samples.shape == (4,)


def test_from_bytes_takes_nothing() -> None:
    """No bytes are no samples."""
    assert from_bytes(b"").shape == (0,)


def test_from_bytes_refuses_half_a_sample() -> None:
    """An odd length is refused with a hint at the way out."""
    with pytest.raises(ValueError, match=r"even number of bytes, got 3; align chunks first"):
        from_bytes(b"\x00\x01\x02")


def test_to_bytes_follows_a_strided_view() -> None:
    """A view that skips samples is written as it reads, not as it lies in memory."""
    assert to_bytes(np.arange(6, dtype=np.int16)[::2]) == b"\x00\x00\x02\x00\x04\x00"


def test_empty_is_int16() -> None:
    """No samples still have the type of samples."""
    assert empty().dtype == np.int16
    assert empty().shape == (0,)


@given(st.binary(max_size=200).map(lambda data: data[: len(data) & ~1]))
def test_bytes_survive_the_round_trip(data: bytes) -> None:
    """Any even number of bytes comes back as it was."""
    assert to_bytes(from_bytes(data)) == data


def test_aligner_joins_a_sample_cut_in_two() -> None:
    """The odd byte of one chunk opens the first sample of the next."""
    aligner = ByteAligner()

    assert aligner.push(b"\x01\x00\x02").tolist() == [1]
    assert aligner.push(b"").tolist() == []
    assert aligner.push(b"\x00").tolist() == [2]
    assert aligner.push(b"\x03\x00").tolist() == [3]


def test_aligner_forgets_the_odd_byte_on_reset() -> None:
    """After a reset the next chunk is read from its own first byte."""
    aligner = ByteAligner()
    aligner.push(b"\x01\x00\x02")

    aligner.reset()

    assert aligner.push(b"\x03\x00").tolist() == [3]


@given(st.lists(st.binary(max_size=9), max_size=30))
def test_aligner_yields_the_same_samples_for_any_cut(chunks: list[bytes]) -> None:
    """All whole samples come out, in order; at most the last odd byte waits."""
    aligner = ByteAligner()
    whole = b"".join(chunks)

    out = b"".join(to_bytes(aligner.push(chunk)) for chunk in chunks)

    assert out == whole[: len(whole) & ~1]
