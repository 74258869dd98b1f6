"""What is wrong with schemas: all of it, each at its place, and nothing because of something else."""

from copy import deepcopy
from functools import reduce
from operator import getitem
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tools.schema_faults import further_faults, sound
from gateway.tools.subschemas import Place

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "a": {"type": "string", "pattern": "a", "minLength": 1},
        "properties": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/x"}]},
        "c": {"type": "array", "items": {"type": "integer", "maximum": 3}, "enum": [[1]]},
    },
    "required": ["a", "c"],
    "$defs": {"x": {"type": "object", "dependentRequired": {"a": ["b"]}}},
}
PLACES: Final[tuple[Place, ...]] = (
    ("properties", "a", "type"),
    ("properties", "a", "pattern"),
    ("properties", "a", "minLength"),
    ("properties", "properties", "anyOf", 0),
    ("properties", "properties", "anyOf", 1, "$ref"),
    ("properties", "c", "items", "maximum"),
    ("properties", "c", "enum"),
    ("required",),
    ("$defs", "x", "dependentRequired", "a", 0),
)
NONSENSE: Final = None  # which no keyword here takes


def faulty(*places: Place) -> dict[str, Any]:
    """Return the schema with nonsense at some places."""
    schema = deepcopy(SCHEMA)
    for *above, last in places:
        reduce(getitem, above, cast(Any, schema))[last] = NONSENSE
    return schema


def told(schema: dict[str, Any]) -> list[Place]:
    """Return where something is wrong with a schema."""
    rest, found = sound(schema)
    return [place for place, _ in (*found, *further_faults(rest))]


def test_a_schema_that_is_right_is_left_as_it_is() -> None:
    """Only what it says of its dialect goes."""
    assert sound({**SCHEMA, "$schema": "https://json-schema.org/draft/2020-12/schema"}) == (SCHEMA, [])
    assert list(further_faults(SCHEMA)) == []


@given(places=st.sets(st.sampled_from(PLACES)))
def test_as_many_faults_are_told_as_there_are(places: set[Place]) -> None:
    """None hides another, none is the cause of another."""
    schema = faulty(*places)

    assert sorted(told(schema), key=str) == sorted(places, key=str)
    assert schema == faulty(*places)


@pytest.mark.parametrize(
    ("schema", "rest"),
    [
        ({"type": "object", "properties": {"a": 5, "b": {}}}, {"properties": {"a": {}, "b": {}}}),
        ({"type": "object", "allOf": [5, {}]}, {"allOf": [{}, {}]}),
        ({"type": "object", "items": 5}, {"items": {}}),
        ({"type": "object", "required": [5, "a"]}, {}),
        ({"type": "object", "properties": 5, "minimum": 3}, {"minimum": 3}),
        ({"type": "object", "required": ["a", "a", 5]}, {}),
    ],
)
def test_what_is_wrong_is_left_out(schema: dict[str, Any], rest: dict[str, Any]) -> None:
    """Where a schema belongs one that takes anything stands in, so that it can be referred to."""
    assert sound(schema)[0] == {"type": "object", **rest}


def test_the_type_of_the_whole_is_told_once() -> None:
    """It must be an object, whatever else it is not."""
    assert told({"type": "text"}) == [("type",)]
    assert told({}) == [("type",)]
    assert told({"type": "object", "$schema": "x"}) == [("$schema",)]


@pytest.mark.parametrize(
    ("schema", "places"),
    [
        ({"$defs": {"a": {"$anchor": "x", "$id": "y"}}}, [("$defs", "a", "$anchor"), ("$defs", "a", "$id")]),
        ({"$ref": "#/nowhere"}, [("$ref",)]),
        ({"$ref": "#/$defs/a", "$defs": {"a": True}}, []),
        ({"patternProperties": {"(": {}}, "pattern": "a"}, [("patternProperties", "(")]),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, [()]),
        ({"minimun": 1, "x-own": 1}, [("minimun",)]),
        ({"properties": {"guests": {}}, "required": ["guests", "guest", "other"]}, [("required", 1)]),
    ],
)
def test_what_json_schema_takes_may_be_wrong_yet(schema: dict[str, Any], places: list[Place]) -> None:
    """References, patterns and spelling are ours to check."""
    assert [place for place, _ in further_faults(schema)] == places


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.sampled_from(["object", "#/$defs/x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "$ref", "$defs", "required", "not", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    schema=st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "$defs"]), json_values, max_size=3)
)
def test_whatever_is_written_is_taken_or_told(schema: dict[str, Any]) -> None:
    """What is left of anything at all is a schema."""
    rest, _ = sound(schema)
    list(further_faults(rest))

    assert not [place for place, _ in sound({**rest, "type": "object"})[1]]
