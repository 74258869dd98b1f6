"""Carries the comfort ladder's audio into the caller's line, and out of it. A shell, no decisions."""

from collections.abc import Callable

from gateway.audio import clips
from gateway.bridge import events as on
from gateway.bridge.caller_leg import CallerLeg
from gateway.bridge.comfort import ComfortLadder
from gateway.tools.question import ComfortPlan


class Comforter:
    """Lives as long as its call.

    Args:
        caller: the caller's leg.
        now: the clock.
    """

    def __init__(self, caller: CallerLeg, now: Callable[[], float]) -> None:
        self._caller = caller
        self._now = now
        self._ladder = ComfortLadder(clips.load("hold"))

    def asked(self, number: int, plan: ComfortPlan) -> None:
        """Begin to cover the wait for a tool."""
        self._ladder.asked(number, plan, self._now())

    def answered(self, number: int) -> None:
        """Note that a tool was answered."""
        now = self._now()
        self._ladder.answered(number, now, self._caller.downlink.playout.free_at(now))

    def hold(self, seconds: float) -> None:
        """Let the caller hear the hold tone until the agent speaks again, at most so long."""
        self._ladder.hold(seconds, self._now())

    def notice(self, event: on.Event) -> None:
        """Take from an event whether the caller talks; nothing of ours sounds while they do."""
        match event:
            case on.SpeechStarted(emulated):
                self._hush_for_caller(emulated)
            case on.Interruption():
                self._hush_for_caller(emulated=True)  # it says no more than that they talk
            case on.SpeechStopped():
                self._ladder.talk.stopped(self._now())
            case _:
                pass

    def _hush_for_caller(self, emulated: bool) -> None:
        self._ladder.caller_started(self._now(), emulated=emulated)
        self._caller.hush()

    def caller_said(self, *, final: bool) -> None:
        """Note words of the caller."""
        self._ladder.talk.said(self._now(), final=final)

    def agent_spoke(self) -> None:
        """Note audio of the agent's: it is in the line already, in place of ours."""
        self._ladder.agent_spoke(self._now())

    def make_way(self) -> None:
        """Stop what sounds, for something else that the caller is to hear."""
        self._ladder.stop()
        self._caller.hush()

    def leave(self) -> None:
        """Stop for good: the agent that the caller was waiting for is gone."""
        self._ladder.forget()
        self._caller.hush()

    def tick(self, now: float) -> None:
        """Let the caller hear what is due."""
        audio = self._ladder.tick(now, self._caller.downlink.playout.free_at(now))
        if audio:
            self._caller.insert("comfort", audio)

    def next_deadline(self) -> float | None:
        """Return when :meth:`tick` is to be called next."""
        return self._ladder.next_deadline(self._caller.downlink.playout.free_at(self._now()))

    def words_heard_at(self) -> float:
        """Return when the caller will have heard all but our comfort; infinite while some of it is held."""
        now = self._now()
        return now if self._ladder.sounds(now) else self._caller.downlink.playout.free_at(now)
