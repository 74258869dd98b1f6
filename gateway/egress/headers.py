"""PURE. What is wrong with headers that a user configures: nothing may be smuggled in, nothing sent twice."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}").fullmatch
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]").search
MAX_VALUE_CHARS: Final = 8000
_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that decide where a request ends, whom it is for, and how its answer is read."""


def fault(headers: Mapping[str, str]) -> str | None:
    """Return what is wrong with the headers of a request, and the fix; None when they will do.

    It never repeats a value: a secret may stand there.
    """
    seen: set[str] = set()
    for name, value in headers.items():
        found = _name_fault(name) or value_fault(name, value)
        if found is None and name.lower() in seen:
            found = f"the header {name} is there twice: keep one"
        if found is not None:
            return found
        seen.add(name.lower())
    return None


@lru_cache(1_000)
def _name_fault(name: str) -> str | None:
    if not _NAME(name):
        return f"{name[:128]!a} is no header name: use letters, digits and hyphens"
    if name.lower() in _OURS:
        return f"the header {name} is the client's own: remove it"
    return None


def value_fault(name: str, value: str) -> str | None:
    """Return what is wrong with the value of a header alone, whatever is wrong with its name."""
    if len(value) > MAX_VALUE_CHARS:
        return f"the header {name} is longer than {MAX_VALUE_CHARS} characters: shorten it"
    if _UNSENDABLE(value):
        return f"the header {name} has a line break or a control character: remove it"
    return None
