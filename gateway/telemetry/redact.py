"""Make whatever a log line holds fit to be kept: no secret, no caller data, one line, bounded.

The last guard, not the first: code does not log such things in the first place. Three nets, since none is
enough alone: the configured secrets themselves wherever they turn up, keys whose name says what they hold,
and shapes (bearer tokens, phone numbers, URL queries) inside any text.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Literal
from urllib.parse import quote

MASK = "******"
MOST_CHARACTERS = 2_048
MOST_TRACE_CHARACTERS = 8_192
_MOST_ITEMS = 50
_MOST_DEPTH = 4
_LARGEST_INT = 2**63
_MARGIN = 512

_SECRET_PARTS = re.compile(
    r"token|secret|passw|authorization|signature|apikey|credential|cookie|(?<![a-z])(auth|key)(?![a-z])"
)
_CONTENT_WORDS = re.compile(r"(?<![a-z])(payload|audio|transcript|text|digits?|arguments|prompt)(?![a-z])")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_PHONE = re.compile(r"(?P<plus>\+|%2[Bb])(?P<first>[1-9])\d{3,10}(?P<last>\d{4})(?!\d)")
_QUERY = re.compile(
    r"(?P<address>(?:\b[a-z][a-z0-9+.-]{0,20}://|(?<![^\s\"'(])/)[^\s\"'?<>]*)\?[^\s\"'<>]*", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@\"']+@", re.IGNORECASE)
_BEARER = re.compile(r"\b(?P<kind>bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_NAMED = re.compile(
    r"(?P<name>\b[\w-]{0,40}(?:token|secret|passwor[dt]|authorization|signature|api_?key))(?P<is>[\"']?\s*[=:]\s*[\"']?)"
    r"(?!bearer\b|basic\b)[^\s\"',;&)}\]]+",
    re.IGNORECASE,
)
_OUR_NAMES = 40  # characters
# An id, a name, a word, as most of what is logged is: every shape has a character that is not in it.
_PLAIN = re.compile(r"[\w-]*").fullmatch
# Too short a secret would mask ordinary words.
_LEAST_SECRET = 6


class Cleared(str):
    """Text that has no values in it by construction: known secrets are masked, shapes are not looked for."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Redactor:
    """Cleans values for the log; lives as long as the process. `secrets` are masked wherever they appear."""

    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> "Redactor":
        """Make a redactor that knows these secrets, plain and as URLs spell them; tiny ones are left out."""
        known = {form for one in secrets for form in (one, quote(one, safe="")) if len(one) >= _LEAST_SECRET}
        return cls(tuple(sorted(known, key=len, reverse=True)))

    def pair(self, key: str, value: object, depth: int = 0) -> object:
        """Return what may be kept of a value under that key."""
        if value is None or isinstance(value, bool):
            return value
        # The names of our fields are few; others' may be long, and what a caller said.
        holds = _held_under(key) if len(key) <= _OUR_NAMES else _held_under.__wrapped__(key)
        if holds == "secret" or (holds == "content" and not isinstance(value, int | float)):
            return MASK
        if key == "exception" and isinstance(value, str):
            return self.trace(value)
        return self.value(value, depth)

    def value(self, value: object, depth: int = 0) -> object:
        """Return a copy of any value that JSON can hold and a person may read."""
        match value:
            case None | bool():
                return value
            case int():
                return value if abs(value) < _LARGEST_INT else "<huge int>"
            case float():
                return value if math.isfinite(value) else str(value)
            case Cleared():
                return self._cleared(value)
            case str():
                return self.text(value)
            case bytes() | bytearray() | memoryview():
                return f"<{len(value)} bytes>"
            case Mapping() | list() | tuple() | set() | frozenset():
                return self._container(value, depth + 1)
            case _:
                return self.text(repr(value))

    def _container(self, value: Mapping[object, object] | Collection[object], depth: int) -> object:
        if depth > _MOST_DEPTH:
            return "<nested>"
        if isinstance(value, Mapping):
            items = islice(value.items(), _MOST_ITEMS)
            return {self.text(str(key)): self.pair(str(key), inner, depth) for key, inner in items}
        return [self.value(item, depth) for item in islice(value, _MOST_ITEMS)]

    def text(self, text: str) -> str:
        """Return one printable line of at most 2,048 characters, secrets and phone numbers masked."""
        if len(text) <= MOST_CHARACTERS:
            return escape(self._mask(text))
        # A megabyte must not cost a megabyte of matching; the cut may split a secret, so its end is dropped.
        masked = self._mask(text[: MOST_CHARACTERS + 2 * _MARGIN])[:-_MARGIN]
        return f"{escape(masked[:MOST_CHARACTERS])}… ({len(text)} characters)"

    def _cleared(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return escape(text[:MOST_CHARACTERS])

    def trace(self, text: str) -> str:
        """Return a traceback's end, its lines marked so that none can pass for a line of the log."""
        masked = self._mask(text[-MOST_TRACE_CHARACTERS:])
        kept = masked if len(text) <= MOST_TRACE_CHARACTERS else masked[_MARGIN:]
        return "\n".join(f"  | {escape(line)}" for line in kept.split("\n"))

    def _mask(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text if _PLAIN(text) else _without_shapes(text)


@lru_cache(maxsize=1_024)
def _held_under(key: str) -> Literal["secret", "content"] | None:
    """Tell from a key's name what stands under it, where that may not be kept."""
    words = _HUMP.sub("_", key).lower()
    if _SECRET_PARTS.search(words):
        return "secret"
    return "content" if _CONTENT_WORDS.search(words) else None


def _without_shapes(text: str) -> str:
    text = _USER_INFO.sub(rf"\g<scheme>{MASK}@", text)
    text = _QUERY.sub(r"\g<address>?…", text)
    text = _BEARER.sub(rf"\g<kind> {MASK}", text)
    text = _NAMED.sub(rf"\g<name>\g<is>{MASK}", text)
    text = _JWT.sub(MASK, text)
    return _PHONE.sub(rf"\g<plus>\g<first>{MASK}\g<last>", text)


def escape(text: str) -> str:
    """Return text with every character that is not printable written as a Python escape.

    Line breaks of all kinds (U+2028 too), terminal escapes, and marks that change the reading direction.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
