"""The parts of a JSON Schema: which there are, what one refers to, which types one allows. PURE."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

Schema = Mapping[str, Any] | bool

_IN_TABLES: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_IN_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE: Final = (
    "items",
    "additionalProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_MOST_HOPS = 16
_TYPES: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}
TYPES: Final = tuple(sorted(_TYPES.values()))

Place = tuple[str | int, ...]


def parts(schema: Schema, place: Place = ()) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Yield a schema and all schemas in it, each with its place."""
    if isinstance(schema, bool):
        return
    yield place, schema
    for key in _SINGLE:
        if key in schema:
            yield from parts(schema[key], (*place, key))
    for key in _IN_TABLES:
        for name, inner in schema.get(key, {}).items():
            yield from parts(inner, (*place, key, name))
    for key in _IN_LISTS:
        for number, inner in enumerate(schema.get(key, ())):
            yield from parts(inner, (*place, key, number))


def is_part(place: Place) -> bool:
    """Tell whether what belongs at a place of a schema is a schema."""
    kind = "schema"
    for step in place:
        if kind == "schema" and step not in _SINGLE:
            kind = "several" if step in (*_IN_TABLES, *_IN_LISTS) else "value"
        elif kind == "several":
            kind = "schema"
    return kind == "schema"


def target(root: Mapping[str, Any], reference: str) -> Schema | None:
    """Return the part of a schema that a ``$ref`` such as ``#/$defs/name`` names; None when there is none."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    found: Any = root
    for step in unquote(reference).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found if isinstance(found, Mapping | bool) else None


def resolved(root: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """Return a schema with what its ``$ref`` names beside its own keywords; empty when it says nothing."""
    for _ in range(_MOST_HOPS):
        if isinstance(schema, bool):
            return {}
        if "$ref" not in schema:
            return schema
        named = target(root, schema["$ref"])
        own = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**named, **own} if isinstance(named, Mapping) else own
    return {}


def simplified(root: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """Return a schema in which a choice between something and null has become that something or null."""
    whole = resolved(root, schema)
    choices = [resolved(root, one) for key in ("anyOf", "oneOf") for one in whole.get(key, ())]
    something = [one for one in choices if types(root, one) != {"null"}]
    if len(something) != 1:
        return whole
    allowed = sorted(types(root, whole))
    return {**something[0], **whole, **({"type": allowed} if allowed else {})}


def types(root: Mapping[str, Any], schema: Schema) -> frozenset[str]:
    """Return the types that a schema allows; empty when it does not say."""
    whole = resolved(root, schema)
    match whole:
        case {"type": str(name)}:
            return frozenset({name})
        case {"type": [*names]}:
            return frozenset(names)
        case {"anyOf": [*choices]} | {"oneOf": [*choices]}:
            each = [types(root, one) for one in choices]
            return frozenset().union(*each) if all(each) else frozenset()
        case {"enum": [*values]}:
            return frozenset(type_of(value) for value in values)
        case {"const": value}:
            return frozenset({type_of(value)})
        case _:
            return frozenset()


def type_of(value: object) -> str:
    """Return JSON Schema's name for the type of a value."""
    return _TYPES.get(type(value), "object")
