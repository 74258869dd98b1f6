"""The one buffer on the agent → caller side: the agent speaks faster than real time, the phone does not.

PURE. Audio goes in as it comes and leaves on absolute deadlines, at most ``lead_ms`` ahead of what the
caller has heard, in pieces of up to ``piece_ms``: Twilio buffers what it gets, so larger pieces cost fewer
messages and no latency, and a short lead keeps most of an interrupted turn here, where it can be dropped.

The buffer's idea of what was heard is its own clock (audio sent, at 8,000 bytes a second, from the moment it
was sent) corrected by the lag that returned marks show.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from gateway.audio.heard import BYTES_PER_MS, BYTES_PER_SECOND, HeardLedger, TurnHeard

_COMPACT_BYTES = 65_536
_MOST_CUSHION_BYTES = 300 * BYTES_PER_MS


@dataclass(slots=True)
class _Speech:
    """Audio of one turn that waits to be sent. Lives until its last byte left."""

    turn: str
    data: bytearray
    offset: int = 0

    @property
    def pending(self) -> int:
        return len(self.data) - self.offset

    def take(self, count: int) -> bytes:
        piece = bytes(self.data[self.offset : self.offset + count])
        self.offset += len(piece)
        if self.offset >= _COMPACT_BYTES:
            del self.data[: self.offset]
            self.offset = 0
        return piece


@dataclass(frozen=True, slots=True)
class MarkDue:
    """A mark whose audio has all been sent: it goes out now."""

    name: str


class _Queue:
    """What waits to be sent, in order. Lives as long as its playout.

    Attributes:
        items: speech and marks.
        pending_bytes: of the speech.
    """

    def __init__(self) -> None:
        self.items: deque[_Speech | MarkDue] = deque()
        self.pending_bytes = 0

    def append(self, turn: str, ulaw: bytes) -> None:
        tail = self.items[-1] if self.items else None
        if isinstance(tail, _Speech) and tail.turn == turn:
            tail.data += ulaw
        else:
            self.items.append(_Speech(turn, bytearray(ulaw)))
        self.pending_bytes += len(ulaw)

    def take(self, count: int) -> tuple[str, bytes]:
        """Take a piece of the speech at the head; return whose it is, and the piece."""
        head = self.items[0]
        assert isinstance(head, _Speech)
        piece = head.take(count)
        if not head.pending:
            self.items.popleft()
        self.pending_bytes -= len(piece)
        return head.turn, piece

    def drop(self, goes: Callable[[str], bool], *, marks_first: bool) -> list[str]:
        """Drop turns, and the marks behind them; return whose audio it was, oldest first.

        Args:
            goes: says whether a turn is dropped.
            marks_first: whether marks at the head, whose audio has all been sent, go too.
        """
        kept: deque[_Speech | MarkDue] = deque()
        dropped: list[str] = []
        dropping = marks_first
        for item in self.items:
            if isinstance(item, _Speech):
                dropping = goes(item.turn)
                if dropping:
                    dropped.append(item.turn)
                    self.pending_bytes -= item.pending
            if not dropping:
                kept.append(item)
        self.items = kept
        return dropped


@dataclass(frozen=True, slots=True)
class Cut:
    """What a :meth:`Playout.clear` took away.

    Attributes:
        turns: one entry for each turn that lost audio, oldest first.
        voided: True when audio that was already sent is void too: tell Twilio to ``clear``.
    """

    turns: tuple[TurnHeard, ...]
    voided: bool


@dataclass(slots=True)
class PlayoutCounters:
    """Plain counters of one call's downlink; read once, at its end."""

    pushed_bytes: int = 0
    sent_bytes: int = 0
    pieces: int = 0
    cleared_bytes: int = 0
    overflow_bytes: int = 0
    underruns: int = 0
    peak_pending_ms: int = 0


class Playout:
    """Holds what the caller has yet to hear. Lives as long as its call.

    Args:
        lead_ms: how far ahead of the caller's ear audio is sent.
        piece_ms: the largest piece sent at once; at most ``lead_ms``.
        jitter_ms: audio gathered before an idle line starts to play, so that an agent that speaks in real
            time does not stutter; a longer first chunk starts at once. After an underrun inside a turn the
            cushion grows by the size of the agent's chunks, at most to 300 ms.
        limit_ms: bound of the buffer. Beyond it new audio is dropped and counted: the caller hears the
            turn stop early rather than skip.

    Attributes:
        horizon: when all that was sent will have been heard (seconds, monotonic).
        held: while True no more audio is sent; what Twilio already has plays on (the lead).
        ledger: what was heard of each turn.
    """

    def __init__(
        self, *, lead_ms: int = 200, piece_ms: int = 100, jitter_ms: int = 60, limit_ms: int = 120_000
    ) -> None:
        self._lead_s = lead_ms / 1000
        self._piece_bytes = min(piece_ms, lead_ms) * BYTES_PER_MS
        self._jitter_bytes = jitter_ms * BYTES_PER_MS
        self._cushion_bytes = self._jitter_bytes
        self._limit_bytes = limit_ms * BYTES_PER_MS
        self._queue = _Queue()
        self._gathering_since: float | None = None
        self._settled = False  # a mark stands behind what waits: it is complete, and starts without more
        self.horizon = 0.0
        self.held = False
        self.ledger = HeardLedger()
        self.counters = PlayoutCounters()

    @property
    def pending_ms(self) -> float:
        """Audio that waits here, in milliseconds: the buffer's depth gauge."""
        return self._queue.pending_bytes / BYTES_PER_MS

    @property
    def idle(self) -> bool:
        """True when nothing waits here, neither audio nor mark."""
        return not self._queue.items

    def free_at(self, now: float) -> float:
        """Return when the ear will have heard all that is in the line; infinite while some of it is held."""
        if not self._queue.pending_bytes:
            return self.horizon + self.ledger.lag_s
        if self.held:
            return inf
        return max(self.horizon, now) + self._queue.pending_bytes / BYTES_PER_SECOND + self.ledger.lag_s

    def push(self, turn: str, ulaw: bytes, now: float) -> int:
        """Append audio of a turn that may go on.

        Args:
            turn: the turn's id.
            ulaw: µ-law at 8 kHz, any length.
            now: seconds, monotonic.

        Returns:
            How many bytes were taken; the rest did not fit and is counted as overflow.
        """
        dry = not self._queue.pending_bytes and self.horizon <= now
        underrun = dry and turn in self.ledger
        taken = self.insert(turn, ulaw)
        if dry and taken:
            self._gathering_since = now
            self._settled = False
        if underrun and taken:
            self.counters.underruns += 1
            self._cushion_bytes = min(_MOST_CUSHION_BYTES, self._jitter_bytes + taken)
        return taken

    def insert(self, turn: str, ulaw: bytes) -> int:
        """Append audio that is there whole: it waits for no more of its kind, and cannot run dry."""
        room = max(self._limit_bytes - self._queue.pending_bytes, 0)
        if len(ulaw) > room:
            self.counters.overflow_bytes += len(ulaw) - room
            ulaw = ulaw[:room]
        if ulaw:
            self._queue.append(turn, ulaw)
            self.ledger.pushed(turn, len(ulaw))
            self.counters.pushed_bytes += len(ulaw)
            self.counters.peak_pending_ms = max(self.counters.peak_pending_ms, int(self.pending_ms))
        return len(ulaw)

    def mark(self, name: str) -> None:
        """Append a mark that goes out right behind the audio pushed so far."""
        self._settled = True
        self._queue.items.append(MarkDue(name))

    def pop_due(self, now: float) -> list[bytes | MarkDue]:
        """Take what has to leave now, in order: pieces of µ-law and marks."""
        due: list[bytes | MarkDue] = []
        while self._queue.items:
            head = self._queue.items[0]
            if isinstance(head, MarkDue):
                self._queue.items.popleft()
                self.ledger.mark_sent(head.name, max(self.horizon, now))
                due.append(head)
            elif not self.held and self._send_at(head) <= now:
                due.append(self._send(now))
            else:
                break
        return due

    def next_deadline(self) -> float | None:
        """Return when :meth:`pop_due` has something next, or None while nothing can become due by itself."""
        if not self._queue.items:
            return None
        head = self._queue.items[0]
        if isinstance(head, MarkDue):
            return 0.0
        return None if self.held else self._send_at(head)

    def _send_at(self, head: _Speech) -> float:
        if self._gathering_since is not None:
            if self._settled or self._queue.pending_bytes >= self._cushion_bytes:
                return 0.0
            return self._gathering_since + self._cushion_bytes / BYTES_PER_SECOND
        piece_s = min(self._piece_bytes, head.pending) / BYTES_PER_SECOND
        return self.horizon + piece_s - self._lead_s

    def _send(self, now: float) -> bytes:
        turn, piece = self._queue.take(self._piece_bytes)
        self._gathering_since = None
        self.horizon = max(self.horizon, now) + len(piece) / BYTES_PER_SECOND
        self.ledger.sent(turn, len(piece), self.horizon, now)
        self.counters.sent_bytes += len(piece)
        self.counters.pieces += 1
        return piece

    def clear(self, now: float, *, keep: frozenset[str] = frozenset()) -> Cut:
        """Drop all that the caller has not heard, sent or not, but for the turns to keep.

        What was sent is void as a whole or not at all: while a turn to keep is in it, it is left alone.
        """
        voided = not self.ledger.in_flight(now) & keep
        waiting = self._drop_waiting(lambda turn: turn not in keep, marks_first=True)
        cut = self._void_sent(now) if voided else []
        self.held = False
        return Cut(tuple(self.ledger.heard(turn) for turn in dict.fromkeys(cut + waiting)), voided)

    def drop(self, turns: frozenset[str], now: float) -> bool:
        """Drop what waits of some turns and the marks behind it; if the ear hears nothing else, all of them.

        Returns:
            True when audio that was already sent is void too: tell Twilio to ``clear``.
        """
        in_flight = self.ledger.in_flight(now)
        self._drop_waiting(lambda turn: turn in turns, marks_first=False)
        if not in_flight or in_flight - turns:
            return False
        self._void_sent(now)
        return True

    def _drop_waiting(self, goes: Callable[[str], bool], *, marks_first: bool) -> list[str]:
        before = self._queue.pending_bytes
        dropped = self._queue.drop(goes, marks_first=marks_first)
        self.counters.cleared_bytes += before - self._queue.pending_bytes
        if dropped:
            self._gathering_since = None  # what is left has waited long enough
        return dropped

    def _void_sent(self, now: float) -> list[str]:
        cut, unheard = self.ledger.cut(now)
        self.counters.cleared_bytes += unheard
        self.horizon = now
        return cut
