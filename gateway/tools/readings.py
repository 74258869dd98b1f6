"""A text as others would read it: folded, without JSON's escapes, its digits alone. PURE.

A sensitive value may turn up in any of these, and each knows the way back. All cost what the text is long.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Span = tuple[int, int]

_PAIR = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"\\(?:{_PAIR}|u[0-9a-fA-F]{{4}}|.)", re.DOTALL)
_SHORT: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# Up to three of these between two digits are how people write a number; whatever else ends it.
_BETWEEN_DIGITS: Final = r"[\s./()_-]"
_DIGITS = re.compile(rf"(?P<digits>\d+)|{_BETWEEN_DIGITS}{{4,}}|[^\d\s./()_-]+")
_MOST_ESCAPED: Final = 2  # JSON in a text of JSON


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a text. Lives as long as the text is being masked.

    Attributes:
        text: what is read, in lower case.
        spelled: the same as it was written.
    """

    text: str
    spelled: str
    _starts: list[int]
    _origins: list[int]
    _of: "Reading | None"

    @classmethod
    def plain(cls, text: str) -> "Reading":
        """Return the text as it stands."""
        return cls(folded(text), text, [], [], None)

    def unescaped(self) -> "Reading":
        """Return this reading with its escapes of JSON replaced by what they stand for."""
        pieces: list[str] = []
        starts, origins = [0], [0]
        length = done = 0
        for match in _ESCAPE.finditer(self.spelled):
            literal = self.spelled[done : match.start()]
            for piece, origin in ((literal, done), (_meant(match[0]), match.start())):
                pieces.append(piece)
                starts.append(length)
                origins.append(origin)
                length += len(piece)
            done = match.end()
        starts.append(length)
        origins.append(done)
        text = "".join((*pieces, self.spelled[done:]))
        return Reading(folded(text), text, starts, origins, self)

    def origin(self, index: int) -> int:
        """Return where in the text what is read at an index begins, or what is read before it ends."""
        if self._of is None:
            return index
        piece = bisect_right(self._starts, index) - 1
        return self._of.origin(self._origins[piece] + index - self._starts[piece])

    def find(self, wanted: str) -> Iterator[Span]:
        """Yield where in the text something is found that is folded itself."""
        at = self.text.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            yield self.origin(at), self.origin(end)
            at = self.text.find(wanted, end)

    def digits(self) -> "Digits":
        """Return the digits alone."""
        pieces: list[str] = []
        starts: list[int] = []
        origins: list[int] = []
        length = 0
        for match in _DIGITS.finditer(self.spelled):
            pieces.append(match["digits"] or "\n")
            starts.append(length)
            origins.append(match.start())
            length += len(pieces[-1])
        return Digits("".join(pieces), starts, origins, self)


@dataclass(frozen=True, slots=True)
class Digits:
    """The digits of a reading; a line break stands for what no number has in it. Lives as long as that."""

    text: str
    _starts: list[int]
    _origins: list[int]
    _of: Reading

    def find(self, wanted: str) -> Iterator[Span]:
        """Yield where in the text digits are found, whatever people write between them."""
        at = self.text.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            yield self._of.origin(self._read_at(at)), self._of.origin(self._read_at(end - 1) + 1)
            at = self.text.find(wanted, end)

    def _read_at(self, index: int) -> int:
        piece = bisect_right(self._starts, index) - 1
        return self._origins[piece] + index - self._starts[piece]


def readings(text: str) -> Iterator[Reading]:
    """Yield the text as it stands, and without its escapes once and twice where it has any."""
    reading = Reading.plain(text)
    yield reading
    for _ in range(_MOST_ESCAPED):
        if "\\" not in reading.spelled:
            return
        reading = reading.unescaped()
        yield reading


def folded(text: str) -> str:
    """Return a text in lower case, each character where it was."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(small if len(small := one.lower()) == 1 else one for one in text)
    return lower.replace("ς", "σ")  # which of the two it gets depends on what follows


def _meant(escape: str) -> str:
    kind, code = escape[1], escape[2:]
    if kind != "u" or not code:
        return _SHORT.get(kind, kind)
    units = [int(unit, 16) for unit in code.split("\\u")]
    return b"".join(unit.to_bytes(2) for unit in units).decode("utf-16-be", "surrogatepass")
