"""One call as the bench sees it from both ends: what was sent when, what the caller's ear is at."""

from time import monotonic

from tests.bench.measures import Board
from tests.bench.mix import SPEECH_BYTES

SENT_KEPT = 1_024
_BYTES_PER_SECOND = 8_000


class Talk:
    """Lives as long as its call.

    Attributes:
        sent_at: when the last 1,024 caller frames were sent, by their number.
        cut_at: when the agent said `interruption`, until the `clear` for it has come.
    """

    __slots__ = ("_awaited", "_board", "_cut", "_gap_counts", "_horizon", "_turn_bytes", "cut_at", "sent_at")

    def __init__(self, board: Board) -> None:
        self._board = board
        self._awaited = 0.0  # since when the first piece of a turn is awaited
        self._cut = True  # whether the present turn may come short
        self._gap_counts = False
        self._horizon = 0.0  # when all that came will have been heard
        self._turn_bytes = 0
        self.cut_at = 0.0
        self.sent_at = [0.0] * SENT_KEPT

    def turn_begins(self, cut: bool, *, paused: bool) -> None:
        """Note that the agent begins a turn; with ``paused`` nothing of the former can be under way."""
        board = self._board
        board.turns += 1
        if not paused:
            return
        if not self._cut:
            board.lost_bytes += SPEECH_BYTES["half"] - self._turn_bytes
        self._cut = cut
        self._turn_bytes = 0
        self._awaited = monotonic()
        self._gap_counts = False

    def piece(self, size: int) -> None:
        """Take a piece of µ-law that came for the caller's ear."""
        now = monotonic()
        board = self._board
        board.pieces += 1
        board.bytes_out += size
        self._turn_bytes += size
        if self._awaited:
            board.first_byte.add(now - self._awaited)
            self._awaited = 0.0
        elif self._gap_counts:
            late = now - self._horizon
            board.late.add(late if late > 0 else 0.0)
        elif self._cut and self._horizon:
            board.stray_pieces += 1
        self._gap_counts = True
        self._horizon = (now if now > self._horizon else self._horizon) + size / _BYTES_PER_SECOND

    def cleared(self) -> None:
        """Note that the gateway told Twilio to drop what was not heard."""
        now = monotonic()
        if self.cut_at:
            self._board.clear.add(now - self.cut_at)
            self.cut_at = 0.0
        self._horizon = now
        self._gap_counts = False

    def heard_at(self) -> float:
        """Return when all that came by now will have been heard: a mark's echo is due then."""
        return max(self._horizon, monotonic())
