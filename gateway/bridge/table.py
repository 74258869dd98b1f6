"""The call's arrows in one table. PURE.

A call is CONNECTING while the caller's stream is up and the agent is not (at the start, and once more when
the agent is lost mid-call), TALKING while both are, DRAINING while nothing new may be said and the caller
hears out what is left, ENDED after that. While a caller is put through to somebody else, what would end the
call waits for the outcome. Each arrow names the event that takes it, the state it leads to,
what is done on the way and, where it decides how the call ended, the ending. The first arrow of a
(state, event) pair whose guard holds is taken. An event that the table does not list for a state is a bug
and raises; after ENDED nothing matters any more.

The diagram in the README is made from this table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.bridge import actions as act
from gateway.bridge import events as on
from gateway.records import Ending, Reason, Result


class State(StrEnum):
    """Where a call is."""

    CONNECTING = "connecting"
    TALKING = "talking"
    DRAINING = "draining"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Arrow:
    """One row of the table.

    Attributes:
        state: the state it leaves.
        event: the event that takes it.
        to: the state it leads to.
        do: what to do on the way.
        when: the guard that must hold; None for always.
        ending: how the call ended, if this arrow decides it.
    """

    state: State
    event: type[on.Event]
    to: State
    do: act.Action = act.nothing
    when: act.Guard | None = None
    ending: Ending | None = None


def _failed(reason: Reason, detail: str = "") -> Ending:
    return Ending(Result.FAILED, reason, detail)


def _completed(reason: Reason, detail: str = "") -> Ending:
    return Ending(Result.COMPLETED, reason, detail)


_BY_TOOL = _completed(Reason.AGENT_ENDED, "end_call")
C, T, D, E = State.CONNECTING, State.TALKING, State.DRAINING, State.ENDED

ARROWS: tuple[Arrow, ...] = (
    Arrow(C, on.AgentConnected, C, act.await_session),
    Arrow(C, on.AgentReady, T, act.begin_talking),
    Arrow(C, on.AgentFailed, C, act.connect_again, when=act.may_retry),
    Arrow(C, on.AgentFailed, D, act.apologise, ending=_failed(Reason.AGENT_UNREACHABLE)),
    Arrow(C, on.ConnectExpired, D, act.apologise, ending=_failed(Reason.AGENT_UNREACHABLE, "timeout")),
    Arrow(C, on.AgentSilent, D, act.apologise, ending=_failed(Reason.AGENT_SILENT)),
    Arrow(C, on.AgentLost, C, act.reconnect, when=act.first_loss),
    Arrow(C, on.AgentLost, D, act.apologise, ending=_failed(Reason.AGENT_LOST)),
    Arrow(C, on.AgentEnded, D, act.drain, ending=_completed(Reason.AGENT_ENDED)),
    Arrow(C, on.FillerDue, C, act.fill),
    Arrow(C, on.ToolAnswered, C, act.answer_tool),
    Arrow(C, on.EndAsked, D, act.drain, ending=_BY_TOOL),
    Arrow(T, on.FillerDue, T, act.fill_once),
    Arrow(T, on.SpeechStarted, T, act.hold, when=act.pauses),
    Arrow(T, on.SpeechStarted, T),
    Arrow(T, on.SpeechStopped, T, act.release, when=act.pauses),
    Arrow(T, on.SpeechStopped, T),
    Arrow(T, on.HoldExpired, T, act.release),
    Arrow(T, on.Interruption, T, act.clear),
    Arrow(T, on.ToolCalled, T, act.run_tool),
    Arrow(T, on.ToolAnswered, T, act.answer_tool),
    Arrow(T, on.EndAsked, T, act.await_goodbye),
    Arrow(T, on.GoodbyeOver, D, act.drain, ending=_BY_TOOL),
    Arrow(T, on.GoodbyeExpired, D, act.drain, ending=_BY_TOOL),
    Arrow(T, on.AgentEnded, D, act.drain, when=act.says_goodbye, ending=_BY_TOOL),
    Arrow(T, on.AgentEnded, D, act.drain, ending=_completed(Reason.AGENT_ENDED)),
    Arrow(T, on.AgentLost, D, act.drain, when=act.says_goodbye, ending=_BY_TOOL),
    Arrow(T, on.AgentLost, C, act.reconnect, when=act.first_loss),
    Arrow(T, on.AgentLost, D, act.apologise, ending=_failed(Reason.AGENT_LOST)),
    # A failure that was kept back while the caller was being put through.
    Arrow(T, on.AgentFailed, D, act.apologise, ending=_failed(Reason.AGENT_UNREACHABLE)),
    Arrow(T, on.AgentSilent, D, act.apologise, ending=_failed(Reason.AGENT_SILENT)),
    Arrow(D, on.Interruption, D),
    Arrow(D, on.SpeechStarted, D),
    Arrow(D, on.SpeechStopped, D),
    Arrow(D, on.ToolCalled, D, act.refuse_tool),
    Arrow(D, on.ToolAnswered, D, act.answer_tool),
    Arrow(D, on.AgentConnected, D),
    Arrow(D, on.AgentReady, D),
    Arrow(D, on.AgentFailed, D),
    Arrow(D, on.AgentEnded, D),
    Arrow(D, on.AgentLost, D),
    Arrow(D, on.OperatorEnded, D),
    Arrow(D, on.EndAsked, D),
    Arrow(D, on.TransferAsked, D, act.ask_transfer),
    Arrow(D, on.TransferBegun, D, act.begin_transfer),
    Arrow(D, on.Transferred, E, act.let_go),
    Arrow(D, on.CallerHeardAll, E, act.end),
    Arrow(D, on.DrainExpired, E, act.end),
    *(
        arrow
        for state in (C, T)
        for arrow in (
            Arrow(state, on.OperatorEnded, D, act.say_goodbye, ending=_completed(Reason.OPERATOR_ENDED)),
            Arrow(state, on.ShutdownDue, D, act.say_goodbye, ending=_failed(Reason.SHUTDOWN)),
            Arrow(state, on.TimeUp, D, act.say_goodbye, ending=_completed(Reason.TIME_LIMIT)),
            Arrow(state, on.CallerLeft, E, act.end, act.hung_up, _completed(Reason.CALLER_HUNG_UP)),
            Arrow(state, on.TransferAsked, state, act.ask_transfer),
            Arrow(state, on.TransferBegun, state, act.begin_transfer),
            Arrow(state, on.Transferred, E, act.end, ending=_completed(Reason.TRANSFERRED)),
        )
    ),
    *(Arrow(state, on.TransferFailed, state, act.end_transfer) for state in (C, T, D)),
    *(Arrow(state, on.TransferExpired, state, act.end_transfer) for state in (C, T, D)),
    Arrow(D, on.ShutdownDue, E, act.end),
    Arrow(D, on.TimeUp, D),
    Arrow(D, on.CallerLeft, E, act.end),
    *(
        arrow
        for state in (C, T)
        for arrow in (
            Arrow(state, on.CallerLeft, E, act.end, act.broke_protocol, _failed(Reason.CALLER_PROTOCOL)),
            Arrow(state, on.CallerLeft, E, act.end, ending=_failed(Reason.CALLER_LOST)),
        )
    ),
    *(Arrow(state, on.CallerSilent, state, act.listen_on, act.caller_was_heard) for state in (C, T, D)),
    *(Arrow(state, on.CallerSilent, E, act.end, ending=_failed(Reason.CALLER_SILENT)) for state in (C, T)),
    Arrow(D, on.CallerSilent, E, act.end),
)


# An agent that leaves, or has left, takes no transfer with it that it asked for.
_AGENT_LEAVES = (on.AgentEnded, on.AgentLost, on.AgentSilent, on.GoodbyeOver, on.GoodbyeExpired)
_AGENT_LEFT = (on.CallerHeardAll, on.DrainExpired)


def _by_state_and_event(arrows: Iterable[Arrow]) -> dict[tuple[State, type[on.Event]], list[Arrow]]:
    table: dict[tuple[State, type[on.Event]], list[Arrow]] = {}
    for arrow in arrows:
        table.setdefault((arrow.state, arrow.event), []).append(arrow)
    return table


_TABLE = _by_state_and_event(ARROWS)


def choose(state: State, event: on.Event, facts: act.Facts, now: float) -> Arrow:
    """Return the arrow to take.

    Raises:
        AssertionError: the table does not list the event for the state (a bug of ours).
    """
    for arrow in _TABLE.get((state, type(event)), ()):
        if arrow.when is None or arrow.when(facts, event, now):
            return arrow
    raise AssertionError(f"no arrow for {type(event).__name__} in state {state}")


def waits(arrow: Arrow, facts: act.Facts) -> bool:
    """Say whether an arrow may not be taken yet, because the caller is being put through.

    Until the caller has heard out the agent, the agent's leaving has to wait. Once the carrier has been
    asked nothing may end the call, or get it another agent: the caller may be somebody else's already.
    """
    ends = arrow.to is not arrow.state and arrow.to in (State.DRAINING, State.ENDED)
    ends |= arrow.event is on.AgentLost
    match facts.transfer:
        case "asked":
            return ends and arrow.event in (*_AGENT_LEAVES, *_AGENT_LEFT)
        case "begun":
            return ends and arrow.event is not on.Transferred
        case _:
            return False


def diagram() -> str:
    """Return the table as a Mermaid state diagram (for the README)."""
    lines = ["stateDiagram-v2", "    [*] --> connecting"]
    for arrow in ARROWS:
        if arrow.to is not arrow.state:
            guard = f" [{arrow.when.__name__.replace('_', ' ')}]" if arrow.when else ""
            ending = f" / {arrow.ending.reason}" if arrow.ending else ""
            lines.append(f"    {arrow.state} --> {arrow.to}: {arrow.event.__name__}{guard}{ending}")
    return "\n".join([*lines, "    ended --> [*]"])
