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


def conversing() -> Playbook:
    """Return a call whose agent has said something."""
    play = talking()
    play.machine.agent_spoke()
    return play


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
    play >> on.ToolAnswered(1) << do.AnswerTool(1)
    expect(play >> on.AgentLost("x"), do.ReleaseCaller(), do.PlayClip("one_moment"), do.ConnectAgent())
    play >> on.ToolAnswered(2) << do.AnswerTool(2)
    expect(play >> on.AgentEnded(), *LEAVING)
    play >> on.ToolAnswered(3) << do.AnswerTool(3)


def test_tool_called_too_late_is_refused() -> None:
    """A tool call that comes while the caller hears the rest is booked, not run."""
    call = ToolCall("t1", "book", ())
    play = expect(talking() >> on.AgentEnded(), *LEAVING)
    (play >> on.ToolCalled(call) << do.RefuseTool(call)).is_in(State.DRAINING)


BY_TOOL = completed(Reason.AGENT_ENDED, "end_call")


def test_agent_that_asks_to_end_the_call_may_say_goodbye() -> None:
    """The call ends when the goodbye has been heard and a moment has passed, not before."""
    play = conversing() >> on.EndAsked()
    play.talk(1.5).is_in(State.TALKING)
    play.machine.agent_sounded(play.now + 3.0)
    play.talk(3.5).is_in(State.TALKING)
    expect(play.talk(0.5), *LEAVING).is_in(State.DRAINING)
    play >> on.CallerHeardAll() << do.End(BY_TOOL, hang_up=True)


def test_agent_that_asks_to_end_the_call_and_says_nothing() -> None:
    """Without a word for 2 s the call ends."""
    play = conversing() >> on.EndAsked()
    play.talk(1.5).is_in(State.TALKING)
    expect(play.talk(0.5), *LEAVING)
    assert play.machine.ending == BY_TOOL


def test_agent_that_asks_twice_to_end_the_call_wins_no_time() -> None:
    """The second wish does not begin the wait anew."""
    play = conversing() >> on.EndAsked()
    play.talk(1.5)
    play >> on.EndAsked()
    expect(play.talk(0.5), *LEAVING)


@pytest.mark.parametrize("chatter", [on.SpeechStarted(), on.Interruption()])
def test_goodbye_has_its_time_and_no_more(chatter: on.Event) -> None:
    """An agent that goes on and on, and a caller who does, are cut off at 10 s."""
    play = conversing() >> on.EndAsked()
    for _ in range(9):
        play >> chatter
        if isinstance(chatter, on.Interruption):
            play << do.ClearCaller()
        play.machine.agent_sounded(play.now + 5.0)
        play.talk(1.0).is_in(State.TALKING)
    expect(play.talk(1.0), *LEAVING)
    assert play.machine.ending == BY_TOOL


def test_audio_is_no_goodbye_unless_the_agent_asked_to_end() -> None:
    """Audio of an agent that did not ask to end the call arms nothing."""
    play = conversing()
    play.machine.agent_spoke()
    play.machine.agent_sounded(play.now + 1.0)
    play.talk(30).is_in(State.TALKING)


@pytest.mark.parametrize("way", [on.AgentEnded(), on.AgentLost("close_1006")])
def test_agent_that_leaves_after_it_asked_to_end_the_call(way: on.Event) -> None:
    """It has no more to say: nobody reconnects to it, and the call ends as it wished."""
    play = talking() >> on.EndAsked() >> way
    expect(play, *LEAVING).is_in(State.DRAINING)
    play >> on.EndAsked()
    play.talk(1.0)
    play >> on.CallerHeardAll() << do.End(BY_TOOL, hang_up=True)


def test_wish_to_end_the_call_of_an_agent_that_was_lost() -> None:
    """A wish that comes through after the agent was lost is granted: its successor would not know of it."""
    play = talking() >> on.AgentLost("close_1006")
    expect(play, do.ReleaseCaller(), do.PlayClip("one_moment"), do.ConnectAgent())
    expect(play >> on.EndAsked(), *LEAVING)
    assert play.machine.ending == BY_TOOL


def test_caller_who_hangs_up_during_the_goodbye_has_ended_the_call() -> None:
    """Until the goodbye is over the caller may be the first to leave."""
    play = talking() >> on.EndAsked() >> on.CallerLeft("hung_up")
    play << do.End(completed(Reason.CALLER_HUNG_UP), hang_up=False)


TRANSFERRED = do.End(completed(Reason.TRANSFERRED), hang_up=False)
ENDS: list[on.Event] = [
    on.AgentEnded(),
    on.AgentLost("close_1006"),
    on.CallerLeft("hung_up"),
    on.CallerLeft("lost"),
    on.OperatorEnded(),
    on.ShutdownDue(),
]


def transferring(barge_in: BargeIn = "clear") -> Playbook:
    """Return a call whose carrier is being asked to put the caller through."""
    play = talking(barge_in) >> on.TransferAsked() >> on.TransferBegun()
    play.machine.agent_spoke()
    return play.is_in(State.TALKING)


def test_caller_who_is_put_through_is_not_hung_up_on() -> None:
    """The call ends here, and goes on elsewhere."""
    (transferring() >> on.Transferred() << TRANSFERRED).is_in(State.ENDED)


@pytest.mark.parametrize("event", ENDS, ids=lambda event: type(event).__name__)
def test_nothing_ends_a_call_while_the_carrier_is_asked(event: on.Event) -> None:
    """Whatever would end the call then is too late once the caller is somebody else's."""
    play = (transferring() >> event).is_in(State.TALKING)
    play.talk(5.0) if not isinstance(event, on.CallerLeft) else play.wait(5.0)
    play >> on.Transferred() << TRANSFERRED
    play.is_in(State.ENDED)
    assert play.machine.next_deadline() is None


def test_all_at_once_while_the_carrier_is_asked() -> None:
    """All of it together is too late as well."""
    play = transferring()
    for event in ENDS:
        play >> event
    play >> on.Transferred() << TRANSFERRED


def test_timers_wait_for_the_carrier_too() -> None:
    """A call whose longest time passes, and whose caller's stream has gone quiet, is still not ended."""
    play = Playbook(CallMachine(timers=Timers(call_s=8))) << do.ConnectAgent()
    play >> on.AgentReady() >> on.TransferAsked() >> on.TransferBegun()
    play.machine.agent_spoke()
    play.wait(20.0).is_in(State.TALKING)
    play >> on.Transferred() << TRANSFERRED


def test_goodbye_waits_for_the_carrier() -> None:
    """An agent that puts the caller through and asks to end the call has its transfer, not a hang-up."""
    play = transferring() >> on.EndAsked()
    play.talk(5.0).is_in(State.TALKING)
    play >> on.Transferred() << TRANSFERRED


def test_what_came_meanwhile_counts_when_the_transfer_fails() -> None:
    """What had to wait for the outcome happens once there is to be no transfer, in its order."""
    play = transferring() >> on.AgentEnded() >> on.ShutdownDue() >> on.TransferFailed()
    expect(play, *LEAVING, do.End(completed(Reason.AGENT_ENDED), hang_up=True)).is_in(State.ENDED)

    play = transferring() >> on.CallerLeft("hung_up")
    assert play.machine.caller_left
    play >> on.TransferFailed() << do.End(completed(Reason.CALLER_HUNG_UP), hang_up=False)

    play = transferring() >> on.AgentLost("close_1006") >> on.TransferFailed()
    expect(play, do.ReleaseCaller(), do.PlayClip("one_moment"), do.ConnectAgent()).is_in(State.CONNECTING)


def test_timers_count_when_the_transfer_fails() -> None:
    """A timer that ran out meanwhile fires soon after."""
    play = transferring() >> on.EndAsked()
    play.talk(5.0)
    play >> on.TransferFailed()
    expect(play.talk(0.5), *LEAVING)
    assert play.machine.ending == BY_TOOL


def test_call_goes_on_when_the_transfer_fails() -> None:
    """A failed transfer leaves nothing behind: the agent may talk on, and end the call."""
    play = transferring() >> on.TransferFailed()
    assert not play.machine.caller_left
    play.talk(60).is_in(State.TALKING)
    expect(play >> on.AgentEnded(), *LEAVING)


def test_talk_goes_on_while_the_carrier_is_asked() -> None:
    """What does not end the call has its effect at once: barge-in, tools, an agent that is being replaced."""
    call = ToolCall("t1", "book", ())
    play = transferring("pause") >> on.SpeechStarted() << do.HoldCaller()
    play >> on.SpeechStopped() << do.ReleaseCaller()
    play >> on.Interruption() << do.ClearCaller()
    play >> on.ToolCalled(call) << do.RunTool(call)
    play >> on.ToolAnswered(1) << do.AnswerTool(1)

    play = talking() >> on.AgentLost("x")
    expect(play, do.ReleaseCaller(), do.PlayClip("one_moment"), do.ConnectAgent())
    (play >> on.TransferAsked() >> on.TransferBegun() >> on.AgentReady()).is_in(State.TALKING)


@pytest.mark.parametrize("way", [on.AgentEnded(), on.AgentLost("close_1006")])
def test_agent_that_leaves_once_it_asked_for_a_transfer(way: on.Event) -> None:
    """While the caller hears out the agent its leaving does not take the transfer with it."""
    play = (talking() >> on.TransferAsked() >> way).is_in(State.TALKING)
    play >> on.TransferBegun() >> on.Transferred() << TRANSFERRED


def test_caller_may_leave_before_the_carrier_is_asked() -> None:
    """Until the carrier is asked it is a call like any other: caller and operator may end it."""
    play = talking() >> on.TransferAsked() >> on.CallerLeft("hung_up")
    play << do.End(completed(Reason.CALLER_HUNG_UP), hang_up=False)

    play = talking() >> on.TransferAsked() >> on.OperatorEnded()
    expect(play, do.ClearCaller(interrupted=False), do.PlayClip("goodbye"), *LEAVING)
    assert not play.machine.may_transfer
    (play >> on.TransferFailed()).is_in(State.DRAINING)


def test_transfer_that_nobody_reports_on() -> None:
    """A transfer without an outcome ends by itself: after 15 s unasked, after 30 s with the carrier."""
    play = conversing() >> on.TransferAsked() >> on.AgentEnded()
    play.talk(14.5).is_in(State.TALKING)
    expect(play.talk(0.5), *LEAVING)

    play = transferring() >> on.OperatorEnded()
    play.talk(29.5).is_in(State.TALKING)
    expect(play.talk(0.5), do.ClearCaller(interrupted=False), do.PlayClip("goodbye"), *LEAVING)
    play >> on.Transferred() << TRANSFERRED


def test_agent_that_has_left_takes_no_transfer_with_it() -> None:
    """A transfer asked for with an agent's last words waits for the caller to hear them, and is made."""
    play = expect(conversing() >> on.AgentEnded(), *LEAVING)
    assert play.machine.may_transfer
    (play >> on.TransferAsked() >> on.CallerHeardAll()).is_in(State.DRAINING)
    play >> on.TransferBegun() >> on.CallerLeft("hung_up") >> on.Transferred() << TRANSFERRED
    assert play.machine.ending == TRANSFERRED.ending
    assert not play.machine.may_transfer


def test_refused_transfer_of_an_agent_that_has_left() -> None:
    """When it is refused the call ends as it was ending."""
    play = expect(conversing() >> on.AgentEnded(), *LEAVING)
    play >> on.TransferAsked() >> on.CallerHeardAll() >> on.TransferBegun()
    play >> on.TransferFailed() << do.End(completed(Reason.AGENT_ENDED), hang_up=True)


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
        on.AgentConnected(),
        on.AgentReady(),
        on.AgentFailed("timeout", retryable=True),
        on.AgentEnded(),
        on.AgentLost("close_1006"),
        on.OperatorEnded(),
        on.EndAsked(),
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
