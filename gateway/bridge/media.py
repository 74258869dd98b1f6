"""The two audio chains of a call, built once and only ever pushed. PURE.

Uplink (caller → agent) holds nothing but its resampler's delay. Downlink (agent → caller) ends in the one
buffer of the call, the playout.
"""

from dataclasses import dataclass, field
from typing import Literal

from gateway.audio import pcm, ulaw
from gateway.audio.heard import TurnHeard
from gateway.audio.level import LevelMeter
from gateway.audio.playout import MarkDue, Playout
from gateway.audio.resample import Resampler

CALLER_RATE_HZ = 8_000
AGENT_RATE_HZ = 24_000
_BYTES_PER_S = 2 * AGENT_RATE_HZ
_SILENCE = bytes([ulaw.SILENCE]) * 2_000  # 250 ms
_REFUSED_KEPT = 16
# An agent that speaks in real time is between two chunks, not done, until it is a chunk and this much late.
_LATE_S = 0.060
_MOST_CHUNK_S = 0.100

Ours = Literal["clip", "comfort", "keys"]
"""Audio of the gateway's own: a clip, the comfort while a tool runs, keys pressed on the agent's behalf."""

# No turn of the agent's goes by such a name.
_TURNS: dict[Ours, str] = {"clip": "<clip>", "comfort": "<comfort>", "keys": "<keys>"}
_COMFORT, _KEYS = frozenset({_TURNS["comfort"]}), frozenset({_TURNS["keys"]})
_MAKES_WAY = frozenset({_TURNS["clip"], _TURNS["comfort"]})  # for the agent's next audio
_OURS = frozenset(_TURNS.values())

Push = Literal["nothing", "heard", "cuts_in"]
"""What comes of a chunk of the agent's: nothing, it will be heard, or that in place of audio of ours."""


class Uplink:
    """Caller → agent: µ-law at 8 kHz to PCM16 at 24 kHz. Lives as long as its call.

    Args:
        resampler: 8 kHz → 24 kHz.
    """

    def __init__(self, resampler: Resampler) -> None:
        self._resampler = resampler
        self.level = LevelMeter()

    def push(self, payload: bytes) -> bytes:
        """Turn a frame of µ-law into PCM16 little-endian; the result lags by the resampler's delay."""
        samples = ulaw.decode(payload)
        self.level.push(samples)
        return pcm.to_bytes(self._resampler.push(samples))

    def end(self) -> None:
        """Let go of what the resampler holds: the caller has said all."""
        self._resampler.flush()


@dataclass(slots=True)
class DownlinkCounters:
    """Plain counters of one call's downlink; read once, at its end."""

    agent_bytes: int = 0
    late_bytes: int = 0
    turns: int = 0


@dataclass(slots=True)
class _Turn:
    """The turn the agent speaks now. Its audio since the last flush is in the resampler's state."""

    turn_id: str
    name: str
    open: bool = True


@dataclass(frozen=True, slots=True)
class Cleared:
    """What an interruption took away.

    Attributes:
        turns: what was heard of each turn that lost audio.
        dropped_ms: agent audio the caller will not hear.
        voided: True when audio that was already sent is void too: tell Twilio to ``clear``.
    """

    turns: tuple[tuple[str, TurnHeard], ...] = field(default=())
    dropped_ms: int = 0
    voided: bool = True


class Downlink:
    """Agent → caller: PCM16 at 24 kHz in any chunks, any speed, to paced µ-law at 8 kHz.

    Lives as long as its call. A turn's audio is followed by a mark; after an interruption what still comes
    of the interrupted turns is refused (the agent's ``interruption`` names no turn).

    Args:
        resampler: 24 kHz → 8 kHz.
        playout: see below.

    Attributes:
        playout: the call's buffer.
        level: of the agent's audio.
    """

    def __init__(self, resampler: Resampler, playout: Playout) -> None:
        self._resampler = resampler
        self.playout = playout
        self._aligner = pcm.ByteAligner()
        self._turn: _Turn | None = None
        self._marks: dict[str, str] = {}  # mark name -> turn id
        self._marks_set = 0
        self._refused: dict[str, None] = {}
        self._making_way = False  # audio of ours that makes way may still be in the line
        self._more_by = 0.0  # when the agent's next chunk is overdue, if it speaks in real time
        self.level = LevelMeter()
        self.counters = DownlinkCounters()

    @property
    def unmarked(self) -> bool:
        """True while the agent may go on with its turn: no mark stands behind what it said."""
        return self._turn is not None and self._turn.open

    def push(self, turn_id: str, audio: bytes, now: float, *, final: bool) -> Push:
        """Take a chunk of a turn.

        Args:
            turn_id: the agent platform's id; may be empty.
            audio: PCM16 little-endian at 24 kHz; may be empty or end inside a sample.
            now: seconds, monotonic.
            final: True for the last chunk of an utterance: the resampler's rest follows at once.

        Returns:
            ``cuts_in`` when audio of ours is cut short: tell Twilio to ``clear`` before anything is sent.
        """
        self.counters.agent_bytes += len(audio)
        if turn_id in self._refused:
            self.counters.late_bytes += len(audio)
            return "nothing"
        cuts_in = bool(audio) and self._making_way and self.playout.drop(_MAKES_WAY, now)
        self._making_way &= not audio
        turn = self._turn
        if turn is None or turn.turn_id != turn_id:
            turn = self._begin_turn(turn_id, now)
        turn.open = True
        self._more_by = now + min(len(audio) / _BYTES_PER_S, _MOST_CHUNK_S) + _LATE_S
        samples = self._resampler.push(self._aligner.push(audio))
        self._append(turn.turn_id, samples, now)
        if final:
            self._flush(now)
        return "cuts_in" if cuts_in else "heard" if audio else "nothing"

    def _begin_turn(self, turn_id: str, now: float) -> _Turn:
        self._flush(now)
        self.counters.turns += 1
        self._turn = _Turn(turn_id, name=str(self.counters.turns))
        return self._turn

    def _append(self, turn_id: str, samples: pcm.Pcm, now: float) -> None:
        if samples.size:
            self.level.push(samples)
            self.playout.push(turn_id, ulaw.encode(samples), now)

    def _flush(self, now: float) -> None:
        """End the utterance: let the resampler's rest out, set a mark behind it."""
        turn = self._turn
        if turn is None or not turn.open:
            return
        turn.open = False
        self._append(turn.turn_id, self._resampler.flush(), now)
        self._aligner.reset()
        self._marks_set += 1
        self._mark(f"turn-{turn.name}-{self._marks_set}", turn.turn_id)

    def _mark(self, name: str, turn_id: str) -> None:
        self._marks[name] = turn_id
        self.playout.mark(name)

    def pop_due(self, now: float) -> list[bytes | MarkDue]:
        """Take what has to leave now, in order.

        An utterance that nobody declared final is ended when the line is about to run dry and nothing more
        can be expected, so that its last samples are not kept in the resampler. Too early would be worse:
        ended between two chunks, a tone clicks.
        """
        due = self.playout.pop_due(now)
        if self.playout.idle and self.unmarked and self._dry_at() <= now:
            self._flush(now)
            due += self.playout.pop_due(now)
        return due

    def next_deadline(self) -> float | None:
        """Return when :meth:`pop_due` is to be called next (seconds, monotonic)."""
        if self.playout.idle:
            return self._dry_at() if self.unmarked else None
        return self.playout.next_deadline()

    def _dry_at(self) -> float:
        return max(self.playout.horizon - self._resampler.delay_ms / 1000, self._more_by)

    def insert(self, ours: Ours, audio: bytes, now: float) -> None:
        """Let audio of ours follow what is waiting.

        Args:
            ours: clips and comfort make way for the agent's next audio; keys do not.
            audio: µ-law at 8 kHz.
            now: seconds, monotonic.
        """
        self._flush(now)
        self._making_way |= ours != "keys"
        self.playout.insert(_TURNS[ours], audio)
        if ours != "comfort":  # it may go on
            self._marks_set += 1
            self._mark(f"{ours}-{self._marks_set}", "")

    def hush(self, now: float) -> bool:
        """Drop the comfort; True when what was sent of it is void: tell Twilio to ``clear``."""
        return self.playout.drop(_COMFORT, now)

    def drain(self, now: float) -> str:
        """Let out all that is left with a last mark behind it; return the mark's name.

        A mark comes back when Twilio has played what is before it; the telephone network is a little
        behind that, so a short silence goes between the last word and the mark.
        """
        self._flush(now)
        self.playout.insert(_TURNS["clip"], _SILENCE)
        self._mark("end", "")
        return "end"

    def mark_returned(self, name: str, now: float, *, flushed: bool) -> tuple[str, TurnHeard] | None:
        """Book a mark that Twilio returned.

        Returns:
            The turn's id and what was heard of it, or None for marks that end no turn and for echoes of a
            ``clear`` (those were settled by :meth:`clear`).
        """
        turn_id = self._marks.pop(name, None)
        if flushed or turn_id is None:
            return None
        self.playout.ledger.mark_played(name, now)
        return (turn_id, self.playout.ledger.heard(turn_id)) if turn_id else None

    def clear(self, now: float, *, keep_keys: bool = False) -> Cleared:
        """Drop what the caller has not heard and refuse what still comes of it.

        Args:
            now: seconds, monotonic.
            keep_keys: leave keys in the line, and, while they are being heard, what was sent with them.
        """
        before = self.playout.counters.cleared_bytes
        cut = self.playout.clear(now, keep=_KEYS if keep_keys else frozenset())
        self._resampler.flush()
        self._aligner.reset()
        turns = tuple((heard.turn, heard) for heard in cut.turns if heard.turn not in _OURS)
        refused = {turn_id for turn_id, _ in turns} | ({self._turn.turn_id} if self._turn else set())
        self._refused |= dict.fromkeys(refused - {""})
        while len(self._refused) > _REFUSED_KEPT:
            del self._refused[next(iter(self._refused))]
        self._turn = None
        self._marks.clear()
        self._making_way = False
        dropped = self.playout.counters.cleared_bytes - before
        return Cleared(turns, dropped // 8, cut.voided)
