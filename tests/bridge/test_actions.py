"""What arrows test and do: guards, commands, and the timers each action starts and stops."""

import pytest

from gateway.bridge import actions as act
from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.bridge.actions import Facts, Timers
from gateway.records import OUTLIVED, Ending, Reason, Result
from gateway.vatel.messages import ToolCall

NOW = 50.0
LEAVING = [do.ReleaseCaller(), do.LeaveAgent(), do.DrainCaller()]
ANY = on.SpeechStarted()


def facts(**known: object) -> Facts:
    """Return what a call knows, all timers running."""
    made = Facts(Timers(), "clear")
    running = (on.FillerDue, on.ConnectExpired, on.AgentSilent, on.HoldExpired, on.CallerSilent)
    for timer in (*running, on.GoodbyeOver, on.GoodbyeExpired):
        made.arm(timer, 99.0)
    for name, value in known.items():
        setattr(made, name, value)
    return made


def test_timer_is_moved_and_stopped() -> None:
    """Arming a timer again moves it; disarming one that does not run is no matter."""
    known = Facts(Timers(), "clear")
    known.arm(on.TimeUp, 1.0)
    known.arm(on.TimeUp, 2.0)
    assert known.deadlines == {on.TimeUp: 2.0}

    known.disarm(on.TimeUp, on.HoldExpired)
    assert known.deadlines == {}


@pytest.mark.parametrize(
    ("event", "tries", "holds"),
    [
        (on.AgentFailed("timeout", retryable=True), 1, True),
        (on.AgentFailed("timeout", retryable=True), 2, False),
        (on.AgentFailed("unauthorized", retryable=False), 1, False),
        (on.AgentReady(), 1, False),
    ],
)
def test_may_retry(event: on.Event, tries: int, holds: bool) -> None:
    """One more attempt is made, and only where it may help."""
    assert act.may_retry(facts(tries=tries), event, NOW) is holds


def test_first_loss() -> None:
    """Only the first loss is mended."""
    assert act.first_loss(facts(), ANY, NOW)
    assert not act.first_loss(facts(losses=1), ANY, NOW)


def test_pauses() -> None:
    """Speech pauses the agent only where its policy says so."""
    assert not act.pauses(facts(), ANY, NOW)
    assert act.pauses(facts(barge_in="pause"), ANY, NOW)


@pytest.mark.parametrize(
    ("event", "hung_up", "broke"),
    [
        (on.CallerLeft("hung_up"), True, False),
        (on.CallerLeft("protocol"), False, True),
        (on.CallerLeft("lost"), False, False),
        (ANY, False, False),
    ],
)
def test_ways_to_leave(event: on.Event, hung_up: bool, broke: bool) -> None:
    """A hang-up, a breach of protocol and a lost line are told apart."""
    assert act.hung_up(facts(), event, NOW) is hung_up
    assert act.broke_protocol(facts(), event, NOW) is broke


def test_caller_was_heard() -> None:
    """Media within the last 5 s keeps the leg alive, the fifth second not included."""
    assert act.caller_was_heard(facts(caller_heard_at=45.1), ANY, NOW)
    assert not act.caller_was_heard(facts(caller_heard_at=45.0), ANY, NOW)


def test_nothing() -> None:
    """Nothing is done, no timer touched."""
    known = facts()
    assert act.nothing(known, ANY, NOW) == []
    assert len(known.deadlines) == 7


def test_connect_starts_its_timers() -> None:
    """A connect has 5 s, and 2 s until the caller hears something."""
    known = Facts(Timers(), "clear")

    assert act.connect(known, NOW) == [do.ConnectAgent()]
    assert known.deadlines == {on.ConnectExpired: 55.0, on.FillerDue: 52.0}
    assert known.tries == 1


def test_connect_again_keeps_the_deadline() -> None:
    """The next attempt waits as asked, inside the deadline of the first."""
    known = facts(tries=1)

    assert act.connect_again(known, on.AgentFailed("x", True, 1.5), NOW) == [do.ConnectAgent(1.5)]
    assert known.tries == 2
    assert known.deadlines[on.ConnectExpired] == 99.0


def test_reconnect() -> None:
    """A lost session is replaced behind the rest of its turn and a clip."""
    known = facts(tries=2)

    assert act.reconnect(known, on.AgentLost("x"), NOW) == [
        do.ReleaseCaller(),
        do.PlayClip("one_moment"),
        do.ConnectAgent(),
    ]
    assert (known.losses, known.tries) == (1, 1)
    assert on.HoldExpired not in known.deadlines
    assert on.AgentSilent not in known.deadlines
    assert known.deadlines[on.FillerDue] == 52.0


def test_open_socket_gets_its_time() -> None:
    """Once open, the socket has 20 s to say something; fillers go on until the session starts."""
    known = facts()

    assert act.await_session(known, on.AgentConnected(), NOW) == []
    assert known.deadlines[on.AgentSilent] == 70.0
    assert on.ConnectExpired not in known.deadlines
    assert on.FillerDue in known.deadlines


def test_talking_ends_the_cover() -> None:
    """A started session has 20 s for its first words; the filler still covers it if it has none."""
    known = facts()

    assert act.begin_talking(known, on.AgentReady(), NOW) == []
    assert known.deadlines[on.AgentSilent] == 70.0
    assert on.ConnectExpired not in known.deadlines
    assert on.FillerDue in known.deadlines


def test_filler_of_a_silent_session_comes_once() -> None:
    """An agent that waits for the caller is covered by one sign of life, not by one every few seconds."""
    known = facts()
    known.disarm(on.FillerDue)

    assert act.fill_once(known, on.FillerDue(), NOW) == [do.PlayClip("one_moment")]
    assert on.FillerDue not in known.deadlines


def test_after_a_loss_retries_go_on_while_there_is_time() -> None:
    """At a call's start one retry is made; after a loss as many as the connect timer allows."""
    failed = on.AgentFailed("unreachable", retryable=True)
    known = facts()
    known.tries = 2

    assert not act.may_retry(known, failed, NOW)
    known.losses = 1
    assert act.may_retry(known, failed, NOW)
    assert not act.may_retry(known, on.AgentFailed("unauthorized", retryable=False), NOW)


def test_each_retry_waits_longer() -> None:
    """The pause before a try grows with the tries."""
    known = facts()
    known.tries = 1
    failed = on.AgentFailed("unreachable", retryable=True, after_s=0.5)

    assert act.connect_again(known, failed, NOW) == [do.ConnectAgent(0.5)]
    assert act.connect_again(known, failed, NOW) == [do.ConnectAgent(1.0)]


def test_made_up_speech_does_not_pause() -> None:
    """A start of speech that the platform made up may have no stop: it holds nothing."""
    known = facts()
    known.barge_in = "pause"

    assert act.pauses(known, on.SpeechStarted(), NOW)
    assert not act.pauses(known, on.SpeechStarted(emulated=True), NOW)


def test_fill_comes_again() -> None:
    """A sign of life is followed by another one, later."""
    known = facts()

    assert act.fill(known, on.FillerDue(), NOW) == [do.PlayClip("one_moment")]
    assert known.deadlines[on.FillerDue] == 54.0


def test_hold_release_clear() -> None:
    """A hold has an end of its own; release and clear take it away."""
    known = facts()

    assert act.hold(known, on.SpeechStarted(), NOW) == [do.HoldCaller()]
    assert known.deadlines[on.HoldExpired] == 55.0
    assert act.release(known, on.SpeechStopped(), NOW) == [do.ReleaseCaller()]
    assert on.HoldExpired not in known.deadlines
    act.hold(known, on.SpeechStarted(), NOW)
    assert act.clear(known, on.Interruption(), NOW) == [do.ClearCaller()]
    assert on.HoldExpired not in known.deadlines


def test_tools_pass_through() -> None:
    """A tool call is run as it came, its answer given as it came."""
    call = ToolCall("t", "book", ())

    assert act.run_tool(facts(), on.ToolCalled(call), NOW) == [do.RunTool(call)]
    assert act.answer_tool(facts(), on.ToolAnswered(7), NOW) == [do.AnswerTool(7)]
    assert act.refuse_tool(facts(), on.ToolCalled(call), NOW) == [do.RefuseTool(call)]


def test_goodbye_has_two_timers() -> None:
    """A wish to end the call is granted after a silence or at a limit; a second wish moves neither."""
    known = Facts(Timers(), "clear")
    assert not act.says_goodbye(known, ANY, NOW)

    assert act.await_goodbye(known, on.EndAsked(), NOW) == []
    assert act.says_goodbye(known, ANY, NOW)
    assert known.deadlines == {on.GoodbyeOver: 52.0, on.GoodbyeExpired: 60.0}
    act.await_goodbye(known, on.EndAsked(), NOW + 1)
    assert known.deadlines == {on.GoodbyeOver: 52.0, on.GoodbyeExpired: 60.0}


def test_transfer_goes_through_its_phases() -> None:
    """A transfer that was asked for is begun or not; each phase has its limit."""
    known = Facts(Timers(), "clear")
    act.ask_transfer(known, on.TransferAsked(), NOW)
    assert (known.transfer, known.deadlines) == ("asked", {on.TransferExpired: 65.0})
    act.begin_transfer(known, on.TransferBegun(), NOW + 1)
    assert (known.transfer, known.deadlines) == ("begun", {on.TransferExpired: 81.0})
    act.end_transfer(known, on.TransferFailed(), NOW + 2)
    assert (known.transfer, known.deadlines) == ("none", {})


def test_postponed_event_is_kept_and_a_timer_goes_off_again() -> None:
    """What comes from outside is kept in order; a timer is asked again until it may fire."""
    known = Facts(Timers(), "clear")
    for event in (on.AgentEnded(), on.TimeUp(), on.ShutdownDue()):
        act.postpone(known, event, NOW)

    assert known.kept_back == [on.AgentEnded(), on.ShutdownDue()]
    assert known.deadlines == {on.TimeUp: 50.25}


@pytest.mark.parametrize(
    ("action", "first"),
    [
        (act.drain, []),
        (act.apologise, [do.PlayClip("apology")]),
        (act.say_goodbye, [do.ClearCaller(interrupted=False), do.PlayClip("goodbye")]),
    ],
)
def test_ways_out_all_drain(action: act.Action, first: list[do.Command]) -> None:
    """Every way out leaves the agent, lets the caller hear the rest, and has 30 s for it."""
    known = facts()

    assert action(known, ANY, NOW) == [*first, *LEAVING]
    assert known.deadlines == {on.CallerSilent: 99.0, on.DrainExpired: 80.0}


def test_listen_on() -> None:
    """The dead-leg timer counts from the last frame, not from now."""
    known = facts(caller_heard_at=48.0)

    assert act.listen_on(known, on.CallerSilent(), NOW) == []
    assert known.deadlines[on.CallerSilent] == 53.0


@pytest.mark.parametrize("reason", Reason)
def test_end_hangs_up_unless_the_call_may_go_on(reason: Reason) -> None:
    """The phone call is ended, except when it outlives its stream; all timers stop."""
    known = facts(ending=Ending(Result.FAILED, reason))

    (end,) = act.end(known, on.CallerHeardAll(), NOW)

    assert isinstance(end, do.End)
    assert end.hang_up is (reason not in OUTLIVED)
    assert known.deadlines == {}


def test_end_by_the_caller_hangs_up_on_nobody() -> None:
    """Who hung up is not hung up on; who only lost the line is, once the call is decided."""
    known = facts(ending=Ending(Result.COMPLETED, Reason.AGENT_ENDED))
    (end,) = act.end(known, on.CallerLeft("hung_up"), NOW)
    assert end == do.End(Ending(Result.COMPLETED, Reason.AGENT_ENDED), hang_up=False)

    (end,) = act.end(known, on.CallerLeft("lost"), NOW)
    assert end == do.End(Ending(Result.COMPLETED, Reason.AGENT_ENDED), hang_up=True)


def test_call_that_is_let_go_is_not_hung_up_on() -> None:
    """However a call was ending, a caller who talks to somebody else was put through, and is left alone."""
    known = facts(ending=Ending(Result.COMPLETED, Reason.AGENT_ENDED))
    transferred = Ending(Result.COMPLETED, Reason.TRANSFERRED)

    assert act.let_go(known, on.Transferred(), NOW) == [do.End(transferred, hang_up=False)]
    assert known.ending == transferred
    assert known.deadlines == {}


def test_end_without_a_reason_is_a_bug() -> None:
    """A call that ends without anybody having said how is a bug of ours and says so."""
    with pytest.raises(AssertionError, match="CallerHeardAll ends the call but nothing says how"):
        act.end(facts(), on.CallerHeardAll(), NOW)
