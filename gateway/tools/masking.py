"""Keeps sensitive arguments of a tool out of what is kept: their values, wherever they turn up. PURE.

The agent and the endpoint get everything; records, logs and the command line get this.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

MASK: Final = "••••"
_LEAST_CHARACTERS: Final = 3  # masking every "42" would leave nothing to read
_LEAST_DIGITS: Final = 4
_MOST_PATTERN: Final = 100_000
_MOST_DEPTH: Final = 64
_MOST_BITS: Final = 4_096
_BETWEEN_DIGITS: Final = r"[\s./()_-]{0,3}"
_DIGITS = re.compile(r"[\d\s./()+_-]+").fullmatch


@dataclass(frozen=True, slots=True)
class Mask:
    """Masks what some names stand for. Lives as long as its catalogue.

    Attributes:
        names: an argument's name, or the end of the path to it, such as ``card.number``; lists do not count
            as a step. Each counts at any depth, in lower or upper case.
    """

    names: frozenset[str]
    _named: re.Pattern[str] = field(repr=False)

    @classmethod
    def of(cls, names: Iterable[str]) -> "Mask":
        """Return the mask for names as the tools file has them."""
        folded = frozenset(name.casefold() for name in names)
        return cls(folded, _named(folded))

    def arguments(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """Return a copy of the arguments with every sensitive value masked, tables and lists as a whole."""
        masked = self._masked(dict(arguments), "", str, lambda value: value)
        assert isinstance(masked, dict)
        return masked

    def text(self, text: str, arguments: Mapping[str, object]) -> str:
        """Return a text without the sensitive values of the arguments, in whatever spelling they turn up.

        Where it is JSON, or has JSON in it, what stands under a sensitive name is masked as well.
        """
        if not self.names:
            return text
        forms = sorted({form for value in self._values(arguments, "") for form in _forms(value)}, key=len)
        if sum(map(len, forms)) > _MOST_PATTERN:
            return MASK
        values = re.compile("|".join(reversed(forms)) or r"(?!)", re.IGNORECASE)

        def hidden(shown: str) -> str:
            return values.sub(MASK, self._named.sub(rf'\g<name>"{MASK}"', shown))

        def scalar(value: object) -> object:
            if isinstance(value, str):
                return hidden(value)
            return MASK if _is_number(value) and values.search(str(value)) else value

        document = _document(text)
        masked = self._masked(document, "", hidden, scalar)
        # Text that is JSON can hold more than is read from it: a name twice, for one.
        return hidden(text) if masked == document else json.dumps(masked, ensure_ascii=False)

    def _masked(
        self,
        value: object,
        path: str,
        key: Callable[[str], str],
        scalar: Callable[[object], object],
        depth: int = 0,
    ) -> object:
        if depth > _MOST_DEPTH:
            return MASK
        if isinstance(value, dict):
            return {
                key(name): MASK
                if self._hides(below := f"{path}.{name.casefold()}")
                else self._masked(inner, below, key, scalar, depth + 1)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._masked(inner, path, key, scalar, depth + 1) for inner in value]
        return scalar(value)

    def _hides(self, path: str) -> bool:
        return any(path.endswith(f".{name}") for name in self.names)

    def _values(self, value: object, path: str) -> Iterator[str]:
        """Yield the sensitive values among arguments, as texts."""
        pending = [(value, path, False)]
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


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= _MOST_BITS)


def _named(names: frozenset[str]) -> re.Pattern[str]:
    """Return what finds a sensitive name and its value in text that has JSON in it."""
    last = sorted({re.escape(name.rpartition(".")[2]) for name in names})
    value = r'(?:"(?:[^"\\]|\\.)*"?|[^\s,}\]"]+)'
    return re.compile(rf'(?P<name>"(?:{"|".join(last)})"\s*:\s*){value}' if last else r"(?!)", re.IGNORECASE)


def _forms(value: str) -> Iterator[str]:
    """Yield patterns for the spellings in which a value may turn up."""
    plain = value.strip()
    digits = re.sub(r"\D", "", plain) if _DIGITS(plain) else ""
    if len(digits) >= _LEAST_DIGITS:
        yield _BETWEEN_DIGITS.join(digits)
    for spelling in (plain, digits, json.dumps(plain)[1:-1], quote(plain, safe=""), quote_plus(plain)):
        if len(spelling) >= _LEAST_CHARACTERS:
            yield re.escape(spelling)


def _document(text: str) -> object:
    """Return what a text is as JSON, if it is a table or a list, else None."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
