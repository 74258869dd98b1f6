"""A call as a running thing: real session, legs, chains and journal between two fake wires."""

import asyncio
from weakref import ref

import pytest
import structlog

from gateway.bridge import events as on
from gateway.bridge.actions import Timers
from gateway.errors import AgentConnectError, VatelApiError
from gateway.recording.tape import Recorder
from gateway.recording.timeline import Timeline
from gateway.records import (
    AgentResponded,
    Ending,
    Interrupted,
    KeyPressed,
    Reason,
    Result,
    StateChanged,
    StreamLost,
)
from gateway.vatel import messages as vatel
from tests.bridge.stage import CALL, Agent, Stage, speech
from tests.uncollected import uncollected
from tests.virtual_time import on_virtual_time

CLIP_MS = {"one_moment": 700}
BOOK = vatel.ToolCall("t-1", "book", (vatel.Argument("size", data_type="number", value="2"),))


def completed(reason: Reason, detail: str = "") -> Ending:
    """Return a completed ending."""
    return Ending(Result.COMPLETED, reason, detail)


def failed(reason: Reason, detail: str = "") -> Ending:
    """Return a failed ending."""
    return Ending(Result.FAILED, reason, detail)


@on_virtual_time
async def test_whole_call_ended_by_agent() -> None:
    """Both sides talk, the agent says goodbye and ends, the caller hears it out and is hung up on."""
    async with Stage().play() as stage:
        stage.agent.speak("t1", 500, text="Hello.")
        await stage.talk(1.0)
        stage.agent.say(vatel.InputTranscript("Bye.", None, True))
        stage.agent.speak("t2", 2000, text="Goodbye.")
        stage.agent.say(vatel.SessionEnded())
        await stage.talk(1.0)
        assert not stage.hung_up
        await stage.talk(1.5)

        assert await stage.ended() == completed(Reason.AGENT_ENDED)
    assert (stage.hung_up, stage.phone.closed, stage.agent.closed) == ([CALL], [1000], [1000])
    assert stage.phone.heard_ms == 2500 + 250  # the silence behind the last word
    assert [(e.role, e.text, e.heard_ms, e.total_ms, e.cut) for e in stage.entries()] == [
        ("agent", "Hello.", 500, 500, False),
        ("caller", "Bye.", None, None, False),
        ("agent", "Goodbye.", 2000, 2000, False),
    ]
    states = [e.state for e in stage.journaled if isinstance(e, StateChanged)]
    assert states == ["talking", "draining", "ended"]


@on_virtual_time
async def test_caller_audio_reaches_the_agent() -> None:
    """Each frame of the caller arrives as 20 ms at 24 kHz, less what the resampler keeps."""
    async with Stage().play() as stage:
        await stage.talk(2.0)

        assert abs(len(stage.agent.audio) // 48 - 2000) <= 50
    counters = stage.end().counters
    assert counters["caller_frames"] == 100
    assert counters["unsent_frames"] + len(stage.agent.audio) / 960 == pytest.approx(100, abs=3)


@on_virtual_time
async def test_caller_hangs_up() -> None:
    """A caller who hangs up ends the call at once; nobody hangs up on them."""
    async with Stage().play() as stage:
        stage.agent.speak("t1", 5000)
        await stage.talk(1.0)
        stage.phone.hang_up()

        assert await stage.ended() == completed(Reason.CALLER_HUNG_UP)
    assert (stage.hung_up, stage.agent.closed, stage.phone.closed) == ([], [1000], [1000])


@on_virtual_time
async def test_hang_up_before_the_agent_is_there() -> None:
    """A hang-up in the first moments cancels the dialling and leaves no session behind."""
    async with Stage([]).play() as stage:
        await stage.talk(0.1)
        stage.phone.hang_up()

        assert await stage.ended() == completed(Reason.CALLER_HUNG_UP)
    assert stage.end().counters["sessions"] == 1


@on_virtual_time
async def test_barge_in_clears_and_refuses_late_audio() -> None:
    """An interruption silences the caller's ear at once, and what still comes of the turn is refused."""
    async with Stage().play() as stage:
        stage.agent.speak("t1", 10_000, text="A very long list of things to say", final=False)
        await stage.talk(2.0)
        stage.agent.say(vatel.Interruption(), vatel.ResponseAudio("t1", speech(3000), True))
        await stage.talk(1.0)
        cut_ms = stage.phone.heard_ms
        stage.agent.speak("t2", 500, text="Yes?")
        await stage.talk(1.0)

        assert len(stage.phone.clears) == 1
        assert cut_ms == pytest.approx(2000, abs=60)
        assert stage.phone.heard_ms == cut_ms + 500
        first, second = stage.entries()
    assert first.cut
    assert first.total_ms == pytest.approx(9975, abs=5)
    assert first.heard_ms == pytest.approx(cut_ms, abs=25)
    assert first.heard_text is not None
    assert first.text.startswith(first.heard_text)
    assert len(first.heard_text) < len(first.text)
    assert (second.cut, second.heard_ms) == (False, 500)
    (interrupted,) = (e for e in stage.journaled if isinstance(e, Interrupted))
    assert interrupted.dropped_ms == pytest.approx(9975 - cut_ms, abs=25)
    assert stage.end().counters["agent_late_bytes"] == len(speech(3000))
    assert stage.end().counters["interruptions"] == 1


@on_virtual_time
async def test_pause_policy_holds_and_goes_on() -> None:
    """Under ``pause`` speech holds the agent after its lead, and silence lets it go on where it stopped."""
    async with Stage(barge_in="pause").play() as stage:
        stage.agent.speak("t1", 3000)
        await stage.talk(1.0)
        stage.agent.say(vatel.SpeechStarted())
        await stage.talk(2.0)
        held_ms = stage.phone.heard_ms
        stage.agent.say(vatel.SpeechStopped())
        await stage.talk(3.0)

        assert held_ms == pytest.approx(1100, abs=100)
        assert stage.phone.heard_ms == 3000
        assert stage.phone.clears == []


@on_virtual_time
async def test_pause_policy_clears_on_interruption() -> None:
    """Under ``pause`` an interruption drops what was held; the next turn is heard."""
    async with Stage(barge_in="pause").play() as stage:
        stage.agent.speak("t1", 3000)
        await stage.talk(1.0)
        stage.agent.say(vatel.SpeechStarted())
        await stage.talk(0.5)
        stage.agent.say(vatel.Interruption())
        stage.agent.speak("t2", 300)
        await stage.talk(1.0)

        assert stage.phone.heard_ms == pytest.approx(1400, abs=100)


@on_virtual_time
async def test_caller_hangs_up_on_the_agent() -> None:
    """Of a turn that the caller hung up on, the transcript says what was heard; it is no interruption."""
    async with Stage().play() as stage:
        stage.agent.speak("t1", 5000, text="This is a rather long story about nothing")
        await stage.talk(1.0)
        stage.phone.hang_up()
        assert await stage.ended() == completed(Reason.CALLER_HUNG_UP)
    [entry] = stage.entries()
    assert entry.cut
    assert entry.heard_ms == pytest.approx(1000, abs=60)
    assert entry.heard_text is not None
    assert len(entry.heard_text) < len(entry.text)
    assert stage.end().counters["interruptions"] == 0


@on_virtual_time
async def test_mark_of_the_goodbye_never_comes_back() -> None:
    """Without its last mark the call ends 2 s after the goodbye must have been heard."""
    async with Stage().play() as stage:
        stage.phone.echoes = False
        stage.agent.speak("t1", 1000)
        stage.agent.say(vatel.SessionEnded())
        before = asyncio.get_running_loop().time()
        await stage.talk(4.0)

        assert await stage.ended() == completed(Reason.AGENT_ENDED)
    assert stage.end().at_s == pytest.approx(1.0 + 0.25 + 2.0, abs=0.1)
    assert asyncio.get_running_loop().time() - before == pytest.approx(4.0, abs=0.1)


@on_virtual_time
async def test_lost_agent_is_replaced_with_the_story_so_far() -> None:
    """A lost session is covered by a clip and replaced by one that knows what was said."""
    first, second = Agent().start(), Agent()
    async with Stage([first, second]).play() as stage:
        first.speak("turn-1", 400, text="Hello, how can I help?")
        first.say(vatel.InputTranscript("A table for two.", None, True))
        await stage.talk(1.0)
        first.drop()
        await stage.talk(1.0)
        second.start().speak("turn-1", 600, text="Sorry, please go on.")
        await stage.talk(1.5)

        assert stage.agents.told == ["", "You: Hello, how can I help?\nCaller: A table for two."]
        assert stage.phone.heard_ms == 400 + CLIP_MS["one_moment"] + 600
        assert [e.text for e in stage.entries() if e.role == "agent"] == [
            "Hello, how can I help?",
            "Sorry, please go on.",
        ]
    assert stage.end().counters["sessions"] == 2
    assert (first.closed, second.closed) == ([1000], [1000])


@on_virtual_time
async def test_turn_names_of_a_new_session_are_new() -> None:
    """A session that counts its turns from one again is heard, though that turn of the lost one was cut."""
    first, second = Agent().start(), Agent().start()
    async with Stage([first, second]).play() as stage:
        first.speak("turn-1", 3000, text="Long", final=False)
        await stage.talk(1.0)
        first.say(vatel.Interruption())
        await stage.talk(0.1)
        first.drop()
        second.speak("turn-1", 600, text="Here I am.")
        await stage.talk(2.0)

        assert stage.phone.heard_ms >= 1000 + 600
        assert [(e.text, e.cut) for e in stage.entries()] == [("Long", True), ("Here I am.", False)]


@on_virtual_time
async def test_second_loss_ends_with_an_apology() -> None:
    """The second loss ends the call: apology, then hang-up."""
    first, second = Agent().start(), Agent().start()
    async with Stage([first, second]).play() as stage:
        await stage.talk(0.5)
        first.drop(1011)
        await stage.talk(0.5)
        second.drop(1011)
        await stage.talk(10)

        assert await stage.ended() == failed(Reason.AGENT_LOST, "close_1011")
    assert stage.hung_up == [CALL]
    assert stage.phone.heard_ms > 3000


@on_virtual_time
async def test_agent_that_refuses_is_not_asked_twice() -> None:
    """A refused token ends the call with an apology after one attempt."""
    async with Stage([VatelApiError("no", reason="unauthorized", status=401)]).play() as stage:
        await stage.talk(10)

        assert await stage.ended() == failed(Reason.AGENT_UNREACHABLE, "unauthorized")
    assert stage.agents.told == [""]


@on_virtual_time
async def test_agent_that_stumbles_is_asked_again() -> None:
    """A failure that may pass is tried once more, and the call goes on."""
    agent = Agent().start()
    async with Stage([AgentConnectError("no", reason="timeout"), agent]).play() as stage:
        agent.speak("t1", 300)
        await stage.talk(1.0)

        assert stage.phone.heard_ms == 300
    assert stage.end().ending == completed(Reason.CALLER_HUNG_UP)


@on_virtual_time
async def test_agent_that_never_answers() -> None:
    """Dialling that leads nowhere is covered at 2 s and given up at 5 s; no task is left."""
    async with Stage([]).play() as stage:
        await stage.talk(3.0)
        assert stage.phone.heard_ms == CLIP_MS["one_moment"]
        await stage.talk(10)

        assert await stage.ended() == failed(Reason.AGENT_UNREACHABLE, "timeout")
    states = [(e.state, round(e.at_s)) for e in stage.journaled if isinstance(e, StateChanged)]
    assert states[0] == ("draining", 5)
    assert states[-1][0] == "ended"


@on_virtual_time
async def test_bug_in_a_handler_ends_this_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of ours ends its call with internal_error, said in one log line; its neighbour goes on."""

    def broken(digit: str) -> None:
        raise ZeroDivisionError("a bug")

    neighbour = Stage()
    async with Stage().play() as stage, neighbour.play():
        monkeypatch.setattr(stage.session.scribe, "key", broken)
        await stage.talk(0.1)
        with structlog.testing.capture_logs() as logs:
            stage.phone.press("1")
            assert await stage.ended() == failed(Reason.INTERNAL_ERROR)
        neighbour.agent.speak("t1", 300)
        await neighbour.talk(0.5)
        assert neighbour.phone.heard_ms == 300
    assert (stage.hung_up, stage.agent.closed, stage.phone.closed) == ([], [1000], [1011])
    assert [entry["event"] for entry in logs] == ["call_broke", "call_ended"]


@on_virtual_time
async def test_bug_on_the_clock_ends_this_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception on the shared clock goes to the call it belongs to."""
    neighbour = Stage()
    async with Stage().play() as stage, neighbour.play():
        await stage.talk(0.1)

        def broken(now: float) -> None:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(stage.leg, "pump", broken)
        stage.session.post(on.OperatorEnded())
        await neighbour.talk(0.2)
        assert await stage.ended() == failed(Reason.INTERNAL_ERROR)
        assert neighbour.running is not None
        assert not neighbour.running.done()


@on_virtual_time
async def test_ended_by_the_operator() -> None:
    """A call ended by command says goodbye over the agent, then hangs up."""
    async with Stage().play() as stage:
        stage.agent.speak("t1", 9000)
        await stage.talk(1.0)
        stage.session.post(on.OperatorEnded())
        await stage.talk(3.0)

        assert await stage.ended() == completed(Reason.OPERATOR_ENDED)
    assert stage.phone.heard_ms < 3000
    stage.session.post(on.OperatorEnded())
    assert stage.session._alarm.when is None


@on_virtual_time
async def test_keys_are_journaled_and_never_shown() -> None:
    """A key is booked; its digit is in no repr."""
    async with Stage().play() as stage:
        stage.phone.press("7")
        await stage.talk(0.1)
    (key,) = (e for e in stage.journaled if isinstance(e, KeyPressed))
    assert key.digit == "7"
    assert "7" not in repr(key).partition("at_s")[2].partition(",")[2]


@on_virtual_time
async def test_process_that_goes_down_still_books_the_end() -> None:
    """A call whose task is cancelled appends its end all the same, and closes both sockets."""
    async with Stage().play() as stage:
        await stage.talk(0.5)
        assert stage.running is not None
        stage.running.cancel()
    assert stage.end().ending == failed(Reason.SHUTDOWN, "cancelled")
    assert stage.agent.closed == [1000]


@on_virtual_time
async def test_caller_who_sends_nothing() -> None:
    """Five seconds without a frame end the stream; the call itself is left to Twilio's redirect."""
    async with Stage(timers=Timers()).play() as stage:
        await stage.talk(1.0)
        assert await stage.ended() == failed(Reason.CALLER_SILENT)
        assert isinstance(stage.journaled[-1], StreamLost)
    assert stage.end().at_s == pytest.approx(6.0, abs=0.05)
    assert stage.hung_up == []


@on_virtual_time
async def test_answer_of_the_agent_is_timed() -> None:
    """From the end of what the caller said to the first audio that left for them; the greeting is not."""
    async with Stage().play() as stage:
        stage.agent.speak("t1", 300)
        await stage.talk(1.0)
        stage.agent.say(vatel.SpeechStarted(), vatel.SpeechStopped())
        await stage.talk(0.6)
        stage.agent.speak("t2", 300)
        await stage.talk(0.5)
        (answer,) = (e for e in stage.journaled if isinstance(e, AgentResponded))

        assert answer.latency_ms == pytest.approx(600, abs=30)


@on_virtual_time
async def test_operator_puts_the_caller_through() -> None:
    """The carrier is asked once the caller has heard the agent out, and the call leaves the gateway."""
    async with Stage().play() as stage:
        stage.agent.speak("t1", 1_000)
        await stage.talk(0.2)
        async with asyncio.TaskGroup() as group:
            group.create_task(stage.session.controls.transfer("+15005550009", 20))
            await stage.talk(2.0)

        assert stage.carrier.asked == [(CALL.call_sid, "+15005550009", 20)]
        assert await stage.ended() == completed(Reason.TRANSFERRED)


@on_virtual_time
async def test_recorded_call_is_taken_down_on_both_sides() -> None:
    """What the caller says and what they hear are put on the recorder, the goodbye's cut end taken back."""
    recorder = Recorder("r-1", asyncio.get_running_loop().time())
    async with Stage(recorder=recorder).play() as stage:
        stage.agent.speak("t1", 3_000)
        await stage.talk(1.0)
        stage.phone.hang_up()
        await stage.ended()
    timeline = Timeline(recorder.start_s)
    recorder.take(timeline)
    pairs = timeline.finish(asyncio.get_running_loop().time())

    assert len(pairs) / 16 == pytest.approx(1_000, abs=50)
    assert len(pairs[1::2].replace(b"\xff", b"")) / 8 == pytest.approx(1_000, abs=50)


@on_virtual_time
async def test_talk_and_talk_over_are_counted() -> None:
    """The call's counters say how long the caller talked, and for how long of it over the agent."""
    async with Stage().play() as stage:
        stage.agent.speak("t1", 2_000)
        await stage.talk(1.0)
        stage.agent.say(vatel.SpeechStarted())
        await stage.talk(0.4)
        stage.agent.say(vatel.Interruption())
        await stage.talk(0.6)
        stage.agent.say(vatel.SpeechStopped())
        await stage.talk(0.5)
    counters = stage.end().counters

    assert counters["caller_talk_ms"] == pytest.approx(1_000, abs=60)
    assert counters["talk_over_ms"] == pytest.approx(400, abs=60)


@on_virtual_time
async def test_call_that_is_over_is_freed_at_once() -> None:
    """Its parts call it back, and yet nothing of it waits for the collector of cycles."""
    with uncollected():
        async with Stage().play() as stage:
            stage.agent.speak("t1", 500, text="Hello.")
            stage.agent.say(BOOK)
            stage.phone.press("1")
            await stage.talk(1.0)
            stage.phone.hang_up()
            await stage.ended()
        kept: list[ref[object]] = [
            ref(stage.session),
            ref(stage.session._desk),
            ref(stage.session._line),
            ref(stage.session._keypad),
        ]
        del stage.session

        assert [one() for one in kept] == [None] * 4
