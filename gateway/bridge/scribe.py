"""Writes down what happens in one call: the transcript, the tools, the end."""

from collections.abc import Callable
from typing import Literal

from gateway.audio.heard import TurnHeard
from gateway.bridge.conversation import Conversation
from gateway.bridge.media import Cleared
from gateway.journal import Journal
from gateway.records import (
    OUTLIVED,
    AgentJoined,
    AgentResponded,
    CallEnded,
    CallInfo,
    DtmfAction,
    DtmfRuleRan,
    Ending,
    Happening,
    Interrupted,
    KeyPressed,
    Reason,
    StateChanged,
    StreamLost,
    ToolAsked,
    ToolRun,
)
from gateway.telemetry.log import get_logger
from gateway.vatel import messages as vatel

log = get_logger(__name__)


class Scribe:
    """Lives as long as its call.

    Args:
        call: whose journal entries these are.
        journal: where they go.
        now: the clock; times are counted from here on.
        before: what was said on a stream that broke before this one; empty otherwise.
        streams: how many streams the call had before this one.
        on_over: called when the call is over, not when a stream of it is that another one may follow.

    Attributes:
        interruptions: how often the caller cut in.
    """

    def __init__(
        self,
        call: CallInfo,
        journal: Journal,
        now: Callable[[], float],
        before: str = "",
        streams: int = 0,
        on_over: Callable[[], None] = lambda: None,
    ) -> None:
        self._call = call
        self._journal = journal
        started_at = now()
        self._at_s: Callable[[], float] = lambda: round(now() - started_at, 3)
        self._started_at = started_at
        self.conversation = Conversation(before)
        self.interruptions = 0
        self._streams = streams + 1
        self._on_over = on_over
        self._end: CallEnded | None = None
        self._session_id = ""

    def agent_joined(self, session_id: str) -> None:
        """Write down that a session of the agent began."""
        self._session_id = session_id
        self._append(AgentJoined(self._at_s(), session_id))

    def agent_said(self, turn_id: str, message: vatel.ResponseText) -> None:
        """Write down the text of an agent turn, by the turn's name within the call."""
        self._append(
            self.conversation.agent_said(turn_id, message.text, self._at_s(), final=message.is_final)
        )

    def caller_said(self, message: vatel.InputTranscript) -> None:
        """Write down what the agent's platform understood of the caller."""
        self._append(
            self.conversation.caller_said(
                message.turn_id or "", message.text, self._at_s(), final=message.is_final
            )
        )

    def heard(self, turn_id: str, heard: TurnHeard) -> None:
        """Write down what the caller heard of an agent turn that ran its course."""
        self._append(self.conversation.agent_heard(turn_id, heard, cut=False))

    def cleared(self, cleared: Cleared, *, interrupted: bool) -> None:
        """Write down what the caller will not hear of the agent's turns, and whether it was their wish."""
        for turn_id, heard in cleared.turns:
            self._append(self.conversation.agent_heard(turn_id, heard, cut=True))
        if interrupted:
            self.interruptions += 1
            self._append(Interrupted(self._at_s(), cleared.dropped_ms))

    def responded(self, latency_ms: int) -> None:
        """Write down that the agent's answer set in, and how long the caller waited for it."""
        self._append(AgentResponded(self._at_s(), latency_ms))

    def key(self, digit: str, at: float) -> None:
        """Write down a key that no rule took, and when it was pressed (seconds, monotonic)."""
        self._append(KeyPressed(round(at - self._started_at, 3), digit))

    def rule_ran(
        self, digits: str, action: DtmfAction, status: Literal["ok", "error"], detail: str = ""
    ) -> None:
        """Write down what became of a DTMF rule, and say so in the log: with how many keys, never which."""
        log.info(
            "dtmf_rule",
            call_id=self._call.call_id,
            action=action,
            keys=len(digits),
            status=status,
            reason=detail,
        )
        self._append(DtmfRuleRan(self._at_s(), digits, action, status, detail))

    def state(self, state: str) -> None:
        """Write down that the machine changed its state."""
        self._append(StateChanged(self._at_s(), state))

    def tool_asked(self, asked: ToolAsked) -> None:
        """Write down a tool call."""
        self._append(asked)

    def tool_ran(self, run: ToolRun, label: str) -> None:
        """Write down what became of a tool call, and say so in the log: how it went, never what was said.

        Args:
            run: the record.
            label: the tool's name in logs, which the agent cannot make up.
        """
        log.info(
            "tool_ran",
            call_id=self._call.call_id,
            name=label,
            status=run.status,
            reason=run.detail,
            latency_ms=run.latency_ms,
            attempts=run.attempts,
            http_status=run.http_status,
            output_bytes=run.output_bytes,
        )
        self._append(run)

    def stopped(self, ending: Ending, counters: dict[str, int | float]) -> None:
        """Write down how the stream ended, which ends the call too unless it may get another stream."""
        end = CallEnded(self._at_s(), ending, counters | {"streams": self._streams})
        self._end = end
        if ending.reason in OUTLIVED:
            transferred = ending.reason is Reason.TRANSFERRED
            event = "call_transferred" if transferred else "stream_lost"
            _log_end(self._call, event, end, self._session_id)
            self._append(StreamLost(end.at_s, ending, counters))
        else:
            self.call_over()

    def call_over(self) -> None:
        """Write down how the call ended: as its last stream did; once, however often it is said."""
        end, self._end = self._end, None
        if end is not None:
            _log_end(self._call, "call_ended", end, self._session_id)
            self._append(end)
            self._on_over()

    def _append(self, happening: Happening | None) -> None:
        if happening is not None:
            self._journal.append(self._call, happening)


def _log_end(call: CallInfo, event: str, end: CallEnded, session_id: str) -> None:
    log.info(
        event,
        # Whoever ends a call whose stream is gone may be at work for another one, or for none.
        call_id=call.call_id,
        call_sid=call.call_sid,
        result=end.ending.result,
        reason=end.ending.reason,
        detail=end.ending.detail,
        duration_s=end.at_s,
        session_id=session_id,
        **end.counters,
    )
