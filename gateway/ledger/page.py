"""What happened in one call and is not stored yet. PURE.

A page is bounded, whatever the database does. Words that may still change replace each other while they wait.
When a page is full, what matters less gives way to what matters more: first the words that may still change,
states, keys and the like, which are dropped and counted; then, if a thousand things that matter wait, the
newest of those. The end of a call always finds room. Numbers are given when a batch is taken to be stored,
so that nothing that was dropped leaves a hole.
"""

import json
from datetime import datetime
from typing import Any

from gateway.records import (
    AgentJoined,
    CallEnded,
    CallInfo,
    DtmfRuleRan,
    Happening,
    StreamLost,
    ToolAsked,
    ToolRun,
    TranscriptEntry,
)
from gateway.storage.happenings import event_of
from gateway.storage.rows import CallEvent

LIMIT = 1_000
_FIRM = (AgentJoined, ToolAsked, ToolRun, DtmfRuleRan, StreamLost, CallEnded)
_Waiting = tuple[datetime, Happening]


class Page:
    """Lives from a call's first mention in this process until it is over and stored.

    Args:
        call: whose page it is.
        limit: how much may wait.

    Attributes:
        last_seq: the number of the latest event that has one; None until it is known where the call stands.
        batch: what is being stored: it is offered again, with the same numbers, until it is.
        spilled: what was dropped because too much waited.
    """

    def __init__(self, call: CallInfo, limit: int = LIMIT) -> None:
        self.call = call
        self.last_seq: int | None = None
        self.batch: tuple[CallEvent, ...] = ()
        self.spilled = 0
        self._limit = limit
        self._taken = 0
        self._waiting: dict[int, _Waiting] = {}  # by the order in which they came
        self._open: dict[int, int] = {}  # index of an entry whose words may change -> its place in line

    def __len__(self) -> int:
        """Count what is not stored."""
        return len(self._waiting) + len(self.batch)

    def take(self, happening: Happening, at: datetime) -> bool:
        """Take something that happened; True when it must not wait for the next batch."""
        firm = is_firm(happening)
        if isinstance(happening, TranscriptEntry):
            self._waiting.pop(self._open.pop(happening.index, -1), None)
        if len(self) >= self._limit and not self._makes_room(happening, firm):
            self.spilled += 1
            return False
        self._taken += 1
        self._waiting[self._taken] = (at, happening)
        if isinstance(happening, TranscriptEntry) and not firm:
            self._open[happening.index] = self._taken
        return firm

    def _makes_room(self, happening: Happening, firm: bool) -> bool:
        lesser = (place for place, (_, waiting) in self._waiting.items() if not is_firm(waiting))
        place = next(lesser, None) if firm else None
        if place is None:
            return isinstance(happening, CallEnded)
        _, dropped = self._waiting.pop(place)
        if isinstance(dropped, TranscriptEntry):
            self._open.pop(dropped.index, None)
        self.spilled += 1
        return True

    def next_batch(self) -> tuple[CallEvent, ...]:
        """Return what is to be stored next: the batch that is under way, else all that waits, numbered.

        Empty while nothing waits, or it is not known where the call stands.
        """
        if not self.batch and self.last_seq is not None:
            self.batch = tuple(
                self._event(self.last_seq + place, at, happening)
                for place, (at, happening) in enumerate(self._waiting.values(), start=1)
            )
            self.last_seq += len(self.batch)
            self._waiting.clear()
            self._open.clear()
        return self.batch

    def _event(self, seq: int, at: datetime, happening: Happening) -> CallEvent:
        kind, data = event_of(happening)
        return CallEvent(call_id=self.call.call_id, seq=seq, at=at, kind=kind, data=storable(data))

    def stored(self) -> None:
        """Let go of the batch: it is stored."""
        self.batch = ()


def is_firm(happening: Happening) -> bool:
    """Say whether something that happened must not wait for the next batch."""
    return happening.final if isinstance(happening, TranscriptEntry) else isinstance(happening, _FIRM)


def storable(data: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data as JSON can hold it; what no JSON holds (NaN, say) stands as its text."""
    try:
        json.dumps(data, allow_nan=False)
    except (ValueError, TypeError):
        plain: dict[str, Any] = json.loads(json.dumps(data, default=str), parse_constant=str)
        return plain
    return data
