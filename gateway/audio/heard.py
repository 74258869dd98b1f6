"""What the caller has heard of each turn: bytes sent, the clock, and the marks that come back. PURE.

Our clock says when each piece sent will have been played; a mark that comes back later than that shows how
far the ear is behind it. An interruption settles the account: what was not played by then was not heard.
"""

from collections import deque
from dataclasses import dataclass
from math import inf

BYTES_PER_SECOND = 8_000
BYTES_PER_MS = 8
_TURNS_KEPT = 64  # marks of older turns have long come back or never will


@dataclass(frozen=True, slots=True)
class TurnHeard:
    """How much of a turn reached the caller's ear.

    Attributes:
        heard_ms: played, as far as clock and marks can tell.
        total_ms: all audio that was pushed for the turn.
    """

    turn: str
    heard_ms: int
    total_ms: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """Audio on its way to the ear. Lives until it was heard or cut."""

    turn: str
    end: float  # when its last byte is heard, on our clock
    size: int


class HeardLedger:
    """Lives as long as its call. Times are seconds, monotonic; amounts bytes of µ-law at 8 kHz."""

    def __init__(self) -> None:
        self._in_flight: deque[_Piece] = deque()
        self._mark_ends: dict[str, float] = {}
        self._heard: dict[str, int] = {}
        self._pushed: dict[str, int] = {}
        self._lag_s = 0.0

    def __contains__(self, turn: str) -> bool:
        """Say whether a turn is on the books."""
        return turn in self._pushed

    def __len__(self) -> int:
        """Count the turns on the books."""
        return len(self._pushed)

    def pushed(self, turn: str, size: int) -> None:
        """Book audio that a turn wants to be heard."""
        self._pushed[turn] = self._pushed.get(turn, 0) + size
        if len(self._pushed) > _TURNS_KEPT:
            oldest = next(iter(self._pushed))
            del self._pushed[oldest]
            self._heard.pop(oldest, None)

    def sent(self, turn: str, size: int, end: float, now: float) -> None:
        """Book a piece that was sent and will have been heard at ``end``."""
        self._settle(now - self._lag_s)
        self._in_flight.append(_Piece(turn, end, size))

    def mark_sent(self, name: str, end: float) -> None:
        """Book a mark behind audio that will have been heard at ``end``."""
        self._mark_ends[name] = end

    def mark_played(self, name: str, now: float) -> None:
        """Book that Twilio has played all before a mark: it shows how far our clock is ahead of the ear."""
        end = self._mark_ends.pop(name, None)
        if end is not None:
            self._lag_s = max(0.0, now - end)
            self._settle(end)
            # Marks come back in order: one of those before this that has not will not.
            self._mark_ends = {other: due for other, due in self._mark_ends.items() if due >= end}

    @property
    def lag_s(self) -> float:
        """How far the ear was behind our clock when the last mark came back."""
        return self._lag_s

    @property
    def mark_due_at(self) -> float:
        """When the last mark was due, on our clock, that has not come back; long ago without one."""
        return max(self._mark_ends.values(), default=-inf)

    def in_flight(self, now: float) -> frozenset[str]:
        """Return the turns that the ear hears now or will hear, whatever is done here."""
        self._settle(now - self._lag_s)
        return frozenset(piece.turn for piece in self._in_flight)

    def cut(self, now: float) -> tuple[list[str], int]:
        """Settle at an interruption.

        Returns:
            The turns that lost sent audio, oldest first, and how many bytes of it were not heard.
        """
        self._settle(now - self._lag_s)
        lost = 0
        turns: dict[str, None] = {}
        for piece in self._in_flight:
            unheard = min(piece.size, max(0, round((piece.end + self._lag_s - now) * BYTES_PER_SECOND)))
            self._heard[piece.turn] = self._heard.get(piece.turn, 0) + piece.size - unheard
            lost += unheard
            turns[piece.turn] = None
        self._in_flight.clear()
        self._mark_ends.clear()
        return list(turns), lost

    def heard(self, turn: str) -> TurnHeard:
        """Return what was heard of a turn, as settled by marks, time and :meth:`cut`."""
        heard, total = self._heard.get(turn, 0), self._pushed.get(turn, 0)
        return TurnHeard(turn, heard // BYTES_PER_MS, total // BYTES_PER_MS)

    def _settle(self, until: float) -> None:
        """Move pieces that were played by ``until``, on our clock, from in flight to heard."""
        while self._in_flight and self._in_flight[0].end <= until:
            piece = self._in_flight.popleft()
            self._heard[piece.turn] = self._heard.get(piece.turn, 0) + piece.size
