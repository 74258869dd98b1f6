"""Options that cannot work are refused in words."""

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from gateway.simulator import arguments


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (arguments.count, "1", 1),
        (arguments.count, "5000", 5_000),
        (arguments.port, "0", 0),
        (arguments.port, "65535", 65_535),
        (arguments.seconds, "0.5", 0.5),
        (arguments.seconds, "14400", 14_400.0),
        (arguments.rate, "0.1", 0.1),
        (arguments.line, "Good evening. ", "Good evening. "),
        (arguments.url, "http://127.0.0.1:8080/twilio/voice", "http://127.0.0.1:8080/twilio/voice"),
        (arguments.url, "https://gateway.example/a?b=c", "https://gateway.example/a?b=c"),
    ],
)
def test_what_can_work_is_taken(read: Callable[[str], object], text: str, value: object) -> None:
    """As it was meant."""
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        *((arguments.count, text, "at least 1") for text in ("0", "-3", "1.5", "many", "", "9" * 5_000)),
        *((arguments.port, text, "from 0 to 65535") for text in ("65536", "99999", "-1", "http")),
        *((arguments.seconds, text, "above 0 and at most 14400") for text in ("0", "-1", "nan", "inf", "x")),
        *((arguments.rate, text, "above 0 and at most 1000") for text in ("0", "-1", "nan", "1e9", "")),
        *((arguments.line, text, "cannot be said") for text in ("", " ")),
        *(
            (arguments.url, text, "must be a whole URL")
            for text in (
                "",
                "gateway",
                "/twilio/voice",
                "ftp://a/b",
                "http://",
                "http://a:0/",
                "http://a:99999/",
            )
        ),
        (arguments.url, "http://[::1/", "must be a whole URL"),
        (arguments.url, "http://a/b c", "must be a whole URL"),
    ],
)
def test_what_cannot_work_is_refused(read: Callable[[str], object], text: str, says: str) -> None:
    """And the reason is given."""
    with pytest.raises(ArgumentTypeError, match=says):
        read(text)
