"""The call: one machine over the table in ``table.py``. PURE: events and the time in, commands out."""

from gateway.bridge import actions, table
from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.bridge.actions import BargeIn, Facts, Timers
from gateway.bridge.table import State
from gateway.records import Ending, Reason

__all__ = ["BargeIn", "CallMachine", "State", "Timers"]


class CallMachine:
    """Decides. Lives as long as its call.

    Feed it with :meth:`start`, then :meth:`handle`; call :meth:`tick` at :meth:`next_deadline`.

    Attributes:
        state: where the call is.
    """

    def __init__(self, *, barge_in: BargeIn = "clear", timers: Timers | None = None) -> None:
        self._facts = Facts(timers or Timers(), barge_in)
        self.state = State.CONNECTING

    @property
    def ending(self) -> Ending | None:
        """How the call ended or is about to end; None while nothing decided that."""
        return self._facts.ending

    @property
    def may_transfer(self) -> bool:
        """True until something but the agent's own wish ends the call."""
        ending = self._facts.ending
        return self.state is not State.ENDED and (ending is None or ending.reason is Reason.AGENT_ENDED)

    @property
    def caller_left(self) -> bool:
        """True when the caller's stream ended while they were being put through."""
        return any(isinstance(event, on.CallerLeft) for event in self._facts.kept_back)

    def start(self, now: float) -> list[do.Command]:
        """Begin: the caller's stream is up."""
        facts = self._facts
        facts.caller_heard_at = now
        facts.arm(on.CallerSilent, now + facts.timers.caller_silent_s)
        facts.arm(on.TimeUp, now + facts.timers.call_s)
        return actions.connect(facts, now)

    def handle(self, event: on.Event, now: float) -> list[do.Command]:
        """Take the arrow of an event.

        Raises:
            AssertionError: the table does not list the event for the state (a bug of ours).
        """
        if self.state is State.ENDED:
            return []
        arrow = table.choose(self.state, event, self._facts, now)
        if table.waits(arrow, self._facts):
            actions.postpone(self._facts, event, now)
            return []
        self.state = arrow.to
        if arrow.ending is not None and self._facts.ending is None:
            detail = arrow.ending.detail or getattr(event, "detail", "")
            self._facts.ending = Ending(arrow.ending.result, arrow.ending.reason, detail)
        commands = arrow.do(self._facts, event, now)
        if self._facts.transfer == "none" and self._facts.kept_back:
            kept, self._facts.kept_back = self._facts.kept_back, []
            commands += [command for late in kept for command in self.handle(late, now)]
        return commands

    def tick(self, now: float) -> list[do.Command]:
        """Handle every timer that is due."""
        out: list[do.Command] = []
        deadlines = self._facts.deadlines
        for timer in [timer for timer, due in deadlines.items() if due <= now]:
            if deadlines.pop(timer, None) is not None:
                out += self.handle(timer(), now)
        return out

    def next_deadline(self) -> float | None:
        """Return when :meth:`tick` is to be called next (seconds, monotonic)."""
        return min(self._facts.deadlines.values(), default=None)

    def caller_spoke(self, now: float) -> None:
        """Note a media frame of the caller: 50 times a second, hence no event."""
        self._facts.caller_heard_at = now

    def agent_spoke(self) -> None:
        """Note that the agent's session gave a sign of life: it is not silent."""
        self._facts.disarm(on.AgentSilent, on.FillerDue)

    def agent_sounded(self, heard_at: float) -> None:
        """Note audio of the agent, and when it will have been heard: its goodbye, if it is one, goes on."""
        if on.GoodbyeOver in self._facts.deadlines:
            self._facts.arm(on.GoodbyeOver, heard_at + self._facts.timers.goodbye_pause_s)
