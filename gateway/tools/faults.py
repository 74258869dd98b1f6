"""Every fault of a tools file with its place, gathered so that one error can tell them all. PURE."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_BARE = re.compile(r"[A-Za-z0-9_-]+").fullmatch


class SeveralFaults(ValueError):
    """What is wrong with one value, when it is more than one thing.

    Attributes:
        sentences: each as the message of a ValueError would have it.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = tuple(sentences)


def raise_all(sentences: Iterable[str]) -> None:
    """Raise what is wrong with one value, each sentence once; nothing when there is none.

    Raises:
        ValueError: there is one sentence.
        SeveralFaults: there are more.
    """
    told = tuple(dict.fromkeys(sentences))
    if len(told) == 1:
        raise ValueError(told[0])
    if told:
        raise SeveralFaults(told)


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one file, seen from one place in it. Lives as long as the file is being read.

    Views of several places write into one list.

    Attributes:
        entry: the table that is looked at, such as ``tools[2] "book_table"``.
        path: the value within it, such as ``retry.on[0]``.
        lines: what has been found so far, in the file as a whole.
        doubted: the values of the table whose faults have been told and that have stand-ins since; what is
            wrong with a stand-in is not told.
    """

    entry: str = ""
    path: str = ""
    lines: list[str] = field(default_factory=list)
    doubted: frozenset[str] = frozenset()

    @property
    def is_doubtful(self) -> bool:
        """True when what stands here, or a part of it, is not what its author means."""
        return any(_within(self.path, one) or _within(one, self.path) for one in self.doubted)

    def of(self, entry: str) -> "Faults":
        """Return the view of a table."""
        return replace(self, entry=entry, path="", doubted=frozenset())

    def doubting(self, places: Iterable[Iterable[str | int]]) -> "Faults":
        """Return this view once the faults at some places within it have been told."""
        return replace(self, doubted=self.doubted | {self.at(*place).path for place in places})

    def at(self, *parts: str | int) -> "Faults":
        """Return the view of a value within this one."""
        path = self.path
        for part in parts:
            path = f"{path}[{part}]" if isinstance(part, int) else f"{path}.{_key(part)}".removeprefix(".")
        return replace(self, path=path)

    def add(self, sentence: str) -> None:
        """Say what is wrong here, and the fix; nothing when it can only follow from what has been said."""
        if any(_within(self.path, one) for one in self.doubted):
            return
        line = ": ".join(filter(None, (self.entry, self.path, sentence)))
        # The names of keys and tools come from outside and may hold line breaks.
        self.lines.append(line if line.isprintable() else ascii(line))

    def attempt(self, make: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """Return what ``make`` returns; None when it raised a ValueError, whose message becomes a fault."""
        try:
            return make(*args, **kwargs)
        except SeveralFaults as error:
            for sentence in error.sentences:
                self.add(sentence)
        except ValueError as error:
            self.add(str(error))
        return None


def _within(path: str, outer: str) -> bool:
    return not outer or path == outer or path.startswith((f"{outer}.", f"{outer}["))


def _key(part: str) -> str:
    return part if _BARE(part) else json.dumps(part)
