"""Strict JSON into shapes: every failure by name, without values."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AgentProtocolError
from gateway.vatel.strict_json import Shape, dump
from tests.vatel.golden_frames import json_values


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    """A shape with one field of each kind of trouble."""

    name: str
    size: float = 0.0
    data: bytes = b""
    kin: list[object] = msgspec.field(default_factory=list)


STRICT = Shape(Thing, "thing")
FORGIVING = Shape(Thing, "thing", nulls_absent=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "bad_json"),
        ('{"name":"a"', "bad_json"),
        ('{"name":"a","size":NaN}', "bad_json"),
        ('{"name":"\\ud800"}', "bad_json"),
        ('{"size":1}', "missing_field"),
        ('{"name":"a","age":1}', "unknown_field"),
        ('{"name":1}', "wrong_type"),
        ("[]", "wrong_type"),
        ('{"name":"a","size":1e999}', "bad_number"),
        ('{"name":"a","kin":[' + "9" * 5000 + "]}", "bad_number"),
        ('{"name":"a","data":"?"}', "bad_base64"),
        ('{"name":"a","kin":' + "[" * 100_000, "too_deep"),
        (b'{"name":"\xff"}', "bad_utf8"),
        ("\udcff", "bad_utf8"),
    ],
)
@pytest.mark.parametrize("shape", [STRICT, FORGIVING], ids=["strict", "forgiving"])
def test_each_fault_has_its_name(shape: Shape[Thing], text: str | bytes, reason: str) -> None:
    """The library's words are mapped to reasons; this holds them to the version in use."""
    with pytest.raises(AgentProtocolError) as caught:
        shape.read(text)

    assert caught.value.reason == reason
    assert caught.value.__cause__ is None


def test_the_error_names_field_and_root() -> None:
    """Somebody who reads the message finds the place."""
    with pytest.raises(AgentProtocolError, match=r"Expected `str`, got `int` - at `thing\.name`"):
        STRICT.read('{"name":4111111111111111}')


def test_nulls_are_wrong_where_they_are_not_forgiven() -> None:
    """A strict shape takes null for what it is."""
    with pytest.raises(AgentProtocolError) as caught:
        STRICT.read('{"name":"a","size":null}')

    assert caught.value.reason == "wrong_type"


def test_nulls_are_absent_where_they_are_forgiven() -> None:
    """A forgiving shape gives a null field its default."""
    assert FORGIVING.read('{"name":"a","size":null,"data":null,"kin":null}') == Thing("a")


@pytest.mark.parametrize("text", ["null", '{"name":null}', "{}"])
def test_forgiving_does_not_invent_what_is_required(text: str) -> None:
    """Null for a required field is a missing field."""
    with pytest.raises(AgentProtocolError) as caught:
        FORGIVING.read(text)

    assert caught.value.reason == "missing_field"


def test_nulls_inside_values_stay() -> None:
    """Only fields of the shape itself are forgiven; values keep their nulls."""
    assert FORGIVING.read('{"name":"a","size":null,"kin":[null,{"b":null}]}').kin == [None, {"b": None}]


def test_a_raw_part_is_read_like_a_text() -> None:
    """A part of a message cut out before is read the same."""
    assert STRICT.read(msgspec.Raw(b'{"name":"a","data":"AQA="}')) == Thing("a", data=b"\1\0")


@given(json_values)
def test_dumped_values_are_the_json_that_was_meant(value: object) -> None:
    """Any JSON value survives the way out."""
    assert json.loads(dump(value)) == value


odd_text = st.text(st.characters(), max_size=10)


@given(
    st.recursive(
        odd_text,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(odd_text, inner, max_size=2),
        max_leaves=4,
    )
)
def test_any_text_at_any_depth_is_dumped_as_utf8(value: object) -> None:
    """Lone surrogates, in keys and values, never break the wire."""
    assert json.loads(dump(value).encode()) is not None


def test_numbers_and_nothing_pass_the_mending_of_text() -> None:
    """Where one text must be mended, what is no text stays as it is."""
    assert json.loads(dump({"a": "\ud800", "b": [1, None, True, (2.5,)]})) == {
        "a": "�",
        "b": [1, None, True, [2.5]],
    }


def test_dumped_text_is_compact() -> None:
    """No space between tokens, and no escape where UTF-8 will do."""
    assert dump({"a": ["é", 1]}) == '{"a":["é",1]}'
