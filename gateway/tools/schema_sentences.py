"""What is wrong with an argument, told to a voice agent so that it can do better: what is wanted. PURE.

No sentence has a value in it: the agent knows what it sent, and the value may be nobody's business.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from jsonschema.exceptions import ValidationError

from gateway.tools.schema_formats import SAID
from gateway.tools.subschemas import type_of

_MOST_NAMED = 10
_MOST_CHARACTERS = 200
_LONGEST_NAME = 60
_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def sentences(error: ValidationError) -> list[str]:
    """Return what an agent is told of one error; a missing argument has a sentence of its own."""
    told = _SPECIAL.get(str(error.validator))
    if told is not None:
        return told(error)
    return [f"{_subject(error.absolute_path)} {_must(str(error.validator), error)}."]


def _schema(error: ValidationError) -> Mapping[str, Any]:
    # An error is of a keyword, so its schema has keywords.
    return cast(Mapping[str, Any], error.schema)


def _required(error: ValidationError) -> list[str]:
    properties = _schema(error).get("properties", {})
    return [
        f"{_subject((*error.absolute_path, name))} is missing: give {_wanted(properties.get(name, {}))}."
        for name in _schema(error)["required"]
        if name not in cast(Mapping[str, object], error.instance)
    ]


def _unknown(error: ValidationError) -> list[str]:
    known = list(_schema(error).get("properties", {}))
    surplus = [name for name in cast(Mapping[str, object], error.instance) if name not in known]
    there_are = f"there are {_listed(known)}" if known else "there are none"
    return [
        f"{_subject((*error.absolute_path, name))} does not exist: leave it out; {there_are}."
        for name in surplus[:_MOST_NAMED]
    ]


_SPECIAL: Final[Mapping[str, Callable[[ValidationError], list[str]]]] = {
    "required": _required,
    "additionalProperties": _unknown,
}


def _subject(path: Iterable[str | int]) -> str:
    name = ""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}"
    if not name:
        return "The set of arguments"
    shown = name.removeprefix(".")[:_LONGEST_NAME]
    return f"The argument {shown if shown.isprintable() else ascii(shown)}"


def _must(keyword: str, error: ValidationError) -> str:
    value, schema = cast(Any, error.validator_value), _schema(error)
    match keyword:
        case "type":
            return f"must be {_wanted(schema)}, and not {_TYPES[type_of(error.instance)]}"
        case "minLength":
            return f"must have at least {_counted(value, 'character')}{_meaning(schema)}"
        case "maxLength":
            return f"must have at most {_counted(value, 'character')}{_meaning(schema)}"
        case "minItems":
            return f"must have at least {_counted(value, 'entry')}{_meaning(schema)}"
        case "maxItems":
            return f"must have at most {_counted(value, 'entry')}{_meaning(schema)}"
        case "uniqueItems":
            return "must not have an entry twice"
        case "multipleOf":
            return f"must be a multiple of {value:g}"
        case "pattern":
            return f"must have the form {_clipped(value)}{_meaning(schema)}"
        case _ if keyword in _SAID_BY_WANTED:
            return f"must be {_wanted(schema)}"
        case _:
            return f"does not fit what is wanted{_meaning(schema)}"


_SAID_BY_WANTED: Final = frozenset(
    ["const", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maximum", "minimum"]
)


def _wanted(schema: object) -> str:
    """Say what a schema wants, with its description, which the operator wrote for the agent."""
    if not isinstance(schema, Mapping):
        return "a value"
    return _value(schema) + _meaning(schema)


def _value(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"const": value}:
            return _json(value)
        case {"enum": [*values]}:
            return f"one of {_listed([_json(value) for value in values])}"
        case {"format": str(name)} if name in SAID:
            return SAID[name]
        case {"type": str(name)}:
            return _TYPES[name] + _range(schema)
        case {"type": [*names]}:
            return " or ".join(_TYPES[name] for name in names) + _range(schema)
        case _:
            return "a value" + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    limits = [f"{words} {schema[keyword]:g}" for keyword, words in _LIMITS.items() if keyword in schema]
    return f" {' and '.join(limits)}" if limits else ""


_LIMITS: Final = {
    "minimum": "of at least",
    "exclusiveMinimum": "greater than",
    "maximum": "of at most",
    "exclusiveMaximum": "less than",
}


def _meaning(schema: Mapping[str, Any]) -> str:
    description = schema.get("description", "")
    return f" ({_clipped(' '.join(description.split()))})" if description else ""


def _counted(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:g} {'entries' if noun == 'entry' else noun + 's'}"


def _listed(names: list[str]) -> str:
    named = [_clipped(name) for name in names[:_MOST_NAMED]]
    return ", ".join(named) + (", …" if len(names) > _MOST_NAMED else "")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _clipped(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
