"""The deeds of the gateway's own tools, in whole calls: goodbyes that drain, keys, transfers."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.audio import dtmf
from gateway.bridge import events as on
from gateway.bridge.actions import Timers
from gateway.bridge.controls import Controls
from gateway.errors import ToolError
from gateway.records import Ending, Reason, Result, StreamLost, ToolRun
from gateway.tools.controls import CallControls
from gateway.tools.question import ComfortPlan, ToolOutcome
from gateway.vatel import messages as vatel
from tests.bridge.stage import CALL, FINE, Agent, Carrier, Deed, Stage, Tools
from tests.virtual_time import on_virtual_time

CALL_TOOL = vatel.ToolCall("t-1", "tool", ())
BY_TOOL = Ending(Result.COMPLETED, Reason.AGENT_ENDED, "end_call")
TRANSFERRED = Ending(Result.COMPLETED, Reason.TRANSFERRED)
BUSY = ToolError("The line is busy.", reason="transfer_busy")


def stage_with(deed: Deed, **known: object) -> Stage:
    """Return a stage whose one tool does a deed."""
    return Stage(tools=Tools(deeds={"tool": deed}), **known)  # type: ignore[arg-type]


async def end(controls: CallControls) -> ToolOutcome:
    """End the call."""
    controls.end()
    return FINE


async def transfer(controls: CallControls) -> ToolOutcome:
    """Put the caller through."""
    await controls.transfer("+4930999", 20)
    return FINE


def statuses(stage: Stage) -> list[tuple[str, str]]:
    """Return how the tools went."""
    return [(run.status, run.detail) for run in stage.journaled if isinstance(run, ToolRun)]


# --- end_call


@on_virtual_time
async def test_goodbye_is_heard_out_before_the_call_ends() -> None:
    """The agent asks to end the call, then says goodbye: the caller hears all of it, and is hung up on."""
    async with stage_with(end).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(1.5)
        assert [answer.id for answer in stage.agent.answers] == ["t-1"]
        stage.agent.speak("t1", 3_000, text="Goodbye, and thank you.")
        await stage.talk(3.9)
        assert stage.hung_up == []
        await stage.talk(1.0)

        assert await stage.ended() == BY_TOOL
    assert stage.hung_up == [CALL]
    assert stage.phone.heard_ms == 3_000 + 250
    [entry] = stage.entries()
    assert (entry.heard_ms, entry.cut) == (3_000, False)


@on_virtual_time
async def test_goodbye_that_was_said_first_is_heard_out_too() -> None:
    """An agent that says goodbye and then asks to end the call has no more to say: 2 s, and the rest."""
    async with stage_with(end).play() as stage:
        stage.agent.speak("t1", 4_000, text="Goodbye.")
        stage.agent.say(CALL_TOOL)
        await stage.talk(5.0)

        assert await stage.ended() == BY_TOOL
    assert stage.phone.heard_ms == 4_000 + 250
    assert stage.end().at_s == pytest.approx(4.25, abs=0.05)


@on_virtual_time
async def test_goodbye_in_pieces_is_one_goodbye() -> None:
    """Between two sentences an agent may breathe for less than a second."""
    async with stage_with(end).play() as stage:
        stage.agent.say(CALL_TOOL)
        for number in range(3):
            stage.agent.speak(f"t{number}", 1_000)
            await stage.talk(1.8)
        await stage.talk(1.0)

        assert await stage.ended() == BY_TOOL
    assert stage.phone.heard_ms == 3_000 + 250


@on_virtual_time
async def test_silent_goodbye() -> None:
    """An agent that asks to end the call and says nothing is waited for for 2 s."""
    async with stage_with(end).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(3.0)

        assert await stage.ended() == BY_TOOL
    assert stage.end().at_s == pytest.approx(2.25, abs=0.05)


@on_virtual_time
async def test_goodbye_without_end() -> None:
    """An agent that will not stop, and a caller who talks on, have 10 s; what was said is heard out."""
    async with stage_with(end).play() as stage:
        stage.agent.say(CALL_TOOL)
        for number in range(30):
            stage.agent.say(vatel.SpeechStarted())
            stage.agent.speak(f"t{number}", 500)
            await stage.talk(0.5)

        assert await stage.ended() == BY_TOOL
    assert stage.end().at_s == pytest.approx(10.25, abs=0.1)


# --- send_dtmf


@on_virtual_time
async def test_keys_stand_behind_the_agents_words_and_outlast_the_next() -> None:
    """Keys are heard whole, once, between what the agent said before and what it says after."""
    keys = dtmf.tones("12#")

    async def press(controls: CallControls) -> ToolOutcome:
        controls.press("12#")
        return FINE

    async with stage_with(press).play() as stage:
        stage.agent.speak("t1", 1_000)
        stage.agent.say(CALL_TOOL)
        await stage.talk(0.2)
        stage.agent.speak("t2", 500)
        await stage.talk(3.0)

        assert stage.phone.heard_at(keys) == [pytest.approx(1.0, abs=0.03)]
        assert stage.phone.heard_ms == 1_000 + len(keys) // 8 + 500
        assert stage.phone.clears == []


@on_virtual_time
async def test_keys_outlast_an_interruption() -> None:
    """The menu on the line talks over the agent: its words are dropped, its keys are pressed."""
    keys = dtmf.tones("4w2")

    async def press(controls: CallControls) -> ToolOutcome:
        controls.press("4w2")
        return FINE

    async with stage_with(press).play() as stage:
        stage.agent.speak("t1", 3_000)
        stage.agent.say(CALL_TOOL)
        await stage.talk(0.5)
        stage.agent.say(vatel.Interruption())
        await stage.talk(0.3)
        stage.agent.say(vatel.Interruption())
        await stage.talk(2.0)

        assert stage.phone.heard_at(keys) == [pytest.approx(0.5, abs=0.05)]
        assert len(stage.phone.clears) == 1


@on_virtual_time
async def test_keys_leave_without_another_event() -> None:
    """A long word of keys is sent to its end though nothing else happens in the call."""
    keys = dtmf.tones("0123456789")

    async def press(controls: CallControls) -> ToolOutcome:
        controls.press("0123456789")
        await asyncio.sleep(30)
        return FINE

    async with stage_with(press).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(3.0)

        assert len(stage.phone.heard_at(keys)) == 1


@on_virtual_time
async def test_keys_take_the_place_of_the_hold_tone() -> None:
    """The hold tone stops for keys, and begins again when they have been heard."""

    async def hold_and_press(controls: CallControls) -> ToolOutcome:
        controls.hold(30.0)
        await asyncio.sleep(2.0)
        controls.press("1")
        await asyncio.sleep(30.0)
        return FINE

    async with stage_with(hold_and_press).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(4.0)

        assert stage.phone.heard_at(dtmf.tones("1")) == [pytest.approx(2.0, abs=0.05)]
        assert len(stage.phone.clears) == 1
        assert stage.phone.line[round(2.8 * 8_000) :].strip(b"\xff")


@on_virtual_time
async def test_what_is_no_key_is_refused() -> None:
    """A character that is no key raises; nothing is heard."""

    async def press(controls: CallControls) -> ToolOutcome:
        with pytest.raises(ValueError, match="character 2 is no key"):
            controls.press("1x")
        return FINE

    async with stage_with(press).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(0.5)

        assert stage.phone.heard == b""
        assert statuses(stage) == [("ok", "")]


# --- get_call_info, heard_all, press_hold


@on_virtual_time
async def test_facts_of_the_call() -> None:
    """A call knows for how long it has been going on."""
    seen: list[dict[str, object]] = []

    async def look(controls: CallControls) -> ToolOutcome:
        seen.append(controls.facts())
        return FINE

    async with stage_with(look).play() as stage:
        await stage.talk(12.34)
        stage.agent.say(CALL_TOOL)
        await stage.talk(0.1)
    assert seen == [{"duration_s": 12.3}]


def hearing_out(limit_s: float, took: list[float], *, after_hold_s: float = 0.0) -> Deed:
    """Return a deed that hears the agent out and times it, so long after it asked for the hold tone."""

    async def listen(controls: CallControls) -> ToolOutcome:
        assert isinstance(controls, Controls)
        if after_hold_s:
            controls.hold(30.0)
            await asyncio.sleep(after_hold_s)
        now = asyncio.get_running_loop().time
        began = now()
        await controls.heard_all(limit_s)
        took.append(now() - began)
        return FINE

    return listen


@on_virtual_time
async def test_hearing_out_takes_as_long_as_it_takes() -> None:
    """Who waits for the caller's ear is let go when all was heard, at the limit, or by an interruption."""
    took: list[float] = []

    async with stage_with(hearing_out(4.0, took)).play() as stage:
        for number, (spoken_ms, cut_after_s) in enumerate(
            [(0, None), (2_000, None), (9_000, None), (3_000, 1.0)]
        ):
            if spoken_ms:
                stage.agent.speak(f"t{number}", spoken_ms)
            stage.agent.say(vatel.ToolCall(f"t-{number}", "tool", ()))
            await stage.talk(cut_after_s or 10.0)
            if cut_after_s:
                stage.agent.say(vatel.Interruption())
                await stage.talk(1.0)

    assert [round(seconds, 1) for seconds in took] == [0.0, 2.0, 4.0, pytest.approx(1.1, abs=0.2)]


@pytest.mark.parametrize(
    ("echoes", "late_s", "took_s"), [(True, 0.0, 2.0), (True, 0.3, 2.3), (False, 0.0, 4.0)]
)
def test_hearing_out_waits_for_the_mark_and_not_for_ever(echoes: bool, late_s: float, took_s: float) -> None:
    """In a first turn nobody knows yet how far the ear is behind our clock; the mark says so, unless lost."""

    @on_virtual_time
    async def run() -> None:
        took: list[float] = []

        stage = stage_with(hearing_out(10.0, took))
        stage.phone.echoes, stage.phone.echo_late_s = echoes, late_s
        async with stage.play():
            stage.agent.speak("t1", 2_000)
            stage.agent.say(CALL_TOOL)
            await stage.talk(6.0)
        assert took == [pytest.approx(took_s, abs=0.03)]

    run()


@on_virtual_time
async def test_hearing_out_does_not_wait_for_our_own_audio() -> None:
    """The hold tone is nothing that anybody has to hear out."""
    took: list[float] = []

    async with stage_with(hearing_out(10.0, took, after_hold_s=2.0)).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(5.0)
    assert took == [0.0]


async def test_hearing_out_ends_while_the_hold_tone_sounds() -> None:
    """On a clock that goes on while it is read, what is heard now is not heard later than now."""
    took: list[float] = []

    async with stage_with(hearing_out(3.0, took, after_hold_s=1.0)).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(1.5)
        assert stage.phone.heard
    assert took == [pytest.approx(0.0, abs=0.4)]


@on_virtual_time
async def test_hearing_out_waits_for_a_turn_that_nobody_declared_final() -> None:
    """Its mark follows once the agent says no more."""
    took: list[float] = []

    stage = stage_with(hearing_out(10.0, took))
    stage.phone.echo_late_s = 0.3
    async with stage.play():
        for _ in range(25):
            stage.agent.speak("t1", 20, final=False)
            await stage.talk(0.02)
        stage.agent.say(CALL_TOOL)
        await stage.talk(3.0)
    assert stage.phone.heard_ms == 500
    assert len(took) == 1
    assert 0.3 < took[0] < 0.6


@on_virtual_time
async def test_no_hold_tone_without_the_agent() -> None:
    """A wish for the tone that comes while the agent is being replaced is the lost one's: nobody heeds it."""

    async def hold_late(controls: CallControls) -> ToolOutcome:
        await asyncio.sleep(1.0)
        controls.hold(30.0)
        return FINE

    first = Agent().start()
    async with stage_with(hold_late, script=[first]).play() as stage:
        first.say(CALL_TOOL)
        await stage.talk(0.5)
        first.drop()
        await stage.talk(1.9)

        assert not stage.phone.line[round(1.3 * 8_000) :].strip(b"\xff")


# --- transfer_call


@on_virtual_time
async def test_caller_is_put_through_when_they_have_heard_the_agent_out() -> None:
    """The carrier is asked once the caller has heard why; the agent is told; nobody hangs up."""
    carrier = Carrier()
    async with stage_with(transfer, carrier=carrier).play() as stage:
        stage.agent.speak("t1", 2_000, text="I will put you through.")
        stage.agent.say(CALL_TOOL)
        await stage.talk(1.9)
        assert carrier.asked == []
        await stage.talk(0.2)
        assert carrier.asked == [(CALL.call_sid, "+4930999", 20)]
        await stage.talk(1.0)

        assert await stage.ended() == TRANSFERRED
        assert [type(each) for each in stage.journaled][-1] is StreamLost
    assert [answer.id for answer in stage.agent.answers] == ["t-1"]
    assert statuses(stage) == [("ok", "")]
    assert (stage.hung_up, stage.phone.closed, stage.agent.closed) == ([], [1000], [1000])
    assert stage.end().ending == TRANSFERRED


@on_virtual_time
async def test_refused_transfer_is_an_answer_and_the_call_goes_on() -> None:
    """The agent learns why the carrier refused, talks on, and may try another number."""
    carrier = Carrier(refusal=BUSY)
    async with stage_with(transfer, carrier=carrier).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(1.0)
        assert [answer.output for answer in stage.agent.answers] == ["The line is busy."]
        stage.agent.speak("t1", 500)
        stage.agent.say(vatel.ToolCall("t-2", "tool", ()))
        await stage.talk(2.0)

        assert len(carrier.asked) == 2
        assert stage.phone.heard_ms == 500
    assert statuses(stage) == [("error", "transfer_busy")] * 2
    assert stage.end().ending.reason is Reason.CALLER_HUNG_UP


async def agent_ends(stage: Stage) -> None:
    """The agent says that it is done."""
    stage.agent.say(vatel.SessionEnded())


async def agent_is_lost(stage: Stage) -> None:
    """The agent's socket breaks."""
    stage.agent.drop()


async def stream_stops(stage: Stage) -> None:
    """Twilio stops the stream, as it does when a call gets new orders."""
    stage.phone.hang_up()


async def stream_breaks(stage: Stage) -> None:
    """The stream's socket breaks."""
    stage.phone.drop()


async def process_leaves(stage: Stage) -> None:
    """The process is to leave, and insists."""
    stage.session.post(on.ShutdownDue())
    await asyncio.sleep(0.2)
    stage.session.post(on.ShutdownDue())


async def operator_ends(stage: Stage) -> None:
    """Somebody ends the call by command."""
    stage.session.post(on.OperatorEnded())


async def agent_asks_to_end(stage: Stage) -> None:
    """The agent asks to end the call as well."""
    stage.agent.say(vatel.ToolCall("t-2", "end", ()))


async def time_is_up(stage: Stage) -> None:
    """The longest time for a call passes."""


TROUBLES = [
    agent_ends,
    agent_is_lost,
    stream_stops,
    stream_breaks,
    process_leaves,
    operator_ends,
    agent_asks_to_end,
    time_is_up,
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_nobody_hangs_up_on_a_caller_who_is_put_through(trouble: Callable[[Stage], Awaitable[None]]) -> None:
    """Whatever happens while the carrier is asked, the call is put through and not ended."""

    @on_virtual_time
    async def play() -> None:
        tools = Tools(deeds={"tool": transfer, "end": end})
        carrier = Carrier(wait_s=4.0)
        async with Stage(tools=tools, carrier=carrier, timers=Timers(call_s=2.0)).play() as stage:
            stage.agent.say(CALL_TOOL)
            await stage.talk(0.5)
            await trouble(stage)
            await asyncio.sleep(4.0)

            assert await stage.ended() == TRANSFERRED
        assert stage.hung_up == []
        assert carrier.cancelled == 0

    play()


@pytest.mark.parametrize(
    ("trouble", "reason", "hung_up"),
    [
        (agent_ends, Reason.AGENT_ENDED, True),
        (stream_stops, Reason.CALLER_HUNG_UP, False),
        (operator_ends, Reason.OPERATOR_ENDED, True),
        (stream_breaks, Reason.CALLER_LOST, False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_came_meanwhile_counts_when_the_carrier_refuses(
    trouble: Callable[[Stage], Awaitable[None]], reason: Reason, hung_up: bool
) -> None:
    """What would have ended the call ends it once it is sure that it stays here."""

    @on_virtual_time
    async def play() -> None:
        carrier = Carrier(wait_s=1.0, refusal=BUSY)
        async with stage_with(transfer, carrier=carrier).play() as stage:
            stage.agent.say(CALL_TOOL)
            await stage.talk(0.5)
            await trouble(stage)
            await stage.talk(3.0)

            assert (await stage.ended()).reason is reason
        assert stage.hung_up == [CALL] * hung_up
        assert len(statuses(stage)) == 1

    play()


@pytest.mark.parametrize(
    ("reason", "taken"), [("transfer_timeout", True), ("transfer_not_in_progress", False)]
)
def test_carrier_that_is_not_sure_what_it_did(reason: str, taken: bool) -> None:
    """A stream that stopped while the carrier's answer got lost tells that it did as asked."""

    @on_virtual_time
    async def play() -> None:
        carrier = Carrier(refusal=ToolError("No answer.", reason=reason))
        async with stage_with(transfer, carrier=carrier).play() as stage:
            carrier.then = stage.phone.hang_up
            stage.agent.say(CALL_TOOL)
            await stage.talk(1.0)

            assert (await stage.ended()).reason is (Reason.TRANSFERRED if taken else Reason.CALLER_HUNG_UP)
        assert stage.hung_up == []

    play()


@on_virtual_time
async def test_carrier_that_never_answers() -> None:
    """A carrier that says nothing for 25 s has refused; the call goes on."""
    carrier = Carrier(wait_s=1_000.0)
    async with stage_with(transfer, carrier=carrier).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(24.5)
        assert statuses(stage) == []
        await stage.talk(1.0)

        assert statuses(stage) == [("error", "timeout")]
        stage.agent.speak("t1", 300)
        await stage.talk(1.0)
        assert stage.phone.heard_ms == 300


@on_virtual_time
async def test_tool_that_gives_up_does_not_call_the_carrier_back() -> None:
    """A tool whose own deadline passes while the carrier is asked misses the answer, not the transfer."""

    async def impatient(controls: CallControls) -> ToolOutcome:
        try:
            async with asyncio.timeout(1.0):
                await controls.transfer("+4930999", 20)
        except TimeoutError:
            return ToolOutcome("late", "late", failure="timeout")
        return FINE

    carrier = Carrier(wait_s=3.0)
    async with stage_with(impatient, carrier=carrier).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(4.0)

        assert await stage.ended() == TRANSFERRED
    assert carrier.cancelled == 0
    assert statuses(stage) == [("error", "timeout")]


@on_virtual_time
async def test_one_transfer_at_a_time() -> None:
    """A second transfer while the first is under way is refused; the first goes its way."""
    carrier = Carrier(wait_s=1.0)
    async with stage_with(transfer, carrier=carrier).play() as stage:
        stage.agent.say(CALL_TOOL, vatel.ToolCall("t-2", "tool", ()))
        await stage.talk(2.0)

        assert await stage.ended() == TRANSFERRED
    assert len(carrier.asked) == 1
    assert statuses(stage) == [("error", "transfer_under_way"), ("ok", "")]


@on_virtual_time
async def test_no_transfer_of_a_call_that_is_ending() -> None:
    """A call that is being ended by command is not put through any more."""

    async def late(controls: CallControls) -> ToolOutcome:
        await asyncio.sleep(0.5)
        return await transfer(controls)

    async with stage_with(late).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(0.2)
        stage.session.post(on.OperatorEnded())
        await stage.talk(3.0)

        assert (await stage.ended()).reason is Reason.OPERATOR_ENDED
    assert stage.carrier.asked == []
    assert statuses(stage) == [("undeliverable", "call_ending")]


@on_virtual_time
async def test_call_that_is_ended_while_the_caller_hears_the_agent_out() -> None:
    """Until the carrier is asked an operator may end the call: then it is not asked."""
    async with stage_with(transfer).play() as stage:
        stage.agent.speak("t1", 5_000)
        stage.agent.say(CALL_TOOL)
        await stage.talk(1.0)
        stage.session.post(on.OperatorEnded())
        await stage.talk(3.0)

        assert (await stage.ended()).reason is Reason.OPERATOR_ENDED
    assert stage.carrier.asked == []
    assert stage.hung_up == [CALL]


@on_virtual_time
async def test_agent_that_leaves_after_it_asked_for_a_transfer() -> None:
    """An agent that says its sentence, asks for a transfer and ends its session has its transfer."""
    async with stage_with(transfer).play() as stage:
        stage.agent.speak("t1", 2_000)
        stage.agent.say(CALL_TOOL, vatel.SessionEnded())
        await stage.talk(3.0)

        assert await stage.ended() == TRANSFERRED
    assert stage.hung_up == []
    assert stage.phone.heard_ms == 2_000 + 250


@on_virtual_time
async def test_comfort_covers_the_carriers_answer() -> None:
    """While the carrier is asked the caller waits as for any tool."""
    tools = Tools(deeds={"tool": transfer}, comfort=ComfortPlan(hold_s=1.0))
    async with Stage(tools=tools, carrier=Carrier(wait_s=3.0)).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(2.0)

        assert stage.phone.line[round(1.1 * 8_000) :].strip(b"\xff")


@on_virtual_time
async def test_process_that_goes_down_while_the_carrier_is_asked() -> None:
    """A call cut in the middle of a transfer is not hung up on, and its tool has its record."""
    async with stage_with(transfer, carrier=Carrier(wait_s=3.0)).play() as stage:
        stage.agent.say(CALL_TOOL)
        await stage.talk(0.5)
        assert stage.running is not None
        stage.running.cancel()
    assert stage.end().ending.reason is Reason.SHUTDOWN
    assert stage.hung_up == []
    assert statuses(stage) == [("undeliverable", "call_ended")]
