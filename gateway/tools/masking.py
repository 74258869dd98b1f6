"""Keeps sensitive arguments of a tool out of what is kept: their values, wherever they turn up. PURE.

The agent and the endpoint get everything; records, logs and the command line get this.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, quote_plus

from gateway.tools.readings import Reading, Span, folded, readings

MASK: Final = "••••"
MOST_KEPT: Final = 8_192
"""How many characters of a text records keep, the mark for what is cut included."""

_LEAST_CHARACTERS: Final = 3  # masking every "42" would leave nothing to read
_LEAST_DIGITS: Final = 4
_MOST_CHARACTERS: Final = 100_000
_MOST_DEPTH: Final = 64
_MOST_BITS: Final = 4_096
# What kept() looks for must be found in no time.
_LONGEST_KEPT: Final = 1_024
_MOST_KEPT_FORMS: Final = 600
# A character may be written with 12 (two escapes of JSON), and up to 3 escaped ones stand between digits.
_LONGEST_SPELLING: Final = 24
_ROOM_FOR_MARK: Final = 40
_NUMBER = re.compile(r"[\d\s./()+_-]+").fullmatch
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL).match
_LONGEST_ESCAPE: Final = 6
_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_ATOM = re.compile(r"[^\s,:{}\[\]\"]*")
_ATOM_END: Final = ' \t\r\n,:{}[]"'
_STEP = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_BARE = re.compile(r'[^\s,}\]"]+')


@dataclass(frozen=True, slots=True)
class Mask:
    """Masks what some names stand for. Lives as long as its catalogue.

    Attributes:
        names: an argument's name, or the end of the path to it, such as ``card.number``; lists do not count
            as a step. Each counts at any depth, in lower or upper case.
    """

    names: frozenset[str]
    _named: re.Pattern[str] | None = field(repr=False)

    @classmethod
    def of(cls, names: Iterable[str]) -> "Mask":
        """Return the mask for names as the tools file has them."""
        known = frozenset(name.casefold() for name in names)
        return cls(known, _named(known))

    def arguments(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """Return a copy of the arguments with every sensitive value masked, tables and lists as a whole."""
        masked = self._masked(dict(arguments), "")
        assert isinstance(masked, dict)
        return masked

    def text(self, text: str, arguments: Mapping[str, object]) -> str:
        """Return a text without the sensitive values of the arguments, in whatever spelling they turn up.

        Where it is JSON, or has JSON in it, what stands under a sensitive name is masked as well; of a path
        its last name alone counts there.
        """
        forms = _Forms.of(self._values(arguments))
        if forms.characters > _MOST_CHARACTERS:
            return MASK
        return self._cut(text, forms, len(text))

    def kept(self, text: str, arguments: Mapping[str, object], secrets: Iterable[str] = ()) -> str:
        """Return what records keep of a text: at most 8,192 characters, masked as in :meth:`text`.

        It takes no time that a call would notice, however long the text is. A mark tells how much was cut.

        Args:
            secrets: texts that are masked as sensitive values are, such as those of the tools file.
        """
        forms = _Forms.of((*self._values(arguments), *secrets))
        if forms.longest > _LONGEST_KEPT or len(forms.texts) > _MOST_KEPT_FORMS:
            return MASK
        if len(text) <= MOST_KEPT:
            masked = self._cut(text, forms, len(text))
            return masked if len(masked) <= MOST_KEPT else _marked(masked, 0)
        border = MOST_KEPT - _ROOM_FOR_MARK
        # What begins before the border is looked at whole, so that no half of it is kept.
        window = text[: border + _LONGEST_SPELLING * forms.longest]
        return _marked(self._cut(window, forms, border), len(text) - border)

    def _cut(self, text: str, forms: "_Forms", border: int) -> str:
        """Return a text up to a border, masked."""
        spans: list[tuple[int, int, str]] = []
        for reading in readings(text):
            spans += self._under_names(reading, text)
            spans += ((start, end, "") for start, end in forms.find(reading))
        if not spans:
            return text[:border]
        return _replaced(text, border, _Shape.of(text), sorted(spans))

    def _under_names(self, reading: Reading, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield what stands under a sensitive name, with the quotes in which a mask is to stand there."""
        covered = 0
        for match in self._named.finditer(reading.spelled) if self._named is not None else ():
            start = reading.origin(match.end())
            if start < covered:
                continue
            quotes = text[reading.origin(match.start()) : reading.origin(match.start() + 1)]
            if quotes == '"':  # the escapes are those of the name, and not of JSON in a text
                covered = _value_end(text, start)
            else:
                covered = reading.origin(_value_end(reading.spelled, match.end()))
            yield start, covered, quotes

    def _masked(self, value: object, path: str, depth: int = 0) -> object:
        if depth > _MOST_DEPTH:
            return MASK
        if isinstance(value, dict):
            return {
                name: MASK
                if self._hides(below := f"{path}.{name.casefold()}")
                else self._masked(inner, below, depth + 1)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._masked(inner, path, depth + 1) for inner in value]
        return value

    def _hides(self, path: str) -> bool:
        return any(path.endswith(f".{name}") for name in self.names)

    def _values(self, arguments: Mapping[str, object]) -> Iterator[str]:
        """Yield the sensitive values among arguments, as texts."""
        pending: list[tuple[object, str, bool]] = [(arguments, "", False)] if self.names else []
        while pending:
            one, path, sensitive = pending.pop()
            if isinstance(one, Mapping):
                for name, inner in one.items():
                    below = f"{path}.{name.casefold()}"
                    pending.append((inner, below, sensitive or self._hides(below)))
            elif isinstance(one, list):
                pending += ((inner, path, sensitive) for inner in one)
            elif sensitive and (isinstance(one, str) or _is_number(one)):
                yield str(one)


@dataclass(frozen=True, slots=True)
class _Forms:
    """What to look for. Lives as long as a text is being masked.

    Attributes:
        texts: spellings, folded.
        digits: numbers, without what people write between their digits.
    """

    texts: frozenset[str]
    digits: frozenset[str]

    @classmethod
    def of(cls, values: Iterable[str]) -> "_Forms":
        texts: set[str] = set()
        numbers: set[str] = set()
        for value in set(values):
            plain = value.strip()
            digits = re.sub(r"\D", "", plain) if _NUMBER(plain) else ""
            numbers |= {digits} if len(digits) >= _LEAST_DIGITS else set()
            for spelling in (plain, digits, *_quoted(plain)):
                if len(spelling) >= _LEAST_CHARACTERS:
                    texts.add(folded(spelling))
        return cls(frozenset(texts), frozenset(numbers))

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))

    @property
    def longest(self) -> int:
        return max(map(len, self.texts), default=0)

    def find(self, reading: Reading) -> Iterator[Span]:
        for form in self.texts:
            yield from reading.find(form)
        if self.digits:
            digits = reading.digits()
            for number in self.digits:
                yield from digits.find(number)


def _quoted(text: str) -> tuple[str, ...]:
    if text.isalnum() and text.isascii():
        return ()
    encoded = text.encode("utf-8", "replace")
    return quote(encoded, safe=""), quote_plus(encoded)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where the strings of a text are that is JSON, whole or cut. Lives as long as it is being masked."""

    text: str
    is_json: bool
    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, text: str) -> "_Shape":
        is_json = text.lstrip().startswith(("{", "["))
        strings = [match.span() for match in _STRING.finditer(text)] if is_json else []
        return cls(text, is_json, [start for start, _ in strings], [end for _, end in strings])

    def fitted(self, start: int, end: int) -> tuple[int, int, str]:
        """Return a found span so that what stays of the text is still JSON, and the quotes for its mask."""
        start, _ = _escape_around(self.text, start)
        _, end = _escape_around(self.text, end)
        if not self.is_json:
            return start, end, ""
        first, last = self._string_at(start), self._string_at(end - 1)
        if first is not None and first == last:
            within = self.starts[first] < start and end < self.ends[first]
            return (start, end, "") if within else (self.starts[first], self.ends[first], '"')
        return self._begin(start, first), self._end(end, last), '"'

    def _begin(self, start: int, string: int | None) -> int:
        if string is not None:
            return self.starts[string]
        while start and self.text[start - 1] not in _ATOM_END:
            start -= 1
        return start

    def _end(self, end: int, string: int | None) -> int:
        if string is not None:
            return self.ends[string]
        atom = _ATOM.match(self.text, end)
        return end if atom is None else atom.end()

    def _string_at(self, index: int) -> int | None:
        string = bisect_right(self.starts, index) - 1
        return string if string >= 0 and index < self.ends[string] else None


def _replaced(text: str, border: int, shape: _Shape, spans: list[tuple[int, int, str]]) -> str:
    """Return a text up to a border, with masks for spans, each as it is found or with its quotes."""
    masked: list[tuple[int, int, str]] = []
    for start, end, quotes in spans:
        if start >= border:
            break
        if masked and end <= masked[-1][1]:
            continue
        begin, finish, around = (start, end, quotes) if quotes else shape.fitted(start, end)
        while masked and begin < masked[-1][1]:  # one mask for both: this one reaches back behind it
            first, last, before = masked.pop()
            begin, finish, around = min(first, begin), max(last, finish), before or around
        masked.append((begin, finish, around))
    pieces: list[str] = []
    done = 0
    for begin, finish, around in masked:
        pieces += (text[done:begin], around, MASK, around)
        done = finish
    return "".join((*pieces, text[done:border]))


def _marked(masked: str, cut: int) -> str:
    shown = masked[: MOST_KEPT - _ROOM_FOR_MARK]
    return f"{shown}… ({cut + len(masked) - len(shown)} characters cut)"


def _escape_around(text: str, place: int) -> tuple[int, int]:
    """Return the bounds of the escape that a place lies within; else the place itself, twice."""
    for start in range(max(0, place - _LONGEST_ESCAPE + 1), place):
        escape = _ESCAPE(text, start)
        if escape is not None and escape.end() > place and _begins_escape(text, start):
            return escape.span()
    return place, place


def _begins_escape(text: str, backslash: int) -> bool:
    """Tell whether a backslash is the first half of an escape, and not the second of the one before."""
    start = backslash
    while start and text[start - 1] == "\\":
        start -= 1
    return (backslash - start) % 2 == 0


def _value_end(text: str, start: int) -> int:
    """Return where a value of JSON ends that may be cut off."""
    if text[start] not in '{["':
        bare = _BARE.match(text, start)
        return start if bare is None else bare.end()
    depth = 0
    for step in _STEP.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(step[0], 0)
        if depth <= 0:
            return step.end()
    return len(text)


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= _MOST_BITS)


def _named(names: frozenset[str]) -> re.Pattern[str] | None:
    """Return what finds a sensitive name in JSON, up to its value."""
    last = sorted({re.escape(name.rpartition(".")[2]) for name in names})
    return re.compile(rf'"(?:{"|".join(last)})"\s*:\s*(?=[^\s,}}\]])', re.IGNORECASE) if last else None
