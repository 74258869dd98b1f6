"""Points in time as the API writes them: RFC 3339, UTC, to the microsecond, so that texts sort as times do.

PURE.
"""

from datetime import UTC, datetime, timedelta


def stamp(moment: datetime) -> str:
    """Return a moment as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> str:
    """Return a date or a time of a client's (RFC 3339 or ISO 8601) as :func:`stamp` writes it.

    Without an offset it is taken for UTC.

    Raises:
        ValueError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
        return stamp(moment.replace(tzinfo=moment.tzinfo or UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no RFC 3339 time") from None


class Calendar:
    """Tells what time it was at a reading of the loop's clock. Lives as long as a session.

    Args:
        moment: a point in time.
        now: the clock's reading then, seconds.
    """

    def __init__(self, moment: datetime, now: float) -> None:
        self._moment = moment
        self._now = now

    def at(self, now: float) -> str:
        """Return the time at a reading."""
        return stamp(self._moment + timedelta(seconds=now - self._now))
