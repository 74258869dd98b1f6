"""What the options of ``simulate`` may be: each refuses what cannot work, in one line. PURE.

For ``argparse``: a ValueError would only say that the value is invalid, not why.
"""

from argparse import ArgumentTypeError
from math import inf
from typing import Final
from urllib.parse import urlsplit

LONGEST_S: Final = (
    14_400.0  # Twilio's own limit on a call (https://www.twilio.com/docs/voice/api/call-resource)
)
_PORTS: Final = 65_535


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    return _whole(text, 1, None)


def port(text: str) -> int:
    """Read a port; 0 takes a free one."""
    return _whole(text, 0, _PORTS)


def seconds(text: str) -> float:
    """Read how long a call lasts, at most what Twilio lets one last."""
    return _above_zero(text, LONGEST_S)


def rate(text: str) -> float:
    """Read how many a second."""
    return _above_zero(text, 1_000.0)


def line(text: str) -> str:
    """Read something to say."""
    if not text.strip():
        raise ArgumentTypeError("an empty text cannot be said")
    return text


def url(text: str) -> str:
    """Read an absolute http or https URL."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        known = False
    if not known or not text.isascii() or any(char.isspace() for char in text):
        raise ArgumentTypeError("must be a whole URL, as in http://127.0.0.1:8080/twilio/voice")
    return text


def _whole(text: str, least: int, most: int | None) -> int:
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if value < least or (most is not None and value > most):
        raise ArgumentTypeError(f"must be a whole number {limits}")
    return value


def _above_zero(text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = inf
    if not 0 < value <= most:  # nan is neither
        raise ArgumentTypeError(f"must be a number above 0 and at most {most:g}")
    return value
