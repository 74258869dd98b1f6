"""How much the arguments of a tool call may be, before anything works on them. PURE."""

import math
from typing import Final

MOST_VALUES: Final = 1_000
MOST_CHARACTERS: Final = 65_536
MOST_DEPTH: Final = 32
_MOST_BITS = 256


def excess(value: object) -> str | None:
    """Say how a JSON value is more than anybody needs; None when it is not. It does not recurse.

    The answer ends a sentence that begins with what the value is.
    """
    level = [value]
    values = characters = 0
    for _ in range(MOST_DEPTH + 1):
        values += len(level)
        if values > MOST_VALUES:
            return f"hold more than {MOST_VALUES} values"
        for one in level:
            if isinstance(one, str):
                characters += len(one)
            elif (fault := _number_fault(one)) is not None:
                return fault
        level = [inner for one in level for inner in _children(one)]
        if characters > MOST_CHARACTERS:
            return f"hold more than {MOST_CHARACTERS} characters"
        if not level:
            return None
    return f"are nested more than {MOST_DEPTH} deep"


def _number_fault(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "hold a number that is none"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "hold a number that is too large"
    return None


def _children(value: object) -> list[object]:
    match value:
        case dict():
            # Names count as well: each stands for a text of its own.
            return [*value.keys(), *value.values()]
        case list():
            return value
        case _:
            return []
