"""How long an answer asks to wait."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.egress.retry_after import http_date, retry_after_s

NOW = datetime(2026, 10, 21, 7, 27, 30, tzinfo=UTC)
GARBAGE = (
    *("-1", "1.5", "²", "٣", "soon", "21 Oct 2026", "2026-10-21T07:28:00Z"),
    *("Wed, 99 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 99999999999 07:28:00 GMT"),
    "Wed, 21 Oct 2026 07:28:00 +9999",
)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("9" * 400, 999_999_999.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 30.0),
        ("Wednesday, 21-Oct-26 07:28:00 GMT", 30.0),
        ("Wed Oct 21 07:28:00 2026", 30.0),
        ("Wed, 21 Oct 2026 09:28:00 +0200", 30.0),
        ("Wed, 21 Oct 2026 07:27:30 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        (None, None),
        ("", None),
        *((text, None) for text in GARBAGE),
    ],
)
def test_seconds_and_dates_are_read(header: str | None, seconds: float | None) -> None:
    """A date that is past asks for no wait; what is neither asks for nothing."""
    assert retry_after_s(header, NOW) == seconds


def test_without_a_clock_seconds_alone_are_read() -> None:
    """A date cannot be compared with anything."""
    assert retry_after_s("7", None) == 7.0
    assert retry_after_s("Wed, 21 Oct 2026 07:28:00 GMT", None) is None


@pytest.mark.parametrize("text", ["", *GARBAGE])
def test_what_is_no_date_is_none(text: str) -> None:
    """Nothing that a server writes breaks the reading."""
    assert http_date(text) is None


@given(at=st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2068, 1, 1)))
def test_each_form_of_a_date_is_read(at: datetime) -> None:
    """The three forms of one moment are that moment, in UTC."""
    whole = at.replace(microsecond=0, tzinfo=UTC)
    forms = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y")

    assert [http_date(whole.strftime(form)) for form in forms] == [whole] * 3


@given(header=st.text(max_size=40))
@example(header="Wed, 21 Oct 9999 07:28:00 -2359")
def test_any_header_asks_for_a_wait_or_for_nothing(header: str) -> None:
    """No text raises, and no wait is negative."""
    asked_s = retry_after_s(header, NOW)

    assert asked_s is None or 0.0 <= asked_s < 1e12
