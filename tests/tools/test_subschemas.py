"""The parts of a schema, and what they say of types."""

from typing import Any

import pytest

from gateway.tools.subschemas import (
    Place,
    Schema,
    is_part,
    parts,
    resolved,
    simplified,
    target,
    type_of,
    types,
)

ROOT: dict[str, Any] = {
    "type": "object",
    "$defs": {
        "n": {"type": "integer", "minimum": 1},
        "a/b~c": {"type": "string"},
        "with space": True,
        "hop": {"$ref": "#/$defs/n", "maximum": 9},
        "loop": {"$ref": "#/$defs/loop"},
        "list": {"prefixItems": [{"type": "null"}, 5]},
    },
}


def test_every_part_is_found_at_its_place() -> None:
    """Schemas stand in single keywords, in tables of them and in lists; a boolean has no parts."""
    schema = {
        "items": {"not": {}},
        "properties": {"a": {"anyOf": [{}, True]}, "b": False},
        "$defs": {"c": {"then": {}}},
        "default": {"properties": {"no": {}}},
    }

    assert [place for place, _ in parts(schema)] == [
        (),
        ("items",),
        ("items", "not"),
        ("properties", "a"),
        ("properties", "a", "anyOf", 0),
        ("$defs", "c"),
        ("$defs", "c", "then"),
    ]


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#", ROOT),
        ("#/$defs/n", ROOT["$defs"]["n"]),
        ("#/$defs/a~1b~0c", {"type": "string"}),
        ("#/$defs/with%20space", True),
        ("#/$defs/list/prefixItems/0", {"type": "null"}),
        ("#/$defs/list/prefixItems/1", None),
        ("#/$defs/list/prefixItems/2", None),
        ("#/$defs/list/prefixItems/x", None),
        ("#/$defs/none", None),
        ("#/type", None),
        ("#/type/x", None),
        ("#anchor", None),
        ("https://json-schema.org/draft/2020-12/schema", None),
        ("other.json#/a", None),
        ("", None),
    ],
)
def test_a_reference_names_a_part_or_nothing(reference: str, found: object) -> None:
    """Only pointers into the schema itself lead anywhere."""
    assert target(ROOT, reference) == found


@pytest.mark.parametrize(
    ("schema", "whole"),
    [
        (True, {}),
        ({}, {}),
        ({"$ref": "#/$defs/n"}, {"type": "integer", "minimum": 1}),
        ({"$ref": "#/$defs/hop", "minimum": 3}, {"type": "integer", "minimum": 3, "maximum": 9}),
        ({"$ref": "#/$defs/with%20space", "title": "x"}, {"title": "x"}),
        ({"$ref": "#/nowhere", "title": "x"}, {"title": "x"}),
        ({"$ref": "#/$defs/loop"}, {}),
    ],
)
def test_a_reference_is_put_beside_the_own_keywords(schema: Schema, whole: dict[str, Any]) -> None:
    """Keywords beside a reference count more than what it names; one without end says nothing."""
    assert resolved(ROOT, schema) == whole


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        (True, set()),
        ({}, set()),
        ({"type": "integer"}, {"integer"}),
        ({"type": ["integer", "null"]}, {"integer", "null"}),
        ({"$ref": "#/$defs/n"}, {"integer"}),
        ({"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/a~1b~0c"}]}, {"integer", "string"}),
        ({"oneOf": [{"type": "integer"}, {}]}, set()),
        ({"enum": ["a", 1, None, True]}, {"string", "integer", "null", "boolean"}),
        ({"const": [1]}, {"array"}),
        ({"minimum": 3}, set()),
    ],
)
def test_the_types_that_a_schema_allows(schema: Schema, allowed: set[str]) -> None:
    """Types come from type, from choices, from listed values; a schema that does not say allows all."""
    assert types(ROOT, schema) == allowed


@pytest.mark.parametrize(
    ("schema", "simple"),
    [
        ({"type": "string"}, {"type": "string"}),
        (
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            {"type": ["integer", "null"], "minimum": 1},
        ),
        ({"oneOf": [{"$ref": "#/$defs/n"}], "default": 2}, {"type": ["integer"], "minimum": 1, "default": 2}),
        ({"anyOf": [{"minimum": 1}, {"type": "null"}]}, {"minimum": 1}),
    ],
)
def test_something_or_null_is_simplified(schema: dict[str, Any], simple: dict[str, Any]) -> None:
    """A choice between one thing and null is that thing, or null."""
    found = {key: value for key, value in simplified(ROOT, schema).items() if key not in ("anyOf", "oneOf")}

    assert found == simple


def test_a_real_choice_stays_one() -> None:
    """Between two things there is nothing to simplify."""
    choice = {"anyOf": [{"type": "integer"}, {"type": "string"}]}

    assert simplified(ROOT, choice) == choice


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "boolean"),
        (1, "integer"),
        (1.0, "number"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
        (None, "null"),
    ],
)
def test_values_have_the_names_of_types(value: object, name: str) -> None:
    """Python's booleans are no numbers here."""
    assert type_of(value) == name


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ((), True),
        (("items",), True),
        (("properties", "a"), True),
        (("properties", "properties", "not"), True),
        (("anyOf", 1, "$defs", "x"), True),
        (("properties",), False),
        (("properties", "a", "minimum"), False),
        (("properties", "properties", "type"), False),
        (("required", 0), False),
        (("default", "items"), False),
        (("anyOf",), False),
    ],
)
def test_where_a_schema_belongs_is_known_by_the_keywords_above(place: Place, part: bool) -> None:
    """A property may be called as a keyword is; what stands in a plain value is none."""
    assert is_part(place) is part
