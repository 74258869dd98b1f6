"""The caller's keys in one call: what the agent's DTMF rules take of them is carried out, the rest booked."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.bridge import events as on
from gateway.bridge.agent_leg import Spawn
from gateway.bridge.controls import RING_TIMEOUT_S, Controls
from gateway.bridge.dtmf_match import Dialled, DtmfMatcher, Match
from gateway.bridge.scribe import Scribe
from gateway.errors import ToolError
from gateway.records import CallInfo

TellDigits = Callable[[CallInfo, str, str], None]
"""Have a URL told of digits that were dialled in a call; returns at once and never raises."""

_BY_RULE = on.OperatorEnded("dtmf_rule")
_TOO_LATE = "call_ended"
_MOST_TOLD = 100  # in one call: who only plays with the keys shall not flood anybody


@dataclass(slots=True)
class KeypadCounters:
    """Plain counters of one call; read once, at its end.

    Attributes:
        keys: how many were pressed.
        dtmf_rules: how many rules were dialled.
        dtmf_rules_failed: how many of those could not be carried out.
    """

    keys: int = 0
    dtmf_rules: int = 0
    dtmf_rules_failed: int = 0


class Keypad:
    """Lives as long as its call's stream. The rules are those that the call began with.

    Args:
        call: who talks to whom, and the rules.
        controls: put the caller through.
        scribe: who writes it down.
        tell: has a webhook told.
        spawn: starts a task in the call's group.
        happened: takes the events.
        now: the clock.
    """

    def __init__(
        self,
        call: CallInfo,
        controls: Controls,
        scribe: Scribe,
        tell: TellDigits,
        spawn: Spawn,
        happened: Callable[[on.Event], None],
        now: Callable[[], float],
    ) -> None:
        self._call = call
        self._controls = controls
        self._scribe = scribe
        self._tell = tell
        self._spawn = spawn
        self._happened = happened
        self._now = now
        self._matcher = DtmfMatcher(call.dtmf_rules)
        self._putting_through: list[Match] = []
        self._told = 0
        self._left = False
        self.counters = KeypadCounters()

    def press(self, digit: str) -> None:
        """Take a key."""
        self.counters.keys += 1
        self._take(self._matcher.press(digit, self._now()))

    def tick(self, now: float) -> None:
        """Carry out what nothing longer can be dialled in place of by now."""
        self._take(self._matcher.tick(now))

    def next_deadline(self) -> float | None:
        """Return when :meth:`tick` is to be called next (seconds, monotonic)."""
        return self._matcher.next_deadline()

    def leave(self) -> None:
        """Book what is still open: the stream is over, and no longer rule will be dialled."""
        self._left = True
        for match in list(self._putting_through):
            self._put_through(match, _TOO_LATE)
        self._take(self._matcher.tick(math.inf))

    def _take(self, dialled: list[Dialled]) -> None:
        for one in dialled:
            if isinstance(one, Match):
                self.counters.dtmf_rules += 1
                self._carry_out(one)
            else:
                self._scribe.key(one.digit, one.at)

    def _carry_out(self, match: Match) -> None:
        match match.rule.action:
            case "hangup" | "transfer" if self._left:
                self._book(match, "error", _TOO_LATE)
            case "hangup":
                self._book(match, "ok")
                self._happened(_BY_RULE)
            case "transfer":
                self._putting_through.append(match)
                self._spawn(self._transfer(match))
            case "webhook" if self._told >= _MOST_TOLD:
                self._book(match, "error", "too_many")
            case "webhook":
                self._told += 1
                self._tell(self._call, match.rule.url, match.digits)
                self._book(match, "ok")
            case "ignore":  # pragma: no branch - the last there is
                self._book(match, "ok")

    async def _transfer(self, match: Match) -> None:
        try:
            await self._controls.transfer(match.rule.number, RING_TIMEOUT_S)
        except ToolError as refusal:
            self._put_through(match, refusal.reason)
        else:
            self._put_through(match)

    def _put_through(self, match: Match, failure: str = "") -> None:
        self._putting_through.remove(match)
        self._book(match, "error" if failure else "ok", failure)

    def _book(self, match: Match, status: Literal["ok", "error"], detail: str = "") -> None:
        self.counters.dtmf_rules_failed += status == "error"
        self._scribe.rule_ran(match.digits, match.rule.action, status, detail)
