"""Arguments of a tool call: how Vatel binds them, and the plain values a tool wants. PURE.

A tool call carries a list of bindings ``{name, type, dataType, description, required, value}``, all
optional (vatel.md 2.3). A binding that cannot be read is never a reason to lose the call: an unanswered
tool call leaves the agent mute for good.
"""

from collections.abc import Callable, Iterable

import msgspec


class Argument(msgspec.Struct, frozen=True):
    """One binding of a tool call.

    Attributes:
        name: the argument's name.
        type: where the value is from, such as ``static`` or ``resolved``.
        data_type: Vatel's ``dataType``: string, number, boolean, object, array.
        description: for the model.
        required: whether the tool insists on it.
        value: any JSON value, shaped as ``data_type`` says or not.
    """

    name: str
    type: str = ""
    data_type: str = ""
    description: str = ""
    required: bool = False
    value: object = None


def read_arguments(bindings: object) -> tuple[Argument, ...]:
    """Read the bindings of a tool call; what is no list is none, entries that are no objects are left out.

    Source: vatel.md 2.1, the JS SDK turns a non-array into ``[]``.
    """
    if not isinstance(bindings, list):
        return ()
    return tuple(_argument(entry) for entry in bindings if isinstance(entry, dict))


def _argument(entry: dict[str, object]) -> Argument:
    return Argument(
        name=_text(entry.get("name")),
        type=_text(entry.get("type")),
        data_type=_text(entry.get("dataType")),
        description=_text(entry.get("description")),
        required=entry.get("required") is True,
        value=entry.get("value"),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def dump_argument(argument: Argument) -> dict[str, object]:
    """Return a binding as Vatel writes it, for the sandbox."""
    return {
        "name": argument.name,
        "type": argument.type,
        "dataType": argument.data_type,
        "description": argument.description,
        "required": argument.required,
        "value": argument.value,
    }


def argument_values(arguments: Iterable[Argument]) -> dict[str, object]:
    """Return ``{name: value}``, each value coerced to its ``data_type``.

    What cannot be coerced stays as it is: the tool knows better what to make of it. Nameless arguments
    are left out; of two with one name the last counts.
    """
    return {
        argument.name: _COERCIONS.get(argument.data_type.lower(), _as_is)(argument.value)
        for argument in arguments
        if argument.name
    }


def _as_is(value: object) -> object:
    return value


def _to_string(value: object) -> object:
    if isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    return value


def _to_number(value: object) -> object:
    if not isinstance(value, str):
        return value
    number = _from_json(value.strip(), value)
    return number if isinstance(number, int | float) and not isinstance(number, bool) else value


def _to_boolean(value: object) -> object:
    # True and 1 are equal in Python, so booleans pass through the table unharmed.
    if isinstance(value, bool | int | float):
        return {1: True, 0: False}.get(int(value), value) if value in (0, 1) else value
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), value)
    return value


def _to_object(value: object) -> object:
    return _container(value, dict)


def _to_array(value: object) -> object:
    return _container(value, list)


def _container(value: object, kind: type) -> object:
    if not isinstance(value, str):
        return value
    decoded = _from_json(value, value)
    return decoded if isinstance(decoded, kind) and not deeper_than(decoded, MAX_DEPTH) else value


def _from_json(text: str, otherwise: object) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return otherwise


_COERCIONS: dict[str, Callable[[object], object]] = {
    "string": _to_string,
    "number": _to_number,
    "integer": _to_number,
    "boolean": _to_boolean,
    "object": _to_object,
    "array": _to_array,
}

MAX_DEPTH = 64
"""How deep a value may nest: far beyond any real argument, far below where a JSON encoder gives up."""


def deeper_than(value: object, limit: int) -> bool:
    """Tell whether a JSON value nests deeper than ``limit``, without recursion of its own."""
    level = [value]
    for _ in range(limit + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
