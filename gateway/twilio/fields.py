"""The fields of a Media Streams message: what each may hold, and the named reason when it does not."""

import re
from binascii import a2b_base64, b2a_base64

from gateway.errors import CallerProtocolError

Number = int | str
"""Twilio writes numbers as strings; JSON numbers are accepted too."""

_MAX_DIGITS = 18
MAX_NUMBER = 10**_MAX_DIGITS - 1
_SID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
# The last base64 character before the padding, when its unused bits are zero (RFC 4648 section 3.5).
_ONE_PAD = frozenset("AEIMQUYcgkosw048")
_TWO_PADS = frozenset("AQgw")
# What msgspec says of a JSON text of the wrong shape, and our name for it; anything else is a bad_type.
_SHAPES = (
    ("Object missing required field", "missing_field"),
    ("Object contains unknown field", "unknown_field"),
    ("Invalid value", "unknown_event"),
    ("Number out of range", "bad_number"),
    ("Integer value out of range", "bad_number"),
)


def number(field: str, value: Number) -> int:
    """Read a whole number from 0 to 18 digits.

    Raises:
        CallerProtocolError: reason ``bad_number``.
    """
    if isinstance(value, str):
        # isdecimal alone would let the digits of every other script pass.
        if len(value) <= _MAX_DIGITS and value.isdecimal() and value.isascii():
            return int(value)
    elif 0 <= value <= MAX_NUMBER:
        return value
    raise CallerProtocolError(f"{field} must be a whole number of at most 18 digits", reason="bad_number")


def sid(field: str, value: str) -> str:
    """Read an identifier: 1-64 letters, digits, dashes; Twilio's own have 34.

    Raises:
        CallerProtocolError: reason ``bad_sid``.
    """
    if _SID(value):
        return value
    raise CallerProtocolError(f"{field} must be 1-64 letters and digits", reason="bad_sid")


def payload(text: str) -> bytes:
    """Decode base64, refusing every text that encoding the answer again would not give back.

    Raises:
        CallerProtocolError: reason ``empty_payload`` or ``bad_base64``.
    """
    if not text:
        raise CallerProtocolError("payload must not be empty", reason="empty_payload")
    try:
        decoded = a2b_base64(text, strict_mode=True)
    except ValueError:
        raise CallerProtocolError("payload must be base64", reason="bad_base64") from None
    # Before Python 3.13 strict mode lets padding after a complete group pass.
    if len(text) % 4 or (text[-1] == "=" and not _unused_bits_are_zero(text)):
        raise CallerProtocolError("payload must be canonical base64", reason="bad_base64")
    return decoded


def _unused_bits_are_zero(text: str) -> bool:
    return text[-3] in _TWO_PADS if text[-2] == "=" else text[-2] in _ONE_PAD


def encode_payload(ulaw: bytes) -> str:
    """Write µ-law bytes as base64."""
    return b2a_base64(ulaw, newline=False).decode("ascii")


def shape_error(description: str) -> CallerProtocolError:
    """Name what msgspec found wrong with a message's shape, without the values it quotes."""
    for start, reason in _SHAPES:
        if description.startswith(start):
            return CallerProtocolError(_without_value(description), reason=reason)
    return CallerProtocolError(_without_value(description), reason="bad_type")


def _without_value(description: str) -> str:
    if description.startswith("Invalid value"):
        return "event is none that is known"
    return description
