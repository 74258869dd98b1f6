"""What pydantic finds wrong with a table of a tools file, told in the words of that file, with the fix. PURE.

No sentence has a value in it: it may be a secret in the wrong place.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.tools.spec import BuiltinTool, Table, WebhookTool

Place = tuple[str | int, ...]

_SENTENCES: Final = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "missing": "is missing",
    "model_attributes_type": "must be a table",
    "model_type": "must be a table",
    "string_type": "must be text in quotes",
    "tuple_type": "must be a list",
    "union_tag_invalid": 'must have type = "bearer", "basic", "header" or "none"',
    "union_tag_not_found": 'must have type = "bearer", "basic", "header" or "none"',
}
_MEANT: Final = {
    "deadline": "deadline_s",
    "parameters": "arguments",
    "retries": "retry",
    "schema": "arguments",
    "timeout": "deadline_s",
    "timeout_s": "deadline_s",
}
_OPENING = re.compile(r"^(?:Value error, |(?P<should>\w+ should ))")


def table_faults(
    kind: type[Table], table: Mapping[str, Any], error: ValidationError
) -> Iterator[tuple[Place, str]]:
    """Yield each faulty place of a table once, with what is wrong there."""
    found: dict[Place, list[str]] = {}
    meant = set(meant_places(kind, table, error))
    for detail in _details(error):
        place = place_of(table, detail["loc"])
        if place in meant and detail["type"] == "missing":
            continue  # it is there, misspelt
        if detail["type"] == "extra_forbidden":
            sentence = _surplus(kind, table, place)
        else:
            sentence = _SENTENCES.get(detail["type"]) or _sentence(detail["msg"])
        found.setdefault(place, []).append(sentence)
    for place, (first, *others) in found.items():
        # One place with several faults is one that may be this or that, and is neither.
        sentence = " or ".join([first, *(other.removeprefix("must be ") for other in others)])
        yield place, sentence + _meaning(kind, table, place)


def unknown_key(name: str, known: Sequence[str]) -> str:
    """Say that a key does not exist, and which may be meant."""
    meant = meant_key(name, known)
    if meant is not None:
        return f"is no key here; did you mean {meant}?"
    return "is no key here; remove it, or see config/tools.example.toml for every key"


def meant_key(name: str, known: Sequence[str]) -> str | None:
    """Return the key that may be meant by one that does not exist."""
    meant = _MEANT.get(name.lower(), "")
    return meant if meant in known else next(iter(get_close_matches(name.lower(), known, n=1)), None)


def meant_places(kind: type[Table], table: Mapping[str, Any], error: ValidationError) -> Iterator[Place]:
    """Yield where values belong that stand under misspelt keys."""
    for detail in _details(error):
        if detail["type"] == "extra_forbidden":
            *above, name = place_of(table, detail["loc"])
            model = _model(kind, table, tuple(above))
            meant = None if model is None else meant_key(str(name), list(model.model_fields))
            if meant is not None:
                yield (*above, meant)


def place_of(table: Any, location: Place) -> Place:
    """Return where something is: pydantic's location without its names of alternatives."""
    place: list[str | int] = []
    for number, step in enumerate(location):
        is_last = number == len(location) - 1
        if place == ["auth"] and isinstance(table, Mapping) and step == table.get("type") and not is_last:
            continue  # the kind of auth, which may be called as a key of it is
        if isinstance(table, list) or (isinstance(table, Mapping) and step in table):
            inner: Any = table
            table = inner[step]
            place.append(step)
        elif isinstance(table, Mapping) and is_last:
            place.append(step)
    return tuple(place)


def _details(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False, include_input=False)


def _sentence(message: str) -> str:
    return _OPENING.sub(lambda opening: "must " if opening["should"] else "", message)


def _surplus(kind: type[Table], table: Mapping[str, Any], place: Place) -> str:
    name = str(place[-1])
    if len(place) == 1 and kind is BuiltinTool and name in WebhookTool.model_fields:
        return "is for tools with a url; the gateway answers a builtin itself, so remove it"
    if len(place) == 1 and kind is WebhookTool and name == "builtin":
        return "is for tools under [[tools]]; the default has a url"
    if len(place) == 1 and kind is WebhookTool and name in BuiltinTool.model_fields:
        return 'is for builtin = "transfer_call"; remove it'
    model = _model(kind, table, place[:-1])
    return unknown_key(name, list(model.model_fields) if model is not None else [])


def _meaning(kind: type[Table], table: Mapping[str, Any], place: Place) -> str:
    """Return what the key at a place, or the nearest above it, means."""
    for end in range(len(place), 0, -1):
        model = _model(kind, table, place[: end - 1])
        field = None if model is None else model.model_fields.get(str(place[end - 1]))
        if field is not None:
            return f"; it means: {field.description}" if field.description else ""
    return ""


def _model(kind: type[Table], table: Mapping[str, Any], place: Place) -> type[Table] | None:
    """Return what describes the table at a place; None when it is a table of names of the operator's own."""
    model: type[Table] | None = kind
    value: Any = table
    for step in place:
        field = None if model is None else model.model_fields.get(str(step))
        value = value[step]
        model = None if field is None else _described(field, value)
    return model


def _described(field: FieldInfo, value: Any) -> type[Table] | None:
    kinds = [one for one in (field.annotation, *get_args(field.annotation)) if _is_table(one)]
    if len(kinds) < 2:
        return kinds[0] if kinds else None
    tag = value.get("type") if isinstance(value, Mapping) else None
    return next((one for one in kinds if tag in get_args(one.model_fields["type"].annotation)), None)


def _is_table(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)
