"""Regular expressions of the tools file, matched in a time that no text can make long. PURE.

Python's own ``re`` goes back and tries again, so that a pattern such as ``^(a+)+$`` costs twice as much for
every further character. RE2 reads a text once. What that costs at worst is its length times the pattern's
size; one piece of work has a budget of that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

import re2

BUDGET: Final = 4_000_000
"""Steps that one piece of work may take: some 20 ms where a pattern is at its slowest."""

_LONGEST: Final = 2_000
_LARGEST: Final = 2_000
_READING: Final = 400_000
_MOST_MEMORY: Final = 1_048_576
_MOST_KEPT: Final = 1_024
_left: ContextVar[int] = ContextVar("left", default=0)


@contextmanager
def budgeted() -> Iterator[None]:
    """Let patterns be matched within the context, for a budget of its own; nothing can be outside one."""
    before = _left.set(BUDGET)
    try:
        yield
    finally:
        _left.reset(before)


def fault(source: str) -> str | None:
    """Say why a pattern cannot be used, and the fix; None when it can."""
    with budgeted():
        read = _read(source)
    return read if isinstance(read, str) else None


def found(source: str, text: str, *, whole: bool = False) -> bool:
    """Tell whether a pattern is found in a text, or is the whole of it; one that is faulty never is.

    Raises:
        ValueError: the budget does not suffice.
    """
    pattern = _read(source)
    if isinstance(pattern, str):
        return False
    # A lone surrogate has no UTF-8; no pattern asks for one.
    encoded = text.encode("utf-8", "replace")
    _spend(len(encoded) * pattern.programsize)
    return (pattern.fullmatch if whole else pattern.search)(encoded) is not None


@lru_cache(_MOST_KEPT)
def _read(source: str) -> Any:
    """Return a pattern, or what is wrong with it."""
    # In JSONPath an answer may bring patterns of its own: reading them costs as well.
    _spend(_READING)
    if len(source) > _LONGEST:
        return f"is longer than {_LONGEST} characters; write a shorter pattern"
    try:
        pattern = re2.compile(source.encode("utf-8", "surrogatepass"), _options())
    except re2.error as error:
        # Not all that it says: the rest repeats a part of the pattern.
        cause = error.args[0].decode("utf-8", "replace").partition(":")[0]
        return f"is no regular expression of RE2 ({cause}), without lookaround or backreferences; mend it"
    if pattern.programsize > _LARGEST:
        return "is too large a pattern; repeat less, or use minLength and maxLength"
    return pattern


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MOST_MEMORY
    options.never_capture = True
    options.log_errors = False
    return options


def _spend(steps: int) -> None:
    left = _left.get() - steps
    if left < 0:
        raise ValueError("costs too much to match")
    _left.set(left)
