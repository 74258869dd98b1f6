"""The finished form: stereo PCM16 at 8 kHz, made from pairs of µ-law samples byte for byte. PURE.

A sample of µ-law is a byte and one of PCM16 two, so pair `i` of the raw audio is frame `i` of the WAV and
the size of one follows from that of the other.
"""

import struct

HEADER_BYTES = 44
PAIR_BYTES = 2
"""A pair of µ-law samples: caller, agent."""

_RATE_HZ = 8_000
_FRAME_BYTES = 4
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_BIAS = 33  # ITU-T G.711, in 14-bit units


def _linear(code: int) -> int:
    """Return the 16-bit value of a µ-law code (ITU-T G.711, table 2b, times 4)."""
    bits = ~code & 0xFF
    magnitude = ((2 * (bits & 0x0F) + _BIAS) << (bits >> 4 & 0x07)) - _BIAS
    return -4 * magnitude if bits & 0x80 else 4 * magnitude


_PACKED = [struct.pack("<h", _linear(code)) for code in range(256)]
_LOW = bytes(packed[0] for packed in _PACKED)
_HIGH = bytes(packed[1] for packed in _PACKED)
MOST_PAIRS = (0xFFFF_FFFF - HEADER_BYTES) // _FRAME_BYTES
"""What fits a WAV file: 37 hours."""


def header(pairs: int) -> bytes:
    """Return the header of a WAV with so many pairs of samples."""
    body = pairs * _FRAME_BYTES
    return _HEADER.pack(
        *(b"RIFF", HEADER_BYTES - 8 + body, b"WAVE"),
        *(b"fmt ", 16, 1, 2, _RATE_HZ, _RATE_HZ * _FRAME_BYTES, _FRAME_BYTES, 16),
        *(b"data", body),
    )


def size(pairs: int) -> int:
    """Return the size of a WAV with so many pairs of samples."""
    return HEADER_BYTES + pairs * _FRAME_BYTES


def pairs_in(size_bytes: int) -> int:
    """Return how many pairs of samples a WAV of a size holds."""
    return max(0, size_bytes - HEADER_BYTES) // _FRAME_BYTES


def frames(ulaw: bytes) -> bytes:
    """Return PCM16 little-endian, two bytes for each of µ-law."""
    out = bytearray(2 * len(ulaw))
    out[::2] = ulaw.translate(_LOW)
    out[1::2] = ulaw.translate(_HIGH)
    return bytes(out)
