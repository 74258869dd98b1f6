"""Comfort in whole calls: what the caller hears while tools run, on the phone's own clock."""

import pytest

from gateway.audio import clips
from gateway.audio.clips import HOLD_NOTE_BYTES
from gateway.bridge import events as on
from gateway.tools.controls import CallControls
from gateway.tools.question import ComfortPlan, ToolOutcome
from gateway.vatel import messages as vatel
from tests.bridge.stage import FINE, Agent, Stage, Tools
from tests.virtual_time import on_virtual_time

BOOK = vatel.ToolCall("t-1", "book", ())
FILLER = clips.load("one_moment")
HOLD = clips.load("hold")
NOTE = HOLD[:HOLD_NOTE_BYTES]
NOTE_S = HOLD_NOTE_BYTES / 8_000
PLAN = ComfortPlan(filler_s=1.0, filler=FILLER, hold_s=3.0)
LATE_S = 0.03  # the session's own steps, and the clock's slack


def waiting(wait_s: float = 30.0, plan: ComfortPlan = PLAN) -> Stage:
    """Return a stage whose tools take their time."""
    return Stage(tools=Tools(wait_s=wait_s, comfort=plan))


def silent_from(stage: Stage, at_s: float) -> bool:
    """Say whether nothing was heard from a time on."""
    return not stage.phone.line[round(at_s * 8_000) :].strip(b"\xff")


@on_virtual_time
async def test_filler_then_hold_tone_then_the_agent() -> None:
    """Filler and tone are heard at their times, the tone as one piece, until the agent's next audio."""
    async with waiting(9.0).play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(9.3)
        assert stage.agent.answers
        stage.agent.speak("t1", 500, text="Booked.")
        await stage.talk(2.0)

        assert stage.phone.heard_at(FILLER) == [pytest.approx(1.0, abs=LATE_S)]
        [began, again] = stage.phone.heard_at(NOTE)
        assert began == pytest.approx(3.0, abs=LATE_S)
        assert again == pytest.approx(began + 4 * NOTE_S)
        heard = stage.phone.line[round(began * 8_000) : round(9.3 * 8_000)]
        assert heard == (HOLD * 2)[: len(heard)]
        assert len(stage.phone.clears) == 1
        assert silent_from(stage, 9.3 + 0.1 + 0.5 + 0.1)
    assert stage.end().counters["underruns"] == 0


@on_virtual_time
async def test_little_of_the_tone_is_in_the_buffer() -> None:
    """No more than 1.3 s of the tone is ahead of the ear, so that little is left to be dropped."""
    async with waiting().play() as stage:
        stage.agent.say(BOOK)
        most_s = 0.0
        for _ in range(200):
            await stage.talk(0.04)
            now = stage.clock.now()
            most_s = max(most_s, stage.leg.downlink.playout.free_at(now) - now)

        assert 0.7 < most_s <= 1.3 + LATE_S


@on_virtual_time
async def test_nothing_of_ours_over_the_agent() -> None:
    """The filler waits until the agent, who spoke as it asked, has been heard, and half a second."""
    async with waiting().play() as stage:
        stage.agent.speak("t1", 2_500, text="Let me see.")
        stage.agent.say(BOOK)
        await stage.talk(3.6)

        assert stage.phone.heard_at(FILLER) == [pytest.approx(2.5 + 0.5, abs=LATE_S)]


@on_virtual_time
async def test_nothing_of_ours_over_the_caller() -> None:
    """The tone stops the moment the caller begins, and begins again half a second after they stop."""
    async with waiting().play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(4.0)
        stage.agent.say(vatel.SpeechStarted())
        await stage.talk(2.0)
        assert len(stage.phone.clears) == 1
        assert silent_from(stage, 4.0 + LATE_S)
        stage.agent.say(vatel.SpeechStopped())
        await stage.talk(2.0)

        assert stage.phone.heard_at(NOTE)[-1] == pytest.approx(6.0 + 0.5, abs=LATE_S)
        assert len(stage.phone.heard_at(FILLER)) == 1


@on_virtual_time
async def test_words_without_a_start_hush_it_too() -> None:
    """A start made up by the platform counts until the words are final."""
    async with waiting().play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(4.0)
        stage.agent.say(vatel.SpeechStarted(emulated=True), vatel.InputTranscript("are you", None, False))
        await stage.talk(1.0)
        assert silent_from(stage, 4.0 + LATE_S)
        stage.agent.say(vatel.InputTranscript("Are you there?", None, True))
        await stage.talk(2.0)

        assert stage.phone.heard_at(NOTE)[-1] == pytest.approx(5.0 + 0.5, abs=LATE_S)


@on_virtual_time
async def test_interruption_alone_hushes_it() -> None:
    """An interruption says that the caller talks; it is counted without our own audio."""
    async with waiting().play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(4.0)
        stage.agent.say(vatel.Interruption())
        await stage.talk(1.0)

        assert silent_from(stage, 4.0 + LATE_S)
    [interrupted] = [each for each in stage.journaled if type(each).__name__ == "Interrupted"]
    assert getattr(interrupted, "dropped_ms", None) == 0


@on_virtual_time
async def test_wait_for_a_lost_agent_is_another_one() -> None:
    """When the agent is lost the tone stops; what covers the new connect is the clip for that."""
    first, second = Agent().start(), Agent()
    tools = Tools(wait_s=30.0, comfort=PLAN)
    async with Stage([first, second], tools=tools).play() as stage:
        first.say(BOOK)
        await stage.talk(4.0)
        first.drop()
        await stage.talk(1.5)

        assert stage.phone.heard_at(FILLER)[-1] == pytest.approx(4.0, abs=LATE_S)
        assert silent_from(stage, 4.0 + len(FILLER) / 8_000 + LATE_S)


@on_virtual_time
async def test_goodbye_stops_the_tone() -> None:
    """A call that ends by command says goodbye, and nothing of the tone is left around it."""
    async with waiting().play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(4.0)
        stage.session.post(on.OperatorEnded())
        await stage.talk(3.0)

        [goodbye] = stage.phone.heard_at(clips.load("goodbye"))
        assert goodbye == pytest.approx(4.0, abs=LATE_S)
        assert silent_from(stage, goodbye + len(clips.load("goodbye")) / 8_000)


@on_virtual_time
async def test_late_end_of_the_agents_words_does_not_stop_it() -> None:
    """An empty last chunk of words that were heard long ago is no new audio: the tone goes on, unbroken."""
    async with waiting().play() as stage:
        stage.agent.speak("t1", 500, final=False)
        stage.agent.say(BOOK)
        await stage.talk(3.4)
        stage.agent.say(vatel.ResponseAudio("t1", b"", True))
        await stage.talk(3.0)

        [began, *_] = stage.phone.heard_at(NOTE)
        assert stage.phone.heard_at(HOLD[: round(2.5 * 8_000)]) == [began]
        assert stage.phone.clears == []


@on_virtual_time
async def test_refused_audio_does_not_stop_it() -> None:
    """Late audio of a turn that the caller cut is not heard, and ends no wait."""
    async with waiting().play() as stage:
        stage.agent.speak("t1", 5_000, final=False)
        await stage.talk(0.5)
        stage.agent.say(vatel.Interruption(), vatel.InputTranscript("Stop.", None, True), BOOK)
        await stage.talk(4.0)
        stage.agent.speak("t1", 1_000)
        await stage.talk(2.0)

        assert stage.phone.heard_at(HOLD[: round(2.0 * 8_000)]) != []


@on_virtual_time
async def test_agent_that_pauses_for_the_caller() -> None:
    """Under ``pause`` the agent's held words come first, and the filler after them."""
    tools = Tools(wait_s=30.0, comfort=PLAN)
    async with Stage(tools=tools, barge_in="pause").play() as stage:
        stage.agent.speak("t1", 2_000)
        stage.agent.say(BOOK)
        await stage.talk(0.5)
        stage.agent.say(vatel.SpeechStarted())
        await stage.talk(3.0)
        assert stage.phone.heard_at(FILLER) == []
        stage.agent.say(vatel.SpeechStopped())
        await stage.talk(4.0)

        spoken_s = 2.0 + 3.0 - 0.2  # the lead was heard while the rest was held
        assert stage.phone.heard_at(FILLER) == [pytest.approx(spoken_s + 0.5, abs=0.15)]


@on_virtual_time
async def test_hold_tone_at_the_agents_wish() -> None:
    """A tool that asks for the hold tone has it at once, until the agent speaks again."""

    async def hold(controls: CallControls) -> ToolOutcome:
        controls.hold(60.0)
        return FINE

    async with Stage(tools=Tools(deeds={"book": hold})).play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(5.0)
        stage.agent.speak("t1", 500)
        await stage.talk(2.0)

        [began, *_] = stage.phone.heard_at(NOTE)
        assert began == pytest.approx(0.0, abs=LATE_S)
        assert silent_from(stage, 5.0 + 0.1 + 0.5 + 0.1)
