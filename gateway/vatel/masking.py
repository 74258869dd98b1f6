"""Text frames as a client writes them (RFC 6455 clauses 5.2 and 5.3): final, masked, each with a fresh key.

The keys come from the system's entropy, as the RFC asks, but many at a time: drawing each with a system call
of its own, as websockets does, took a tenth of all CPU time of a loaded gateway.
"""

import os
import struct
from collections.abc import Callable

try:
    from websockets.speedups import apply_mask
except ImportError:  # a build without its C extension
    from websockets.utils import apply_mask

_TEXT = 0x81
_MASKED = 0x80
_KEY_BYTES = 4
_POOL_BYTES = 256 * _KEY_BYTES
_pack_short = struct.Struct("!BB").pack
_pack_medium = struct.Struct("!BBH").pack
_pack_long = struct.Struct("!BBQ").pack


class Masker:
    """Writes the text frames of one connection. Lives as long as it.

    Args:
        entropy: returns so many unpredictable bytes.
    """

    __slots__ = ("_at", "_entropy", "_pool")

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._pool = b""
        self._at = 0

    def frame(self, payload: bytes) -> bytes:
        """Return one whole text frame."""
        at = self._at
        if at == len(self._pool):
            self._pool = self._entropy(_POOL_BYTES)
            at = 0
        self._at = at + _KEY_BYTES
        key = self._pool[at : self._at]
        return _head(len(payload)) + key + apply_mask(payload, key)


def _head(size: int) -> bytes:
    if size < 126:
        return _pack_short(_TEXT, _MASKED | size)
    if size < 65_536:
        return _pack_medium(_TEXT, _MASKED | 126, size)
    return _pack_long(_TEXT, _MASKED | 127, size)
