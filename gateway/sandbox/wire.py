"""WebSocket frames a server writes (RFC 6455 5.2): one piece, no mask, no compression.

PURE. Written by hand so that an agent can send without waiting, and send what no library would.
"""

import struct

_FIN = 0x80
_TEXT, _BINARY = 0x1, 0x2

BARE_CLOSE = bytes((_FIN | 0x8, 0))
"""A close frame without a code: what the other side makes of it is called 1005."""


def text_frame(payload: bytes) -> bytes:
    """Return a text frame; that the payload is UTF-8 is the sender's affair."""
    return _frame(_TEXT, payload)


def binary_frame(payload: bytes) -> bytes:
    """Return a binary frame."""
    return _frame(_BINARY, payload)


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((_FIN | opcode, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", _FIN | opcode, 126, size) + payload
    return struct.pack("!BBQ", _FIN | opcode, 127, size) + payload
