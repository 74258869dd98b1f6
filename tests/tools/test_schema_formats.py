"""Which texts are dates, times and addresses."""

import pytest
from jsonschema.exceptions import FormatError

from gateway.tools.schema_formats import FORMATS, SAID


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date", "2026-11-27"),
        ("date", "2028-02-29"),
        ("time", "19:30"),
        ("time", "00:00:00"),
        ("time", "19:30:05.123456+01:00"),
        ("time", "19:30Z"),
        ("date-time", "2026-11-27T19:30"),
        ("date-time", "2026-11-27t19:30:00Z"),
        ("date-time", "2026-11-27T19:30:00.5-08:00"),
        ("email", "ada@mail.example.com"),
        ("email", "ü+x@b.c"),
        ("uuid", "3f0c1f5e-8f57-4F2B-9c57-2f4f3a1b7c11"),
    ],
)
def test_texts_of_a_format(name: str, text: str) -> None:
    """What callers mean by it passes."""
    FORMATS.check(text, name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date", "2026-02-30"),
        ("date", "tomorrow"),
        ("date", "27.11.2026"),
        ("date", "20261127"),
        ("date", "2026-W48-5"),
        ("date", "2026-11-27\n"),
        ("time", "24:00"),
        ("time", "7:30"),
        ("time", "half past seven"),
        ("date-time", "2026-11-27"),
        ("date-time", "2026-11-27 19:30"),
        ("date-time", "2026-13-27T19:30"),
        ("date-time", ""),
        ("email", "ada at example.com"),
        ("email", "ada@localhost"),
        ("email", "a@b@c.d"),
        ("email", "x" * 65 + "@b.c"),
        ("uuid", "3f0c1f5e8f574f2b9c572f4f3a1b7c11"),
        ("uuid", "{3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11}"),
    ],
)
def test_texts_that_are_not_of_a_format(name: str, text: str) -> None:
    """What a calendar, a clock or a mail server would not take is refused."""
    with pytest.raises(FormatError):
        FORMATS.check(text, name)


@pytest.mark.parametrize("name", sorted(SAID))
def test_a_format_is_of_texts_only(name: str) -> None:
    """A value of another type is the business of its type."""
    for value in (4, None, [1], True):
        FORMATS.check(value, name)


def test_other_formats_are_not_checked() -> None:
    """A format that is not known says nothing, as JSON Schema has it."""
    FORMATS.check("anything", "postcode")

    assert set(FORMATS.checkers) == set(SAID)
