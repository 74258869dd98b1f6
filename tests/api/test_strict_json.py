"""JSON from strangers: what is taken comes exactly, what is refused is refused at once."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.strict_json import MOST_DEPTH, BadJson, parse

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=20,
)

HOSTILE = {
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "one level too deep": b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1),
    "huge integer": b"1" * 5_000,
    "huge negative integer": b"-" + b"1" * 5_000,
    "nineteen digits and a sign": b"[-" + b"9" * 20 + b"]",
    "huge float": b"1e999",
    "NaN": b"NaN",
    "Infinity": b"[-Infinity]",
    "duplicate": b'{"a":1,"a":2}',
    "lone surrogate": b'"\\ud800"',
    "lone surrogate in a name": b'{"\\udfff":1}',
    "NUL": b'{"a":"x\\u0000y"}',
    "BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "broken UTF-8": b'"\xff"',
    "empty": b"",
    "half": b'{"a":',
    "two": b"{} {}",
    "comment": b"{} // x",
    "single quotes": b"{'a':1}",
    "trailing comma": b"[1,]",
    "control character": b'"a\x01b"',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_quickly(body: bytes) -> None:
    """Each is one error of ours, within a blink, that quotes nothing."""
    started = time.perf_counter()
    with pytest.raises(BadJson) as refused:
        parse(body)

    assert time.perf_counter() - started < 0.5
    assert len(str(refused.value)) < 120


@given(JSON)
def test_proper_json_comes_exactly(value: object) -> None:
    """What is JSON is read as Python's own reader reads it."""
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    """Nothing else can happen."""
    try:
        parse(body)
    except BadJson:
        return
    json.loads(body)


def test_limits_are_what_they_say() -> None:
    """The deepest nesting, the largest number and a whole emoji pass."""
    assert parse(b"[" * MOST_DEPTH + b"]" * MOST_DEPTH)
    assert parse(b"999999999999999999") == 999_999_999_999_999_999
    assert parse(b'"\\ud83d\\ude00\\n"') == "\U0001f600\n"
