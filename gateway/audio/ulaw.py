"""G.711 µ-law, the only encoding Twilio Media Streams speaks: 8 bits a sample, 8,000 samples a second.

PURE. Both ways follow ITU-T G.711 clause 3.2 and equal the reference code in G.191's software tool library,
code for code and sample for sample. Linear values are 16 bits wide, that is G.711's 14-bit values times 4.
Decoding is `audioop`'s; for encoding a table is faster than it on chunks of the agent's length.
"""

import audioop

import numpy as np
import numpy.typing as npt

from gateway.audio.pcm import Pcm

SILENCE = 0xFF
"""The code of a zero sample."""

_BIAS = 33  # added before the segment is found, in 14-bit units (G.711 table 2a)
_CLIP = 8158  # largest magnitude that has a code, in 14-bit units
_SEGMENT_ENDS = np.array([0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF, 0x1FFF])


def _build_encoder() -> npt.NDArray[np.uint8]:
    """Return the code of each linear value: uint8, shape (65536,), indexed by the sample modulo 65,536."""
    sample = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int64) >> 2
    biased = np.minimum(np.abs(sample), _CLIP) + _BIAS
    segment = np.searchsorted(_SEGMENT_ENDS, biased)
    magnitude = segment << 4 | (biased >> (segment + 1)) & 0x0F
    code: npt.NDArray[np.uint8] = (magnitude ^ np.where(sample < 0, 0x7F, 0xFF)).astype(np.uint8)
    return code


_ENCODER = _build_encoder()


def decode(data: bytes) -> Pcm:
    """Return the linear samples of µ-law bytes: int16, shape (len(data),), not to be written to."""
    return np.frombuffer(audioop.ulaw2lin(data, 2), dtype=np.int16)


def encode(pcm: Pcm) -> bytes:
    """Return the µ-law bytes of int16 samples, one a sample."""
    # Negative samples index from the table's end, which is their value modulo 65,536: no view, no cast.
    return _ENCODER.take(pcm).tobytes()
