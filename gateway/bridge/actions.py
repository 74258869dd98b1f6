"""What the arrows of the call's table test and do. PURE: facts, an event and the time in, commands out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.records import OUTLIVED, Ending, Reason, Result

BargeIn = Literal["clear", "pause"]
Transfer = Literal["none", "asked", "begun"]

_POSTPONED_S = 0.25


@dataclass(frozen=True, slots=True)
class Timers:
    """How long each wait may take, in seconds.

    Attributes:
        filler_s: unexplained silence before the caller hears a sign of life.
        connect_s: the agent's socket has to be open, retries included.
        agent_silent_s: an open session has to say something.
        caller_silent_s: Twilio sends frames even in silence; without any the leg is dead.
        hold_s: a paused turn goes on even if no end of speech is reported.
        goodbye_start_s: an agent that asked to end the call may take to begin its goodbye.
        goodbye_pause_s: once its goodbye has been heard, it may take to go on.
        goodbye_s: its goodbye may take in all.
        transfer_asked_s: a transfer may wait for the caller to hear what the agent said.
        transfer_begun_s: the carrier may take to say what became of it, every try counted.
        drain_s: the most that is waited for the rest to be heard.
        call_s: the longest call.
    """

    filler_s: float = 2.0
    connect_s: float = 5.0
    agent_silent_s: float = 20.0
    caller_silent_s: float = 5.0
    hold_s: float = 5.0
    goodbye_start_s: float = 2.0
    goodbye_pause_s: float = 1.0
    goodbye_s: float = 10.0
    transfer_asked_s: float = 15.0
    transfer_begun_s: float = 30.0
    drain_s: float = 30.0
    call_s: float = 14_400.0


@dataclass(slots=True)
class Facts:
    """What the machine remembers beside its state. Lives as long as the call.

    Attributes:
        tries: attempts of the present connect.
        losses: agent sessions lost mid-call.
        caller_heard_at: when the last media frame came (seconds, monotonic).
        deadlines: the timers that run, by when they fire.
        transfer: whether the caller is being put through to somebody else.
        kept_back: what would end the call, or change its agent, and has to wait for the outcome of that.
        ending: how the call ended or is about to end; None while nothing decided that.
    """

    timers: Timers
    barge_in: BargeIn
    tries: int = 0
    losses: int = 0
    caller_heard_at: float = 0.0
    deadlines: dict[type[on.Timer], float] = field(default_factory=dict)
    transfer: Transfer = "none"
    kept_back: list[on.Event] = field(default_factory=list)
    ending: Ending | None = None

    def arm(self, timer: type[on.Timer], at: float) -> None:
        """Start a timer, or move it."""
        self.deadlines[timer] = at

    def disarm(self, *timers: type[on.Timer]) -> None:
        """Stop timers; one that does not run is left alone."""
        for timer in timers:
            self.deadlines.pop(timer, None)


Guard = Callable[[Facts, on.Event, float], bool]
Action = Callable[[Facts, on.Event, float], list[do.Command]]


def may_retry(facts: Facts, event: on.Event, now: float) -> bool:
    """Hold if another attempt may help: one at a call's start; after a loss, as long as there is time."""
    return isinstance(event, on.AgentFailed) and event.retryable and (facts.tries < 2 or facts.losses > 0)


def first_loss(facts: Facts, event: on.Event, now: float) -> bool:
    """Hold if no session was lost before."""
    return facts.losses == 0


def pauses(facts: Facts, event: on.Event, now: float) -> bool:
    """Hold if the agent's barge-in policy is to pause.

    A start of speech that the platform made up, because words came without one, may have no stop.
    """
    made_up = isinstance(event, on.SpeechStarted) and event.emulated
    return facts.barge_in == "pause" and not made_up


def hung_up(facts: Facts, event: on.Event, now: float) -> bool:
    """Hold if the caller ended the call."""
    return isinstance(event, on.CallerLeft) and event.how == "hung_up"


def broke_protocol(facts: Facts, event: on.Event, now: float) -> bool:
    """Hold if the caller's leg was closed for what it sent."""
    return isinstance(event, on.CallerLeft) and event.how == "protocol"


def says_goodbye(facts: Facts, event: on.Event, now: float) -> bool:
    """Hold if the agent asked to end the call."""
    return on.GoodbyeExpired in facts.deadlines


def caller_was_heard(facts: Facts, event: on.Event, now: float) -> bool:
    """Hold if media came since the timer was armed."""
    # The very sum that armed the timer: the difference may round to less, and arm it again for now.
    return facts.caller_heard_at + facts.timers.caller_silent_s > now


def nothing(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Do nothing."""
    return []


def connect(facts: Facts, now: float) -> list[do.Command]:
    """Begin to connect: a fresh set of tries."""
    facts.tries = 1
    facts.arm(on.ConnectExpired, now + facts.timers.connect_s)
    facts.arm(on.FillerDue, now + facts.timers.filler_s)
    return [do.ConnectAgent()]


def connect_again(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Make the next attempt."""
    assert isinstance(event, on.AgentFailed)
    facts.tries += 1
    return [do.ConnectAgent(event.after_s * (facts.tries - 1))]


def reconnect(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Replace a lost session. The rest of the broken turn is heard out; the clip stands in line behind it."""
    facts.losses += 1
    facts.disarm(on.HoldExpired, on.AgentSilent)
    return [do.ReleaseCaller(), do.PlayClip("one_moment"), *connect(facts, now)]


def await_session(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Give the open socket its time to say something."""
    facts.disarm(on.ConnectExpired)
    facts.arm(on.AgentSilent, now + facts.timers.agent_silent_s)
    return []


def begin_talking(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Leave the waiting to the agent: the filler still covers a session that says nothing."""
    facts.disarm(on.ConnectExpired)
    facts.arm(on.AgentSilent, now + facts.timers.agent_silent_s)
    return []


def fill(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Give the caller a sign of life, and again later if it takes that long."""
    facts.arm(on.FillerDue, now + 2 * facts.timers.filler_s)
    return [do.PlayClip("one_moment")]


def fill_once(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Give the caller one sign of life: the agent may be waiting for them to speak first."""
    return [do.PlayClip("one_moment")]


def hold(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Keep back the agent's audio until it is clear whether the caller interrupts."""
    facts.arm(on.HoldExpired, now + facts.timers.hold_s)
    return [do.HoldCaller()]


def release(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Go on where the agent was held."""
    facts.disarm(on.HoldExpired)
    return [do.ReleaseCaller()]


def clear(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Drop what the caller has not heard."""
    facts.disarm(on.HoldExpired)
    return [do.ClearCaller()]


def run_tool(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Have the tool answered."""
    assert isinstance(event, on.ToolCalled)
    return [do.RunTool(event.call)]


def refuse_tool(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Run nothing for an agent that has been left: the answer could not reach it."""
    assert isinstance(event, on.ToolCalled)
    return [do.RefuseTool(event.call)]


def answer_tool(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Pass the answer on."""
    assert isinstance(event, on.ToolAnswered)
    return [do.AnswerTool(event.number)]


def await_goodbye(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Leave the agent the time to say goodbye; asking again wins no more of it."""
    if on.GoodbyeExpired not in facts.deadlines:
        facts.arm(on.GoodbyeOver, now + facts.timers.goodbye_start_s)
        facts.arm(on.GoodbyeExpired, now + facts.timers.goodbye_s)
    return []


def ask_transfer(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Keep the call until the caller has heard what the agent said before it puts them through."""
    facts.transfer = "asked"
    facts.arm(on.TransferExpired, now + facts.timers.transfer_asked_s)
    return []


def begin_transfer(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Keep the call until the carrier says whether it has taken the caller over."""
    facts.transfer = "begun"
    facts.arm(on.TransferExpired, now + facts.timers.transfer_begun_s)
    return []


def end_transfer(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Go on as if no transfer had been asked for."""
    facts.transfer = "none"
    facts.disarm(on.TransferExpired)
    return []


def postpone(facts: Facts, event: on.Event, now: float) -> None:
    """Let an event wait for the outcome of a transfer; a timer fires again until it is known."""
    if isinstance(event, on.Timer):
        facts.arm(type(event), now + _POSTPONED_S)
    else:
        facts.kept_back.append(event)


def drain(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Let the caller hear the rest; nothing new comes from the agent."""
    facts.disarm(on.FillerDue, on.ConnectExpired, on.AgentSilent, on.HoldExpired)
    facts.disarm(on.GoodbyeOver, on.GoodbyeExpired)
    facts.arm(on.DrainExpired, now + facts.timers.drain_s)
    return [do.ReleaseCaller(), do.LeaveAgent(), do.DrainCaller()]


def apologise(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Tell the caller that it ends here, after what is left of the agent's last turn."""
    return [do.PlayClip("apology"), *drain(facts, event, now)]


def say_goodbye(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """End by command: cut in, say goodbye."""
    return [do.ClearCaller(interrupted=False), do.PlayClip("goodbye"), *drain(facts, event, now)]


def listen_on(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Watch the caller's leg for another while."""
    facts.arm(on.CallerSilent, facts.caller_heard_at + facts.timers.caller_silent_s)
    return []


def end(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """End the call as was decided on the way here."""
    assert facts.ending is not None, f"{type(event).__name__} ends the call but nothing says how"
    facts.deadlines.clear()
    gone = isinstance(event, on.CallerLeft) and event.how == "hung_up"
    # The phone call may outlive its stream: one that broke is replaced (faults.md row 18), and a caller who
    # was put through talks to somebody else.
    return [do.End(facts.ending, hang_up=not gone and facts.ending.reason not in OUTLIVED)]


def let_go(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """End a call that was ending already as transferred after all, which the phone call outlives."""
    facts.ending = Ending(Result.COMPLETED, Reason.TRANSFERRED)
    return end(facts, event, now)
