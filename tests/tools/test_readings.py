"""Texts as others would read them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tools.readings import Reading, folded, readings


@pytest.mark.parametrize(
    ("text", "wanted", "spans"),
    [
        ("a B ab", "b", [(2, 3), (5, 6)]),
        (r"x\u00EBy", "ëy", [(1, 8)]),
        (r"x\ud83d\ude00y", "\U0001f600", [(1, 13)]),
        (r"\\\"a\\\"", '"a"', [(0, 9)]),
        (r"a\/b", "a/b", [(0, 4)]),
    ],
)
def test_what_is_found_is_told_where_it_is_written(
    text: str, wanted: str, spans: list[tuple[int, int]]
) -> None:
    """The place is that in the text, whatever was escaped before it."""
    assert {span for reading in readings(text) for span in reading.find(wanted)} == set(spans)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("x 12 3-4", [(2, 8)]),
        ("12    34", []),
        ("12x34", []),
        ("1234", [(0, 4)]),
        ("12 / 34 1234", [(0, 7), (8, 12)]),
    ],
)
def test_digits_are_found_with_what_people_write_between_them(
    text: str, spans: list[tuple[int, int]]
) -> None:
    """Up to three separators do not end a number."""
    assert list(Reading.plain(text).digits().find("1234")) == spans


@given(st.text())
def test_folding_keeps_places(text: str) -> None:
    """Every character has one character, whatever its lower case is."""
    assert len(folded(text)) == len(text)
    assert folded("İΣς" + text)[:3] == "İσσ"


@given(before=st.text(max_size=9), value=st.text(min_size=1, max_size=9))
def test_what_is_escaped_twice_is_found(before: str, value: str) -> None:
    """JSON in a text of JSON is read as well."""
    text = json.dumps(json.dumps(before + value))

    assert any(True for reading in readings(text) for _ in reading.find(folded(value)))
