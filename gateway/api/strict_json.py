"""Read a request's JSON, refusing what JSON readers commonly let pass. PURE.

Not the wire's reader (``vatel/strict_json.py``): this one also names duplicates, depth and what no database
takes.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

MOST_DEPTH = 32
_MOST_DIGITS = 18  # fits 64 bits


class BadJson(ValueError):
    """The text is no JSON that we take; the message never quotes it."""


def parse(body: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        BadJson: not UTF-8, a byte order mark, no JSON, nested deeper than 32, a number that is no finite
            64-bit one, a name twice in one object, NUL or half a surrogate pair in a text.
    """
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except UnicodeDecodeError:
        raise BadJson("must be UTF-8 without a byte order mark") from None
    except RecursionError:
        raise BadJson(f"nests deeper than {MOST_DEPTH}") from None
    except json.JSONDecodeError as error:
        raise BadJson(f"is no JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadJson("holds a name twice in one object")
    return value


def _no_constant(text: str) -> Any:
    raise BadJson("holds NaN or Infinity, which JSON does not know")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadJson("holds a number too large")
    return number


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS + 1:
        raise BadJson("holds a number too large")
    return int(text)


def _check(value: Any) -> None:
    """Check depth and texts; level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        if not level:
            return
        for text in (item for item in level if isinstance(item, str)):
            _check_text(text)
        level = [inner for item in level for inner in _inner(item)]
    raise BadJson(f"nests deeper than {MOST_DEPTH}")


def _inner(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _check_text(text: str) -> None:
    if not text.isprintable() and ("\0" in text or any("\ud800" <= one <= "\udfff" for one in text)):
        raise BadJson("holds NUL or half a surrogate pair in a text")
