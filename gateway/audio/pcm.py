"""Linear samples and their bytes: int16, mono, little-endian on every wire and in every file we touch.

PURE. `Pcm` is what the whole package means by audio: an int16 ndarray of shape (n,). The rate is not part
of the array; whoever holds the array knows it.
"""

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]

SAMPLE_BYTES = 2
_WIRE = np.dtype("<i2")


def from_bytes(data: bytes) -> Pcm:
    """View little-endian 16-bit samples as int16, shape (n,), without a copy; the result is read-only.

    Raises:
        ValueError: the length is odd. Audio cut anywhere goes through :class:`ByteAligner` instead.
    """
    if len(data) % SAMPLE_BYTES:
        raise ValueError(f"PCM16 needs an even number of bytes, got {len(data)}; align chunks first")
    return np.frombuffer(data, dtype=_WIRE).astype(np.int16, copy=False)


def to_bytes(pcm: Pcm) -> bytes:
    """Return the samples as little-endian bytes, two a sample."""
    return pcm.astype(_WIRE, copy=False).tobytes()


def empty() -> Pcm:
    """Return no samples: int16, shape (0,)."""
    return np.empty(0, dtype=np.int16)


class ByteAligner:
    """Carries an odd byte from one chunk of PCM16 to the next. Lives as long as its stream."""

    __slots__ = ("_carry",)

    def __init__(self) -> None:
        self._carry = b""

    def push(self, data: bytes) -> Pcm:
        """Return the samples that are complete by now: int16, shape (n,), n may be 0."""
        if self._carry:
            data = self._carry + data
        whole = len(data) & ~1
        self._carry = data[whole:]
        return from_bytes(data[:whole])

    def reset(self) -> None:
        """Forget the carried byte: the next chunk starts a new stream."""
        self._carry = b""
