"""Gives arguments the types that their schema wants, where there is no doubt what is meant. PURE.

Agents send numbers as texts, lists as JSON in a text, and null for what the caller did not say. Whatever
could be read in two ways stays as it is, for the schema to refuse.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.tools.bounds import excess
from gateway.tools.subschemas import Schema, simplified, type_of, types

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?").fullmatch
_BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LARGEST_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Coercion:
    """Coerces to one schema, whose references have been checked. Lives as long as its catalogue."""

    root: Mapping[str, Any]

    def apply(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """Return the arguments with the types wanted, what is null left out, and defaults filled in."""
        coerced = self._coerced(dict(arguments), self.root)
        assert isinstance(coerced, dict)
        return coerced

    def probe(self, part: Schema) -> None:
        """Go through a part of the schema once.

        Raises:
            RecursionError: it refers to itself without end.
        """
        self._coerced({}, part)
        self._coerced([], part)

    def _coerced(self, value: object, schema: Schema) -> object:
        whole = simplified(self.root, schema)
        value = _scalar(value, types(self.root, whole))
        if isinstance(value, dict):
            value = self._object(value, whole)
        elif isinstance(value, list):
            value = self._array(value, whole)
        for branch in whole.get("allOf", ()):
            value = self._coerced(value, branch)
        return value

    def _object(self, value: dict[str, object], schema: Mapping[str, Any]) -> dict[str, object]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        rest: Schema = schema.get("additionalProperties", True)
        coerced = {
            name: self._coerced(inner, properties.get(name, rest))
            for name, inner in value.items()
            if not (inner is None and name in properties and self._not_null(properties[name]))
        }
        for name, inner in properties.items():
            known = simplified(self.root, inner)
            if name not in coerced and "default" in known:
                coerced[name] = deepcopy(known["default"])
        return coerced

    def _array(self, value: list[object], schema: Mapping[str, Any]) -> list[object]:
        first: list[Schema] = schema.get("prefixItems", [])
        rest: Schema = schema.get("items", True)
        return [
            self._coerced(inner, first[place] if place < len(first) else rest)
            for place, inner in enumerate(value)
        ]

    def _not_null(self, schema: Schema) -> bool:
        allowed = types(self.root, schema)
        return bool(allowed) and "null" not in allowed


def _scalar(value: object, wanted: frozenset[str]) -> object:
    kind = type_of(value)
    if kind == "number" and "integer" in wanted and "number" not in wanted:
        return _whole(value)
    if not wanted or kind in wanted or (kind == "integer" and "number" in wanted):
        return value
    if isinstance(value, str):
        return _from_text(value, wanted)
    if kind in ("integer", "number") and "string" in wanted:
        return msgspec.json.encode(value).decode()
    if kind == "integer" and "boolean" in wanted and value in (0, 1):
        return bool(value)
    return value


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT:
        return int(value)
    return value


def _from_text(text: str, wanted: frozenset[str]) -> object:
    """Return what a text means as one of the types wanted, unless it means nothing, or two things."""
    meanings = [meaning for name in sorted(wanted) for meaning in _meanings(text, name)]
    distinct = {(type(one), repr(one)): one for one in meanings}
    return next(iter(distinct.values())) if len(distinct) == 1 else text


def _meanings(text: str, name: str) -> list[object]:
    plain = text.strip()
    match name:
        case "integer" | "number" if _NUMBER(plain):
            number = msgspec.json.decode(plain)
            whole = _whole(number)
            return [whole] if name == "number" or isinstance(whole, int) else []
        case "boolean" if plain.lower() in _BOOLEANS:
            return [_BOOLEANS[plain.lower()]]
        case "array" | "object" if plain[:1] == {"array": "[", "object": "{"}[name]:
            return _decoded(plain)
        case _:
            return []


def _decoded(text: str) -> list[object]:
    try:
        decoded = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return []
    return [] if excess(decoded) else [decoded]
