"""What the caller hears while tools keep the agent waiting: a filler once, then a hold tone. PURE.

All tools of one wait share one ladder, of which the earliest rung counts. A wait begins with a tool call and
is over when no tool runs and the agent has been heard again. Nothing sounds while the caller talks, nor
before they have heard what is in the line already. The hold tone never cuts the filler, and the filler, once
begun, is not repeated in the same wait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from gateway.audio.clips import HOLD_NOTE_BYTES
from gateway.tools.question import ComfortPlan

GAP_S: Final = 0.5
"""Silence between the last word, whosever it was, and our audio; between the filler and the hold tone too."""

REPLY_S: Final = 5.0
"""What the agent may take to begin once a tool is answered; if it then says nothing, the wait is over."""

ANNOUNCED_S: Final = 2.0
"""Words of the agent's so soon after it asked for the hold tone are those that announce it."""

# A start of speech that nothing follows ends of itself; one made up of words has no stop at all.
_LONGEST_TALK_S: Final = 30.0
_LONGEST_EMULATED_S: Final = 5.0
_NOTES_AHEAD_S: Final = 0.5
_WISH: Final = -1  # stands among the numbers of the tools
_BYTES_PER_S: Final = 8_000


@dataclass(slots=True)
class _Rungs:
    """What one tool, or a wish for the hold tone, adds to the ladder; times are infinite for never.

    Attributes:
        filler_at: when the filler is due.
        hold_at: when the hold tone is due.
        until: when it is taken off the ladder whatever happens; infinite while its tool runs.
        firm_until: until then the agent's words do not take it off.
    """

    filler_at: float
    filler: bytes
    hold_at: float
    until: float = inf
    firm_until: float = -inf


class _Wait:
    """The rungs of all that is waited for, by number. Lives as long as its ladder; empty between waits."""

    def __init__(self) -> None:
        self.rungs: dict[int, _Rungs] = {}
        self._filler_given = False

    def take_off(self, number: int) -> None:
        del self.rungs[number]
        if not self.rungs:
            self._filler_given = False

    def take_off_if(self, goes: Callable[[_Rungs], bool]) -> None:
        for number in [number for number, rungs in self.rungs.items() if goes(rungs)]:
            self.take_off(number)

    @property
    def filler_at(self) -> float:
        if self._filler_given:
            return inf
        return min((rungs.filler_at for rungs in self.rungs.values()), default=inf)

    @property
    def hold_at(self) -> float:
        return min((rungs.hold_at for rungs in self.rungs.values()), default=inf)

    def give_filler(self) -> bytes:
        self._filler_given = True
        return min(self.rungs.values(), key=lambda rungs: rungs.filler_at).filler


class CallerTalk:
    """Whether the caller talks, as far as anybody can tell. Lives as long as its call.

    Attributes:
        until: in the future while they talk (it will not be believed beyond that); else when they stopped.
    """

    def __init__(self) -> None:
        self.until = -inf
        self._emulated = False

    def started(self, now: float, *, emulated: bool) -> None:
        """Note that they began; a start that was made up of their words has no stop."""
        if emulated and self.until > now and not self._emulated:
            return
        self._emulated = emulated
        self._go_on(now)

    def said(self, now: float, *, final: bool) -> None:
        """Note words of theirs: they still talk, or, where nothing else will say so, do no more."""
        if self.until <= now:
            return
        if final and self._emulated:
            self.until = now
        else:
            self._go_on(now)

    def stopped(self, now: float) -> None:
        """Note that they talk no more."""
        self.until = min(self.until, now)

    def _go_on(self, now: float) -> None:
        self.until = now + (_LONGEST_EMULATED_S if self._emulated else _LONGEST_TALK_S)


class ComfortLadder:
    """Lives as long as its call. Times are seconds, monotonic.

    It is told what happens; :meth:`tick`, called at :meth:`next_deadline`, returns audio to follow what is in
    the line. The agent's audio takes the place of ours by itself; after :meth:`caller_started`, :meth:`stop`
    and :meth:`forget` whoever called them drops ours.

    Args:
        hold_tone: µ-law at 8 kHz, in notes of equal length that begin and end in silence.

    Attributes:
        talk: whether the caller talks.
    """

    def __init__(self, hold_tone: bytes) -> None:
        self._hold_tone = hold_tone
        self._wait = _Wait()
        self._next_note: int | None = None  # where the hold tone, while it sounds, goes on
        self._given_until = -inf  # when what was last given will have been heard
        self.talk = CallerTalk()

    def asked(self, number: int, plan: ComfortPlan, now: float) -> None:
        """Begin to wait for a tool, by its number within the call."""
        self._wait.rungs[number] = _Rungs(
            now + plan.filler_s if plan.filler_s and plan.filler else inf,
            plan.filler,
            now + plan.hold_s if plan.hold_s else inf,
        )

    def answered(self, number: int, now: float, free_at: float) -> None:
        """Note that a tool was answered: from now on it is the agent that is waited for.

        Args:
            number: one that is not on the ladder any more is ignored.
            now: the time.
            free_at: when the caller will have heard all that is in the line.
        """
        rungs = self._wait.rungs.get(number)
        if rungs is None:
            return
        if free_at > now and not self.sounds(now):
            self._wait.take_off(number)  # the agent spoke as it asked, and may well have said all it wants
        else:
            rungs.until = now + REPLY_S

    def hold(self, seconds: float, now: float) -> None:
        """Let the hold tone begin as soon as may be, and go on until the agent speaks, at most so long."""
        self._wait.rungs[_WISH] = _Rungs(inf, b"", now, now + seconds, now + ANNOUNCED_S)

    def agent_spoke(self, now: float) -> None:
        """Note that audio of the agent came, in place of ours."""
        self.stop()
        self._wait.take_off_if(lambda rungs: rungs.until < inf and rungs.firm_until <= now)

    def caller_started(self, now: float, *, emulated: bool) -> None:
        """Note that the caller began to talk; see :meth:`CallerTalk.started`."""
        self.stop()
        self.talk.started(now, emulated=emulated)

    def stop(self) -> None:
        """Stop what sounds; the ladder goes on when it may."""
        self._next_note = None
        self._given_until = -inf

    def forget(self) -> None:
        """End the wait: nobody waits for these tools any more."""
        self.stop()
        self._wait = _Wait()

    def sounds(self, now: float) -> bool:
        """Say whether the caller hears audio of ours."""
        return self._given_until > now

    def tick(self, now: float, free_at: float) -> bytes:
        """Return the audio that is to follow what is in the line now; mostly none.

        Args:
            now: the time.
            free_at: when the caller will have heard all that is in the line.
        """
        self._wait.take_off_if(lambda rungs: rungs.until <= now)
        if not self._wait.rungs:
            self._next_note = None  # the note that sounds is the last
        if self._next_rung(free_at) > now:
            return b""
        if self._next_note is None and self._wait.filler_at <= now:
            return self._give(self._wait.give_filler(), now)
        return self._hold(now)

    def next_deadline(self, free_at: float) -> float | None:
        """Return when :meth:`tick` has something to do next; None while that is up to others."""
        if not self._wait.rungs:
            return None
        over_at = min(rungs.until for rungs in self._wait.rungs.values())
        due = min(over_at, self._next_rung(free_at))
        return due if due < inf else None

    def _next_rung(self, free_at: float) -> float:
        if self._next_note is not None:
            return self._given_until - _NOTES_AHEAD_S
        due = min(self._wait.filler_at, self._wait.hold_at)
        return max(due, free_at + GAP_S, self.talk.until + GAP_S)

    def _hold(self, now: float) -> bytes:
        """Return the next note, or none when the hold tone has come to its end: between two notes."""
        if self._wait.hold_at > now:
            self._next_note = None
            return b""
        start = self._next_note or 0
        note = self._hold_tone[start : start + HOLD_NOTE_BYTES]
        self._next_note = (start + HOLD_NOTE_BYTES) % len(self._hold_tone)
        return self._give(note, now)

    def _give(self, audio: bytes, now: float) -> bytes:
        self._given_until = max(self._given_until, now) + len(audio) / _BYTES_PER_S
        return audio
