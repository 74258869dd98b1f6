"""Sealing: what comes back, what is noticed, which key it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError, RecordingError
from gateway.recording import encryption
from gateway.recording.encryption import HEADER_BYTES, PIECE_BYTES, TAG_BYTES, KeyRing

OLD, NEW = b"o" * 32, b"n" * 32
RING = KeyRing("2026", {"2026": OLD})


def test_piece_comes_back_under_its_number_only() -> None:
    """A piece opens at its own place, as what it was, the last one or not."""
    seal = RING.new_file()
    sealed = seal.close(3, b"audio")
    again = RING.of_file(seal.header)

    assert again.open(3, sealed) == b"audio"
    for number, last in [(2, False), (3, True)]:
        with pytest.raises(RecordingError) as caught:
            again.open(number, sealed, last=last)
        assert caught.value.reason == "altered"


@pytest.mark.parametrize("at", [0, 4, 20])
def test_altered_piece_is_noticed(at: int) -> None:
    """One bit of a piece changed, at whatever place, and it does not open."""
    seal = RING.new_file()
    sealed = bytearray(seal.close(0, b"audio"))
    sealed[at] ^= 1

    with pytest.raises(RecordingError, match="altered"):
        seal.open(0, bytes(sealed))


def test_files_do_not_share_a_key() -> None:
    """The same audio sealed twice gives other bytes, and a piece of one file is none of another."""
    first, second = RING.new_file(), RING.new_file()

    assert first.close(0, b"audio") != second.close(0, b"audio")
    with pytest.raises(RecordingError):
        second.open(0, first.close(0, b"audio"))


def test_header_is_bound_to_the_pieces() -> None:
    """A header that names another salt opens nothing."""
    seal = RING.new_file()
    forged = bytearray(seal.header)
    forged[HEADER_BYTES - 9] ^= 1

    with pytest.raises(RecordingError):
        RING.of_file(bytes(forged)).open(0, seal.close(0, b"audio"))


def test_rotation_seals_with_the_new_key_and_opens_the_old() -> None:
    """After a rotation old files open as long as their key is in the ring, new ones name the new key."""
    before = RING.new_file()
    sealed = before.close(0, b"audio")
    rotated = KeyRing("2027", {"2026": OLD, "2027": NEW})

    assert rotated.of_file(before.header).open(0, sealed) == b"audio"
    assert rotated.new_file().key_id == "2027"
    with pytest.raises(RecordingError) as caught:
        KeyRing("2027", {"2027": NEW}).of_file(before.header)
    assert caught.value.reason == "unknown_key"
    assert "'2026'" in str(caught.value)


@pytest.mark.parametrize("start", [b"", b"RIFF" + b"\0" * 60, encryption._MAGIC])
def test_what_is_not_sealed_is_told_apart(start: bytes) -> None:
    """A plain file, and one cut within the header, have no seal."""
    with pytest.raises(RecordingError) as caught:
        RING.of_file(start)

    assert caught.value.reason == "not_sealed"


@pytest.mark.parametrize(
    ("current", "keys", "names"),
    [
        ("a", {}, "'a'"),
        ("a", {"b": OLD}, "'a'"),
        ("a", {"a": b"short"}, "5 bytes"),
        ("a b", {"a b": OLD}, "letters"),
        ("x" * 33, {"x" * 33: OLD}, "letters"),
    ],
)
def test_ring_that_cannot_work_says_why_without_the_key(
    current: str, keys: dict[str, bytes], names: str
) -> None:
    """The fault is named, the key is in neither the error nor the ring's own text."""
    with pytest.raises(ConfigError, match=names) as caught:
        KeyRing(current, keys)

    assert "short" not in str(caught.value)
    assert "oooo" not in repr(RING)


@given(st.integers(0, 4 * PIECE_BYTES))
def test_size_of_the_plain_follows_from_that_of_the_sealed(plain: int) -> None:
    """Every length of audio has one sealed size, and that leads back to it."""
    assert encryption.plain_size(encryption.sealed_size(plain)) == plain


@pytest.mark.parametrize(
    "sealed",
    [0, HEADER_BYTES, HEADER_BYTES + TAG_BYTES - 1, HEADER_BYTES + PIECE_BYTES + TAG_BYTES + TAG_BYTES],
)
def test_size_that_no_sealed_file_has_is_a_cut(sealed: int) -> None:
    """A file cut within a tag, or with a last piece of nothing behind a full one, is no whole file."""
    with pytest.raises(RecordingError) as caught:
        encryption.plain_size(sealed)

    assert caught.value.reason == "cut"
