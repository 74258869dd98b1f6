"""The call machine, by playbook alone."""

import pytest

from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.bridge.actions import Timers
from gateway.bridge.machine import BargeIn, CallMachine, State
from gateway.records import Ending, Reason, Result
from gateway.vatel.messages import ToolCall
from tests.playbook import Playbook

LEAVING = (do.ReleaseCaller(), do.LeaveAgent(), do.DrainCaller())


def connecting(barge_in: BargeIn = "clear") -> Playbook:
    """Return a call whose agent is being reached."""
    return Playbook(CallMachine(barge_in=barge_in)) << do.ConnectAgent()


def talking(barge_in: BargeIn = "clear") -> Playbook:
    """Return a call in which both legs are up."""
    return (connecting(barge_in) >> on.AgentConnected() >> on.AgentReady()).is_in(State.TALKING)


def expect(play: Playbook, *commands: do.Command) -> Playbook:
    """Expect commands in order."""
    for command in commands:
        play << command
    return play


def failed(reason: Reason, detail: str = "") -> Ending:
    """Return a failed ending."""
    return Ending(Result.FAILED, reason, detail)


def completed(reason: Reason, detail: str = "") -> Ending:
    """Return a completed ending."""
    return Ending(Result.COMPLETED, reason, detail)


def test_whole_call_ended_by_agent() -> None:
    """The agent says goodbye, the caller hears it out, then the call is hung up."""
    play = talking() >> on.AgentEnded()
    expect(play, *LEAVING).is_in(State.DRAINING)
    play >> on.CallerHeardAll() << do.End(completed(Reason.AGENT_ENDED), hang_up=True)
    play.is_in(State.ENDED)


def test_whole_call_ended_by_caller() -> None:
    """A caller who hangs up ends the call at once, and nobody hangs up on them."""
    play = talking() >> on.CallerLeft("hung_up")
    play << do.End(completed(Reason.CALLER_HUNG_UP), hang_up=False)
    play.is_in(State.ENDED)


@pytest.mark.parametrize(
    ("how", "reason"), [("lost", Reason.CALLER_LOST), ("protocol", Reason.CALLER_PROTOCOL)]
)
def test_caller_leg_breaks(how: str, reason: Reason) -> None:
    """A caller's leg that breaks fails the call and says how; the phone call may live and is left alone."""
    play = talking() >> on.CallerLeft(how, "close_1006")  # type: ignore[arg-type]
    play << do.End(failed(reason, "close_1006"), hang_up=False)


def test_caller_hangs_up_while_connecting() -> None:
    """A hang-up in the first moments is the caller's, not the agent's failure."""
    play = connecting() >> on.CallerLeft("hung_up")
    play << do.End(completed(Reason.CALLER_HUNG_UP), hang_up=False)


def test_caller_hangs_up_during_goodbye() -> None:
    """How the call ended was decided when the agent ended it."""
    play = expect(talking() >> on.AgentEnded(), *LEAVING)
    play >> on.CallerLeft("hung_up") << do.End(completed(Reason.AGENT_ENDED), hang_up=False)


def test_goodbye_never_acknowledged() -> None:
    """A goodbye that nobody confirms ends after the longest drain."""
    play = expect(talking() >> on.AgentEnded(), *LEAVING)
    play.talk(30) << do.End(completed(Reason.AGENT_ENDED), hang_up=True)


def test_slow_connect_is_covered_by_clips() -> None:
    """The caller gets a sign of life after 2 s and an apology when 5 s have passed."""
    play = connecting()
    play.talk(2) << do.PlayClip("one_moment")
    expect(play.talk(3), do.PlayClip("apology"), *LEAVING).is_in(State.DRAINING)
    play >> on.CallerHeardAll() << do.End(failed(Reason.AGENT_UNREACHABLE, "timeout"), hang_up=True)


def test_failed_connect_is_tried_once_more() -> None:
    """A failure that may pass is tried again after the wait the platform asks for, then given up."""
    play = connecting() >> on.AgentFailed("server_error", retryable=True, after_s=1.5)
    play << do.ConnectAgent(1.5)
    play >> on.AgentFailed("server_error", retryable=True)
    expect(play, do.PlayClip("apology"), *LEAVING)
    play >> on.CallerHeardAll() << do.End(failed(Reason.AGENT_UNREACHABLE, "server_error"), hang_up=True)


def test_refused_connect_is_not_repeated() -> None:
    """A refusal that will not change is not tried again."""
    play = connecting() >> on.AgentFailed("unauthorized", retryable=False)
    expect(play, do.PlayClip("apology"), *LEAVING).is_in(State.DRAINING)


def test_open_session_that_never_starts() -> None:
    """A socket without a session gets its clips, then an apology at 20 s."""
    play = connecting() >> on.AgentConnected()
    play.talk(2) << do.PlayClip("one_moment")
    expect(play.talk(4), do.PlayClip("one_moment"))
    expect(play.talk(13), *[do.PlayClip("one_moment")] * 3)
    expect(play.talk(1), do.PlayClip("apology"), *LEAVING)
    assert play.machine.ending == failed(Reason.AGENT_SILENT)


def test_session_that_says_nothing_at_all() -> None:
    """A started session without any message is covered once, given up at 20 s; one message keeps it."""
    play = talking()
    play.talk(2) << do.PlayClip("one_moment")
    expect(play.talk(18), do.PlayClip("apology"), *LEAVING)

    play = talking()
    play.machine.agent_spoke()
    play.talk(60).is_in(State.TALKING)


def test_lost_agent_is_replaced_once() -> None:
    """The first loss is covered by a clip and a new session; the second ends the call with an apology."""
    play = talking() >> on.AgentLost("close_1011")
    expect(play, do.ReleaseCaller(), do.PlayClip("one_moment"), do.ConnectAgent()).is_in(State.CONNECTING)
    (play >> on.AgentConnected() >> on.AgentReady()).is_in(State.TALKING)
    play >> on.AgentLost("close_1006")
    expect(play, do.PlayClip("apology"), *LEAVING)
    play >> on.CallerHeardAll() << do.End(failed(Reason.AGENT_LOST, "close_1006"), hang_up=True)


def test_loss_before_the_session_starts_counts() -> None:
    """A socket that breaks before its session started is a loss like any other."""
    play = connecting() >> on.AgentConnected() >> on.AgentLost("close_1006")
    expect(play, do.ReleaseCaller(), do.PlayClip("one_moment"), do.ConnectAgent())
    play >> on.AgentLost("close_1006")
    expect(play, do.PlayClip("apology"), *LEAVING)


def test_replacement_gets_its_own_tries() -> None:
    """A reconnect that fails once is tried again like the first connect."""
    play = talking() >> on.AgentLost("close_1006")
    expect(play, do.ReleaseCaller(), do.PlayClip("one_moment"), do.ConnectAgent())
    play >> on.AgentFailed("timeout", retryable=True) << do.ConnectAgent()
    (play >> on.AgentReady()).is_in(State.TALKING)


def test_agent_ends_before_it_starts() -> None:
    """A normal close right away is the agent's end, not a loss."""
    expect(connecting() >> on.AgentEnded(), *LEAVING)


def test_interruption_clears_the_caller() -> None:
    """Under the policy ``clear`` speech alone does nothing and an interruption clears."""
    play = talking() >> on.SpeechStarted() >> on.SpeechStopped()
    play >> on.Interruption() << do.ClearCaller()


def test_pause_holds_then_clears() -> None:
    """Under the policy ``pause`` speech holds and an interruption clears what is held."""
    play = talking("pause") >> on.SpeechStarted() << do.HoldCaller()
    play >> on.Interruption() << do.ClearCaller()
    play.machine.agent_spoke()
    play.talk(10).is_in(State.TALKING)


def test_pause_goes_on_after_a_cough() -> None:
    """Speech that stops without an interruption lets the agent go on where it stopped."""
    play = talking("pause") >> on.SpeechStarted() << do.HoldCaller()
    play >> on.SpeechStopped() << do.ReleaseCaller()


def test_pause_goes_on_by_itself() -> None:
    """Speech that never stops does not hold the agent for ever."""
    play = talking("pause") >> on.SpeechStarted() << do.HoldCaller()
    play.machine.agent_spoke()
    play.talk(5) << do.ReleaseCaller()


def test_tool_is_run_and_answered() -> None:
    """A tool call is run; its answer goes to the agent, also while the agent is being replaced or leaves."""
    call = ToolCall("t1", "book", ())
    play = talking() >> on.ToolCalled(call) << do.RunTool(call)
    play >> on.ToolAnswered("t1", "ok") << do.AnswerTool("t1", "ok")
    expect(play >> on.AgentLost("x"), do.ReleaseCaller(), do.PlayClip("one_moment"), do.ConnectAgent())
    play >> on.ToolAnswered("t2", "ok") << do.AnswerTool("t2", "ok")
    expect(play >> on.AgentEnded(), *LEAVING)
    play >> on.ToolAnswered("t3", "ok") << do.AnswerTool("t3", "ok")


@pytest.mark.parametrize(
    ("event", "ending"),
    [
        (on.OperatorEnded(), completed(Reason.OPERATOR_ENDED)),
        (on.ShutdownDue(), failed(Reason.SHUTDOWN)),
    ],
)
def test_ended_by_command(event: on.Event, ending: Ending) -> None:
    """An end by command cuts in, says goodbye and hangs up; a second shutdown does not wait for that."""
    play = talking() >> event
    expect(play, do.ClearCaller(interrupted=False), do.PlayClip("goodbye"), *LEAVING).is_in(State.DRAINING)
    play >> on.ShutdownDue() << do.End(ending, hang_up=True)


def test_longest_call() -> None:
    """The longest call allowed ends with a goodbye."""
    play = Playbook(CallMachine(timers=Timers(call_s=60))) << do.ConnectAgent()
    play >> on.AgentReady()
    play.machine.agent_spoke()
    expect(play.talk(60), do.ClearCaller(interrupted=False), do.PlayClip("goodbye"), *LEAVING)
    assert play.machine.ending == completed(Reason.TIME_LIMIT)


@pytest.mark.parametrize("start", [connecting, talking])
def test_dead_caller_leg(start: object) -> None:
    """A leg without media for 5 s is dead, however the call stands."""
    play = start()  # type: ignore[operator]
    play.machine.caller_spoke(play.now)
    commands = play.wait(5.0)._unheard
    assert commands[-1] == do.End(failed(Reason.CALLER_SILENT), hang_up=False)


def test_dead_caller_leg_while_draining() -> None:
    """A leg that dies during the goodbye ends the wait, not the reason."""
    play = expect(talking() >> on.AgentEnded(), *LEAVING)
    play.wait(5) << do.End(completed(Reason.AGENT_ENDED), hang_up=True)


def test_media_keeps_the_leg_alive() -> None:
    """Media moves the dead-leg timer."""
    play = talking()
    play.machine.agent_spoke()
    play.talk(60).is_in(State.TALKING)


def test_late_events_while_draining_change_nothing() -> None:
    """What the agent still says while the caller hears the rest is of no effect."""
    play = expect(talking() >> on.AgentEnded(), *LEAVING)
    late = (
        on.Interruption(),
        on.SpeechStarted(),
        on.SpeechStopped(),
        on.ToolCalled(ToolCall("t", "x", ())),
        on.AgentConnected(),
        on.AgentReady(),
        on.AgentFailed("timeout", retryable=True),
        on.AgentEnded(),
        on.AgentLost("close_1006"),
        on.OperatorEnded(),
        on.TimeUp(),
    )
    for event in late:
        (play >> event).is_in(State.DRAINING)
    assert play.machine.ending == completed(Reason.AGENT_ENDED)


def test_nothing_happens_after_the_end() -> None:
    """After the end no event has an effect and no timer runs."""
    play = talking() >> on.CallerLeft("hung_up")
    play << do.End(completed(Reason.CALLER_HUNG_UP), hang_up=False)
    (play >> on.AgentEnded() >> on.Interruption()).is_in(State.ENDED)
    assert play.machine.next_deadline() is None


def test_unlisted_event_fails_loudly() -> None:
    """An event that the table does not list for a state is a bug and names both."""
    with pytest.raises(AssertionError, match="no arrow for Interruption in state connecting"):
        connecting() >> on.Interruption()
