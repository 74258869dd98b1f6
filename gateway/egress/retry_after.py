"""How long an answer asks to wait before it is asked for again: Retry-After (RFC 9110 10.2.3). PURE."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(header: str | None, now: datetime | None) -> float | None:
    """Return the seconds that a Retry-After header asks for; None when nothing can be read in it.

    Args:
        now: what a date in it is compared with, aware; None to read seconds alone. A date that is past asks
            for no wait.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    at = None if now is None else http_date(text)
    return None if now is None or at is None else max(0.0, (at - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """Read a date in any of HTTP's three forms (RFC 9110 5.6.7), aware; None when it is none."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
