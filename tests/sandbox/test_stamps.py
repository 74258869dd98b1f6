from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.stamps import Calendar, read, stamp

NOON = datetime(2026, 11, 26, 12, 0, 0, 250, UTC)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def test_stamp_is_utc_to_the_microsecond() -> None:
    """A moment of any zone is written in UTC, always as long."""
    assert stamp(NOON) == "2026-11-26T12:00:00.000250Z"
    assert stamp(NOON.astimezone(timezone(timedelta(hours=2)))) == "2026-11-26T12:00:00.000250Z"


@given(MOMENTS, MOMENTS)
def test_stamps_sort_as_moments_do(one: datetime, other: datetime) -> None:
    """Texts compare as the times they stand for."""
    assert (stamp(one) < stamp(other)) is (one < other)
    assert read(stamp(one)) == stamp(one)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-11-26", "2026-11-26T00:00:00.000000Z"),
        ("2026-11-26T12:00", "2026-11-26T12:00:00.000000Z"),
        ("2026-11-26 12:00:01", "2026-11-26T12:00:01.000000Z"),
        ("2026-11-26T12:00:00+02:00", "2026-11-26T10:00:00.000000Z"),
        ("2026-11-26T12:00:00.5Z", "2026-11-26T12:00:00.500000Z"),
    ],
)
def test_clients_may_write_times_as_they_like(text: str, means: str) -> None:
    """Dates, times with and without offset and fraction are all understood."""
    assert read(text) == means


@pytest.mark.parametrize("text", ["", "noon", "2026-13-01", "2026-11-26T25:00", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """The error quotes what was given."""
    with pytest.raises(ValueError, match="is no RFC 3339 time"):
        read(text)


def test_calendar_dates_readings_of_the_clock() -> None:
    """What the loop's clock read becomes the time of day it was."""
    calendar = Calendar(NOON, 100.0)
    assert calendar.at(100.0) == stamp(NOON)
    assert calendar.at(101.5) == "2026-11-26T12:00:01.500250Z"
