"""What arguments become, and what stays as it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tools.coercion import Coercion

INTEGER, NUMBER, TEXT, BOOLEAN = ({"type": name} for name in ("integer", "number", "string", "boolean"))


def coerced(value: object, schema: object) -> object:
    """Return what one argument becomes."""
    return Coercion({"type": "object", "properties": {"a": schema}}).apply({"a": value})["a"]


@pytest.mark.parametrize(
    ("value", "schema", "wanted"),
    [
        ("4", INTEGER, 4),
        (" -4 ", INTEGER, -4),
        ("4.0", INTEGER, 4),
        ("4e2", INTEGER, 400),
        (4.0, INTEGER, 4),
        ("4", NUMBER, 4),
        ("4.5", NUMBER, 4.5),
        (4.0, NUMBER, 4.0),
        (4, NUMBER, 4),
        ("true", BOOLEAN, True),
        ("No", BOOLEAN, False),
        ("1", BOOLEAN, True),
        (0, BOOLEAN, False),
        (4, TEXT, "4"),
        (4.5, TEXT, "4.5"),
        ("[1, 2]", {"type": "array"}, [1, 2]),
        (' {"b": 1}', {"type": "object"}, {"b": 1}),
        ("4", {"type": ["integer", "null"]}, 4),
        ("4", {"anyOf": [INTEGER, {"type": "null"}]}, 4),
        ("4", {"type": ["integer", "number"]}, 4),
        ("2", {"enum": [1, 2, 3]}, 2),
        ("2", {"const": 2}, 2),
        ("4", {"allOf": [INTEGER]}, 4),
    ],
)
def test_a_value_becomes_what_the_schema_wants(value: object, schema: dict[str, Any], wanted: object) -> None:
    """Texts become what they say, numbers become texts where texts are wanted."""
    result = coerced(value, schema)

    assert result == wanted
    assert type(result) is type(wanted)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("four", INTEGER),
        ("4.5", INTEGER),
        ("007", INTEGER),
        ("+4", INTEGER),
        ("1,000", INTEGER),
        ("٤", INTEGER),
        ("9" * 19, INTEGER),
        ("", INTEGER),
        ("NaN", NUMBER),
        ("1e999", NUMBER),
        (4.5, INTEGER),
        (2.0**60, INTEGER),
        (True, INTEGER),
        (True, TEXT),
        ("maybe", BOOLEAN),
        (2, BOOLEAN),
        (1.0, BOOLEAN),
        ("a, b", {"type": "array"}),
        ("[1, 2", {"type": "array"}),
        ("[" * 40 + "]" * 40, {"type": "array"}),
        ("[" * 100_000, {"type": "array"}),
        ('{"b": 1}', {"type": "array"}),
        ("[1]", {"type": "object"}),
        ("1", {"type": ["boolean", "integer"]}),
        ("4", {"type": ["string", "integer"]}),
        ("4", {}),
        ("4", True),
        ("4", {"anyOf": [INTEGER, {}]}),
        ([4], TEXT),
        ({"b": 1}, INTEGER),
        (None, {"type": ["integer", "null"]}),
        (None, {}),
    ],
)
def test_what_is_right_or_in_doubt_stays(value: object, schema: object) -> None:
    """A value that fits, that means nothing, or that means two things is left to the schema."""
    result = coerced(value, schema)

    assert result == value
    assert type(result) is type(value)


def test_values_are_coerced_at_any_depth() -> None:
    """Tables within lists within JSON in a text are gone through like the arguments themselves."""
    schema = {
        "type": "object",
        "properties": {
            "guests": {
                "type": "array",
                "items": {"type": "object", "properties": {"age": INTEGER}, "additionalProperties": TEXT},
            },
            "pair": {"type": "array", "prefixItems": [INTEGER], "items": BOOLEAN},
            "n": {"$ref": "#/$defs/n"},
        },
        "$defs": {"n": NUMBER},
    }
    arguments = {
        "guests": '[{"age": "36", "room": 7}]',
        "pair": ["1", "yes", "no"],
        "n": "1.5",
        "other": "5",
    }

    assert Coercion(schema).apply(arguments) == {
        "guests": [{"age": 36, "room": "7"}],
        "pair": [1, True, False],
        "n": 1.5,
        "other": "5",
    }


def test_null_means_not_given_where_it_is_not_wanted() -> None:
    """An agent's null for a text that has no null is left out; elsewhere null is null."""
    schema = {
        "type": "object",
        "properties": {"a": TEXT, "b": {"type": ["string", "null"]}, "c": {}, "d": True},
    }
    arguments: dict[str, object] = dict.fromkeys("abcde")

    assert Coercion(schema).apply(arguments) == {"b": None, "c": None, "d": None, "e": None}


def test_defaults_are_filled_in() -> None:
    """What is missing, or null, gets its default, in tables that are there."""
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "default": 2},
            "tags": {"type": "array", "default": ["x"]},
            "ref": {"$ref": "#/$defs/yes"},
            "in": {"type": "object", "properties": {"m": {"default": 1}}},
            "out": {"type": "object", "properties": {"m": {"default": 1}}},
        },
        "$defs": {"yes": {"default": True}},
    }
    coercion = Coercion(schema)
    first = coercion.apply({"n": None, "in": {}})
    tags = first["tags"]
    assert isinstance(tags, list)
    tags.append("y")

    assert first == {"n": 2, "tags": ["x", "y"], "ref": True, "in": {"m": 1}}
    assert coercion.apply({"n": 3})["tags"] == ["x"]


def test_the_arguments_themselves_are_left_alone() -> None:
    """Coercion works on a copy."""
    arguments = {"a": ["1"]}
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": INTEGER}, "b": {"default": 1}}}

    assert Coercion(schema).apply(arguments) == {"a": [1], "b": 1}
    assert arguments == {"a": ["1"]}


def test_a_schema_without_end_is_noticed() -> None:
    """Going through a part that contains itself is a RecursionError; through one that may, it is not."""
    schema: dict[str, Any] = {
        "type": "object",
        "$defs": {
            "bad": {"allOf": [{"$ref": "#/$defs/bad"}]},
            "good": {"type": "array", "items": {"$ref": "#/$defs/good"}},
        },
    }
    coercion = Coercion(schema)
    coercion.probe(schema["$defs"]["good"])

    with pytest.raises(RecursionError):
        coercion.probe(schema["$defs"]["bad"])


@given(value=st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False, width=16))
def test_a_number_survives_its_way_through_a_text(value: float) -> None:
    """A number written as text, and read again, is the number."""
    text = coerced(value, TEXT)

    assert isinstance(text, str)
    assert coerced(text, NUMBER) == value


@given(text=st.text())
def test_no_text_breaks_it(text: str) -> None:
    """Whatever a text says, something comes back, and a text stays a text where one is wanted."""
    kinds = ("integer", "number", "boolean", "array", "object", "null")

    assert [type(coerced(text, {"type": kind})) for kind in kinds]
    assert coerced(text, TEXT) == text
