"""The Jinja sandbox that templates run in: data, a few filters and methods, a bounded effort. PURE.

A template is the operator's, what it is filled with is a caller's and an agent's. So neither may reach beyond
the data (Jinja's own sandbox), and no argument may blow a template up: loops have a budget, and whatever
multiplies text asks first how much that will be.
"""

import json
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from datetime import date, time
from html import escape
from typing import Any, Final
from urllib.parse import quote

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_ROUNDS: Final = 10_000
"""How often all loops of one rendering may go round."""

MOST_CHARACTERS: Final = 2_097_152
"""How long a text may get in the making; what is made of it in the end must be shorter."""

ROUNDS: Final = " rounds"
"""The filter that counts a loop's rounds, and the budget's variable: a name that no template can write."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KEPT_FILTERS: Final = _names("""
    abs capitalize count d default dictsort first float int items last length list lower map max min
    reject rejectattr reverse select selectattr sort string sum title trim truncate unique upper wordcount
""")
_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: _names(
        "capitalize casefold count endswith find isalnum isalpha isdigit isspace lower lstrip partition "
        "removeprefix removesuffix rpartition rsplit rstrip split splitlines startswith strip title "
        "upper"
    ),
    dict: _names("get items keys values"),
    list: _names("count index"),
    date: _names("date isoformat isoweekday strftime time timestamp weekday"),
    time: _names("isoformat strftime"),
    LoopContext: _names("changed cycle"),
}


class TooMuch(SecurityError):
    """A template would have cost too much; the message ends a sentence that begins with what it is for."""


class Missing(StrictUndefined):
    """What a template asked for and did not get; any use of it raises an error that has its name alone."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_name if isinstance(self._undefined_name, str) else ""


class Sandbox(ImmutableSandboxedEnvironment):
    """Compiles templates. Lives as long as the process; there is one."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=Missing, autoescape=False, keep_trailing_newline=True, finalize=show)
        self.globals.clear()
        self.filters = {name: FILTERS[name] for name in _KEPT_FILTERS} | _OWN_FILTERS

    def parse(self, source: str, name: str | None = None, filename: str | None = None) -> nodes.Template:
        """Read a template, and let its loops count their rounds."""
        tree = super().parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, ROUNDS, [], [], None, None, lineno=loop.lineno)
        tree.set_environment(self)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return ``obj.attribute``: of data that has such a key, its value and not a method."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> None:
        """Leave ``str.format`` to the rule for all methods: its widths can be made as large as one likes."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow what Jinja's sandbox does, but of methods only those that cost no more than their input."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        return not callable(value) or any(
            isinstance(obj, kind) and attr in names for kind, names in _METHODS.items()
        )

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply, unless that makes too much of it."""
        if operator == "%" and isinstance(left, str):
            raise TooMuch("formats a text with %")
        if operator == "**" and not (_small(left) and _small(right)):
            raise TooMuch("raises a number to a power beyond reason")
        if operator == "*":
            _expect(_repeated(left, right))
        return super().call_binop(context, operator, left, right)


def show(value: object) -> str:
    """Write a value as it stands in text: JSON for tables and lists, nothing for null, ISO 8601 for times.

    Raises:
        TypeError: it is no data.
    """
    match value:
        case str():
            return value
        case None:
            return ""
        case date() | time():
            return value.isoformat()
        case Undefined():
            return str(value)  # raises
        case _:
            return to_json(value)


def to_json(value: object) -> str:
    """Write compact JSON, which nothing in the value can break out of.

    Raises:
        TypeError: it is no data.
        ValueError: a number is not finite.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    match value:
        case date() | time():
            return value.isoformat()
        case Mapping():
            return dict(value)
        case Iterator() | KeysView() | ValuesView() | ItemsView():
            return list(value)
        case Undefined():
            return str(value)  # raises
        case _:
            raise TypeError("is no data")


# --- filters


@pass_context
def _rounds(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    budget = context[ROUNDS]
    for item in items:
        if next(budget, None) is None:
            raise TooMuch("goes round too often")
        yield item


def _join(items: Iterable[object], separator: object = "") -> str:
    texts = [show(item) for item in items]
    between = show(separator)
    _expect(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _replace(text: object, old: str, new: str) -> str:
    shown = show(text)
    _expect(len(shown) + shown.count(old) * len(new))
    return shown.replace(old, new)


def _round(number: float, digits: int = 0) -> float:
    return round(number, max(-15, min(digits, 15))) if digits else round(number)


def _urlencode(value: object) -> str:
    if isinstance(value, Mapping):
        return "&".join(f"{_urlencode(name)}={_urlencode(inner)}" for name, inner in value.items())
    return quote(show(value), safe="")


def _escape(value: object) -> str:
    return escape(show(value))


_OWN_FILTERS: Final[dict[str, Any]] = {
    "escape": _escape,
    "join": _join,
    "replace": _replace,
    "round": _round,
    ROUNDS: _rounds,
    "tojson": to_json,
    "urlencode": _urlencode,
}
FILTER_NAMES: Final = tuple(sorted({*_KEPT_FILTERS, *_OWN_FILTERS} - {ROUNDS}))


def _small(number: object) -> bool:
    return isinstance(number, int | float) and abs(number) <= 1_000


def _repeated(left: object, right: object) -> int:
    """Return how long a sequence times a number gets; 0 for numbers among themselves."""
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple) and isinstance(times, int):
            return len(sequence) * times
    return 0


def _expect(characters: int) -> None:
    """Refuse a text before it is made."""
    if characters > MOST_CHARACTERS:
        raise TooMuch("makes a text too large")
