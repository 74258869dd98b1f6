"""µ-law against the standard library's codec, and against the values that ITU-T G.711 prints."""

import audioop

import numpy as np
import pytest

from gateway.audio import ulaw
from gateway.audio.pcm import Pcm, from_bytes, to_bytes

ALL_CODES = bytes(range(256))
ALL_SAMPLES: Pcm = np.arange(-32_768, 32_768).astype(np.int16)


def test_decode_follows_the_standard_for_all_codes() -> None:
    """Each of the 256 codes decodes to the value of G.711 clause 3.2: sign, segment and step, inverted."""
    code = ~np.arange(256) & 0xFF
    segment, step = code >> 4 & 0x07, code & 0x0F
    magnitude = 4 * (((2 * step + 33) << segment) - 33)

    assert ulaw.decode(ALL_CODES).tolist() == np.where(code & 0x80, -magnitude, magnitude).tolist()


def test_encode_equals_audioop_for_all_samples() -> None:
    """Each of the 65,536 samples encodes to the reference's code."""
    assert ulaw.encode(ALL_SAMPLES) == audioop.lin2ulaw(to_bytes(ALL_SAMPLES), 2)


@pytest.mark.parametrize(
    ("code", "sample"),
    [
        (0x80, 32_124),
        (0x8F, 16_764),
        (0xBF, 1_980),
        (0xFE, 8),
        (0xFF, 0),
        (0x7F, 0),
        (0x7E, -8),
        (0x00, -32_124),
    ],
)
def test_decode_gives_the_values_of_the_standard(code: int, sample: int) -> None:
    """Corner codes have the values of G.711 table 2, times 4."""
    assert ulaw.decode(bytes([code])).tolist() == [sample]


def test_encode_clips_at_full_scale() -> None:
    """Samples beyond the largest code get it, without wrapping to the other sign."""
    loudest = np.array([32_767, 32_635, -32_635, -32_768], dtype=np.int16)

    assert ulaw.encode(loudest) == b"\x80\x80\x00\x00"


def test_every_code_but_one_survives_the_round_trip() -> None:
    """Decode then encode gives the code back; negative zero becomes zero."""
    expected = ALL_CODES.replace(b"\x7f", b"\xff")

    assert ulaw.encode(ulaw.decode(ALL_CODES)) == expected


def test_silence_is_the_code_of_zero() -> None:
    """The silence byte decodes to zero and is what zero encodes to."""
    assert ulaw.decode(bytes([ulaw.SILENCE])).tolist() == [0]
    assert ulaw.encode(np.zeros(1, dtype=np.int16)) == bytes([ulaw.SILENCE])


def test_coding_error_stays_within_the_step() -> None:
    """No sample within the range of the codes moves by more than 3.2 % plus one finest step."""
    inside = ALL_SAMPLES[np.abs(ALL_SAMPLES.astype(int)) <= 32_124]
    moved = np.abs(ulaw.decode(ulaw.encode(inside)).astype(int) - inside.astype(int))

    assert (moved <= 0.032 * np.abs(inside.astype(int)) + 8).all()


def test_both_ways_take_nothing() -> None:
    """No bytes are no samples, and the other way round."""
    assert ulaw.decode(b"").shape == (0,)
    assert ulaw.encode(np.empty(0, dtype=np.int16)) == b""


def test_encode_follows_a_strided_view() -> None:
    """A view that skips samples is encoded as it reads."""
    samples = np.array([0, 32_767, -8, 32_767], dtype=np.int16)

    assert ulaw.encode(samples[::2]) == b"\xff\x7e"


def test_encode_takes_a_read_only_view() -> None:
    """Samples that were received need no copy before they are encoded."""
    assert ulaw.encode(from_bytes(b"\x00\x00\x08\x00")) == b"\xff\xfe"
