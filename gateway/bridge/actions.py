"""What the arrows of the call's table test and do. PURE: facts, an event and the time in, commands out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.records import STREAM_BROKE, Ending

BargeIn = Literal["clear", "pause"]


@dataclass(frozen=True, slots=True)
class Timers:
    """How long each wait may take, in seconds.

    Attributes:
        filler_s: unexplained silence before the caller hears a sign of life.
        connect_s: the agent's socket has to be open, retries included.
        agent_silent_s: an open session has to say something.
        caller_silent_s: Twilio sends frames even in silence; without any the leg is dead.
        hold_s: a paused turn goes on even if no end of speech is reported.
        drain_s: the most that is waited for the rest to be heard.
        call_s: the longest call.
    """

    filler_s: float = 2.0
    connect_s: float = 5.0
    agent_silent_s: float = 20.0
    caller_silent_s: float = 5.0
    hold_s: float = 5.0
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
        ending: how the call ended or is about to end; None while nothing decided that.
    """

    timers: Timers
    barge_in: BargeIn
    tries: int = 0
    losses: int = 0
    caller_heard_at: float = 0.0
    deadlines: dict[type[on.Timer], float] = field(default_factory=dict)
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
    """Ask the webhook."""
    assert isinstance(event, on.ToolCalled)
    return [do.RunTool(event.call)]


def answer_tool(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Pass the answer on."""
    assert isinstance(event, on.ToolAnswered)
    return [do.AnswerTool(event.tool_call_id, event.output)]


def drain(facts: Facts, event: on.Event, now: float) -> list[do.Command]:
    """Let the caller hear the rest; nothing new comes from the agent."""
    facts.disarm(on.FillerDue, on.ConnectExpired, on.AgentSilent, on.HoldExpired)
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
    # The call behind a broken stream may live: its redirect asks for a fresh one (faults.md row 18).
    return [do.End(facts.ending, hang_up=not gone and facts.ending.reason not in STREAM_BROKE)]
