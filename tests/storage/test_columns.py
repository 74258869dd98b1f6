"""Values survive both engines, or are refused before they get there."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from gateway.storage.columns import Instant, Words, clean, clean_text, dump_json, json_column, load_json

ENGINES = [sqlite.dialect(), postgresql.dialect()]  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
BERLIN = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
        ("a\0b", "a\ufffdb"),
        ("half \ud83d", "half \ufffd"),
        ("whole \U0001f600", "whole \U0001f600"),
        ("", ""),
    ],
)
def test_text_loses_only_what_no_engine_stores(given: str, kept: str) -> None:
    """NUL and lone surrogates are replaced, all else stays."""
    assert clean_text(given) == kept


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_json_is_read_as_it_was_written(value: object) -> None:
    """Whatever was stored comes back, but for what no engine stores."""
    assert load_json(dump_json(value)) == clean(value)


def test_json_that_is_nested_deeply_is_read_back() -> None:
    """A record of the platform may be so, and what was taken once must not break every answer after."""
    value: object = "deep"
    for _ in range(300):
        value = [value]

    assert load_json(dump_json(value)) == value


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_is_storable_and_stays_so(text: str) -> None:
    """Whatever comes in can be encoded afterwards, and cleaning it again changes nothing."""
    cleaned = clean_text(text)

    assert "\0" not in cleaned.encode().decode()
    assert clean_text(cleaned) == cleaned


def test_json_is_cleaned_at_every_depth() -> None:
    """Names and values inside objects and lists are cleaned too; numbers are left alone."""
    assert clean({"a\0": ["\ud800", 1, None, ("x",)]}) == {"a\ufffd": ["\ufffd", 1, None, ["x"]]}
    assert dump_json({"a": "\0"}) == '{"a":"\ufffd"}'


def test_json_has_no_nan() -> None:
    """What is no JSON is refused here, not by one of the engines."""
    with pytest.raises(ValueError, match="JSON compliant"):
        dump_json(float("nan"))


@pytest.mark.parametrize("dialect", ENGINES, ids=lambda dialect: dialect.name)
def test_moments_come_back_as_utc(dialect: sa.Dialect) -> None:
    """An aware moment of any zone comes back as the same moment, in UTC."""
    moment = datetime(2026, 3, 29, 4, 0, tzinfo=BERLIN)
    column = Instant()
    stored = column.process_bind_param(moment, dialect)
    back = column.process_result_value(stored, dialect)

    assert back == moment
    assert back is not None
    assert back.tzinfo is UTC


@pytest.mark.parametrize("dialect", ENGINES, ids=lambda dialect: dialect.name)
def test_nothing_stays_nothing(dialect: sa.Dialect) -> None:
    """None is stored as NULL by every type."""
    assert Instant().process_bind_param(None, dialect) is None
    assert Instant().process_result_value(None, dialect) is None
    assert Words().process_bind_param(None, dialect) is None


def test_moment_without_zone_is_a_bug() -> None:
    """A naive moment is refused: nobody knows which one it is."""
    with pytest.raises(ValueError, match="time zone"):
        Instant().process_bind_param(datetime(2026, 1, 1), ENGINES[0])


def test_words_are_cleaned_when_bound() -> None:
    """Text columns clean what they are given."""
    assert Words().process_bind_param("a\0", ENGINES[1]) == "a\ufffd"


def test_json_column_knows_null() -> None:
    """None in a JSON column is SQL's NULL."""
    column = json_column("data", nullable=True)

    assert isinstance(column.type, sa.JSON)
    assert column.type.none_as_null
    assert column.nullable
