"""The marks that are under way: which came back, and whether the audio before them was played."""

from collections import deque
from dataclasses import dataclass

MAX_PENDING_MARKS = 512


@dataclass(frozen=True, slots=True)
class MarkReturned:
    """A mark of ours came back.

    Attributes:
        flushed: True when ``clear`` was sent after the mark: Twilio's echo looks the same, but the audio
            before it may not have been heard.
    """

    name: str
    flushed: bool


class MarkLedger:
    """The pending marks of one stream, in the order sent, each with the number of clears before it.

    Attributes:
        lost: marks that a later echo overtook, or that were too many to remember.
    """

    __slots__ = ("_clears", "_pending", "lost")

    def __init__(self) -> None:
        self._pending: deque[tuple[str, int]] = deque()
        self._clears = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, name: str) -> None:
        """Remember a mark; beyond 512 the oldest is forgotten."""
        if len(self._pending) == MAX_PENDING_MARKS:
            self._pending.popleft()
            self.lost += 1
        self._pending.append((name, self._clears))

    def flush(self) -> None:
        """Count every pending mark as flushed from now on."""
        self._clears += 1

    def returned(self, name: str) -> MarkReturned | None:
        """Match an echo with the first pending mark of its name; None when there is none.

        Twilio echoes in order, so that marks before it will not come any more: some simulators drop the
        pending marks on ``clear`` instead of echoing them.
        """
        if all(pending != name for pending, _ in self._pending):
            return None
        while True:
            pending, clears = self._pending.popleft()
            if pending == name:
                return MarkReturned(name, flushed=clears != self._clears)
            self.lost += 1
