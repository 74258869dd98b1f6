"""What is wrong with a JSON Schema (2020-12) of a tool, each fault with its place in the schema. PURE.

One fault does not hide another: what is no schema is left out, and the rest is looked through.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from functools import reduce
from operator import getitem
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from gateway.tools import patterns
from gateway.tools.subschemas import TYPES, Place, is_part, parts, target

Fault = tuple[Place, str]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_UNSUPPORTED: Final = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary")
_ANNOTATIONS: Final = (
    *("$comment", "$defs", "$id", "$schema", "contentEncoding", "contentMediaType", "contentSchema"),
    *("default", "definitions", "deprecated", "description", "else", "example", "examples", "maxContains"),
    *("minContains", "nullable", "readOnly", "then", "title", "writeOnly"),
)
_KEYWORDS: Final = (*Draft202012Validator.VALIDATORS, *_ANNOTATIONS, *_UNSUPPORTED)


def _meta() -> Draft202012Validator:
    formats = FormatChecker(formats=())
    # Patterns are for our own check: they are not those of Python.
    formats.checkers = {
        name: check for name, check in Draft202012Validator.FORMAT_CHECKER.checkers.items() if name != "regex"
    }
    return Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=formats)


_META: Final = _meta()


def sound(schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Return a schema without what JSON Schema does not take, and what that is.

    What it says of its dialect is left out in any case.
    """
    found: list[Fault] = []
    if schema.get("type") != "object":
        found.append((("type",), 'must be "object": the schema is that of all arguments together'))
    if schema.get("$schema", _DIALECT) != _DIALECT:
        found.append((("$schema",), f"must be {_DIALECT}; write that, or leave it out"))
    # With $schema in it the library would take its own validator for the parts.
    rest = {key: value for key, value in schema.items() if key != "$schema"}
    while errors := list(_META.iter_errors(rest)):
        faults = {(tuple(error.absolute_path), _meta_fault(error)) for error in errors}
        known = [place for place, _ in found]
        new = (fault for fault in faults if fault[0] not in known)
        found += sorted(new, key=lambda fault: (*map(str, fault[0]), fault[1]))
        rest = deepcopy(rest)
        for place in {place for place, _ in faults}:
            _leave_out(rest, place)
    return rest, found


def _leave_out(schema: dict[str, Any], place: Place) -> None:
    """Put the schema that takes anything in the place of what is to be one; leave another keyword out."""
    while isinstance(place[-1], int) and not is_part(place):
        place = place[:-1]
    *above, last = place
    holder = reduce(getitem, above, cast(Any, schema))
    if is_part(place):
        holder[last] = {}
    else:
        holder.pop(last, None)


def _meta_fault(error: ValidationError) -> str:
    if error.absolute_path and error.absolute_path[-1] == "type":
        return f"is no type; write one, or a list, of {', '.join(TYPES)}"
    # Not the library's own message: it repeats the value.
    return f"is not what JSON Schema wants here ({error.validator}: {error.validator_value})"


def further_faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a schema that JSON Schema takes."""
    yield from _reference_faults(schema)
    yield from _pattern_faults(schema)
    yield from _spelling_faults(schema)


def _reference_faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    # Only what is looked through here may be referred to, or it would be used unchecked.
    known = {id(part) for _, part in parts(schema)}
    for place, part in parts(schema):
        for keyword in (*_UNSUPPORTED, *(("$id", "$schema") if place else ())):
            if keyword in part:
                sentence = 'is not supported; refer to a part with $ref = "#/$defs/name"'
                yield (*place, keyword), sentence
        named = target(schema, part["$ref"]) if "$ref" in part else True
        if not isinstance(named, bool) and id(named) not in known:
            sentence = "names no part of this schema; write #/$defs/name, nothing is ever fetched"
            yield (*place, "$ref"), sentence


def _pattern_faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    keywords: set[str] = set()
    for place, part in parts(schema):
        keywords.update(part)
        wanted: list[tuple[Place, str]] = [
            (("patternProperties", one), one) for one in part.get("patternProperties", ())
        ]
        wanted += [(("pattern",), part["pattern"])] if "pattern" in part else []
        for where, pattern in wanted:
            if (fault := patterns.fault(pattern)) is not None:
                yield (*place, *where), fault
    # The library matches with Python's re to find out which properties are left.
    if keywords >= {"patternProperties", "unevaluatedProperties"}:
        yield (), "has patternProperties and unevaluatedProperties; use additionalProperties instead"


def _spelling_faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    for place, part in parts(schema):
        for key in part:
            if key not in _KEYWORDS and (meant := _close(key, _KEYWORDS)):
                yield (*place, key), f"is no keyword of JSON Schema; did you mean {meant}?"
        properties = list(part.get("properties", ()))
        for number, name in enumerate(part.get("required", ())):
            if name not in properties and (meant := _close(name, properties)):
                yield (*place, "required", number), f"is none of the properties; did you mean {meant}?"


def _close(name: str, names: Sequence[str]) -> str:
    return next(iter(get_close_matches(name, names, n=1, cutoff=0.8)), "")
