"""The finished form, against the standard library's codec and reader."""

import audioop
import io
import wave

from hypothesis import given
from hypothesis import strategies as st

from gateway.recording import wav


def test_every_code_is_what_the_standard_library_decodes() -> None:
    """All 256 codes come out as the old `audioop` decodes them."""
    codes = bytes(range(256))

    assert wav.frames(codes) == audioop.ulaw2lin(codes, 2)


@given(st.binary(max_size=400).map(lambda data: data[: len(data) // 2 * 2]))
def test_another_reader_finds_both_sides(pairs: bytes) -> None:
    """The standard library's reader finds two channels at 8 kHz with every sample."""
    content = wav.header(len(pairs) // 2) + wav.frames(pairs)

    with wave.open(io.BytesIO(content)) as reader:
        assert (reader.getnchannels(), reader.getframerate(), reader.getsampwidth()) == (2, 8_000, 2)
        assert reader.readframes(1_000) == audioop.ulaw2lin(pairs, 2)
    assert wav.size(len(pairs) // 2) == len(content)
    assert wav.pairs_in(len(content)) == len(pairs) // 2


def test_most_pairs_still_fit_the_header() -> None:
    """The longest recording that is made has a header whose sizes are 32 bits wide."""
    assert len(wav.header(wav.MOST_PAIRS)) == wav.HEADER_BYTES
    assert wav.size(wav.MOST_PAIRS) <= 0xFFFF_FFFF


def test_file_shorter_than_its_header_holds_nothing() -> None:
    """A size below that of the header is no negative number of pairs."""
    assert wav.pairs_in(10) == 0
