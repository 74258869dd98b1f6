"""The call: one machine over the table in ``table.py``. PURE: events and the time in, commands out."""

from gateway.bridge import actions, table
from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.bridge.actions import BargeIn, Facts, Timers
from gateway.bridge.table import State
from gateway.records import Ending

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
        self.state = arrow.to
        if arrow.ending is not None and self._facts.ending is None:
            detail = getattr(event, "detail", "") or arrow.ending.detail
            self._facts.ending = Ending(arrow.ending.result, arrow.ending.reason, detail)
        return arrow.do(self._facts, event, now)

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
