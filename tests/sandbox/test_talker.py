"""Whole conversations over a simulated telephone line, in simulated time."""

import json

import numpy as np
import pytest
import soxr

from gateway.audio import ulaw
from gateway.audio.pcm import Pcm, from_bytes, to_bytes
from gateway.audio.resample import make_resampler
from gateway.errors import ConfigError
from gateway.sandbox.faculties import Hearing
from gateway.sandbox.scenario import load
from gateway.sandbox.stage import Opening
from gateway.sandbox.switches import Switches
from gateway.sandbox.talker import Talker, conversation, table_booking
from gateway.speech import extra, stt, tts
from gateway.vatel.messages import (
    InputTranscript,
    Interruption,
    ResponseAudio,
    ResponseText,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
)
from tests.sandbox.rehearsal import Rehearsal

pytestmark = pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")

LINES = (
    "I would like to book a table.",
    "For four people, please.",
    "At seven thirty, please.",
    "Excuse me, do you have parking?",
    "No thank you, goodbye.",
)
UNDERSTOOD = [line.lower().translate(str.maketrans("", "", ".,?")) for line in LINES]
FRAME = 160


class Line:
    """A caller on a telephone: 8 kHz, µ-law, a little noise. Lives as long as its call."""

    def __init__(self, stage: Rehearsal, *, level_db: float, noise_dbfs: float, seed: int) -> None:
        self.stage = stage
        self._up = make_resampler("soxr", 8_000, 24_000)
        self._gain = 10 ** (level_db / 20)
        self._noise = 32_768 * 10 ** (noise_dbfs / 20)
        self._random = np.random.default_rng(seed)

    def say(self, text: str) -> None:
        """Speak, from now."""
        self._send(tts.render(text, tts.CALLER_VOICE, 8_000))

    def wait(self, seconds: float) -> None:
        """Say nothing for a while."""
        self._send(np.zeros(round(seconds * 8_000), np.int16))

    def wait_for_the_end_of(self, beginning: str) -> None:
        """Say nothing until the agent has said a sentence."""
        while not self._said(beginning) and self.stage.now < 60.0 and not self.stage.exits:
            self.wait(0.1)
        texts = [text.text for text in self.stage.of(ResponseText) if text.is_final]
        sentence = next(text for text in texts if text.startswith(beginning))
        self.wait(len(tts.render(sentence, tts.AGENT_VOICE)) / 24_000 + 0.4)

    def wait_for(self, beginning: str) -> None:
        """Say nothing until the agent begins a sentence."""
        while not any(text.text.startswith(beginning) for text in self.stage.of(ResponseText)):
            self.wait(0.02)
            assert self.stage.now < 60.0

    def _said(self, beginning: str) -> bool:
        return any(text.is_final and text.text.startswith(beginning) for text in self.stage.of(ResponseText))

    def _send(self, pcm: Pcm) -> None:
        for start in range(0, len(pcm), FRAME):
            frame = np.zeros(FRAME)
            piece = pcm[start : start + FRAME]
            frame[: len(piece)] = piece * self._gain
            frame += self._random.normal(0.0, self._noise, FRAME)
            coded = ulaw.encode(frame.clip(-32_768, 32_767).astype(np.int16))
            audio = to_bytes(self._up.push(ulaw.decode(coded)))
            self.stage.run_until(self.stage.now + 0.02)
            if audio and not self.stage.exits:
                self.stage.agent.on_audio(audio, self.stage.now)


def ring(
    switches: Switches | None = None,
    script: Talker | None = None,
    *,
    opening: Opening | None = None,
    level_db: float = 0.0,
    noise_dbfs: float = -60.0,
    seed: int = 0,
) -> Line:
    """Return a line to a talker whose session has started."""
    stage = Rehearsal(script or Talker(), switches, opening).start()
    return Line(stage, level_db=level_db, noise_dbfs=noise_dbfs, seed=seed)


def book_a_table(line: Line) -> Rehearsal:
    """Hold the demo's conversation up to the agent's end."""
    stage = line.stage
    line.wait_for_the_end_of("Hello")
    line.say(LINES[0])
    line.wait_for_the_end_of("Gladly")
    line.say(LINES[1])
    line.wait_for_the_end_of("And at")
    line.say(LINES[2])
    while not stage.of(ToolCall) and stage.now < 60.0:
        line.wait(0.1)
    answer = json.dumps({"message": "Your table for four at half past seven is booked."})
    stage.agent.on_tool_output(stage.of(ToolCall)[0].id, answer, stage.now)
    line.wait_for("Tonight")
    line.wait(2.0)
    line.say(LINES[3])
    line.wait_for_the_end_of("Yes")
    line.say(LINES[4])
    line.wait_for_the_end_of("See you")
    return stage


def finals(stage: Rehearsal) -> list[str]:
    """Return what the agent understood, sentence by sentence."""
    return [transcript.text for transcript in stage.of(InputTranscript) if transcript.is_final]


@pytest.mark.parametrize("seed", range(4))
def test_conversation_of_the_demo_goes_as_planned(seed: int) -> None:
    """Every line is understood, the tool gets the right values, one barge-in, a goodbye, under 40 s."""
    tts.render.cache_clear()
    stage = book_a_table(ring(level_db=-3.0 * seed, noise_dbfs=-75.0 + 8.0 * seed, seed=seed))
    (call,) = stage.of(ToolCall)
    assert finals(stage) == UNDERSTOOD
    assert {argument.name: argument.value for argument in call.arguments} == {"people": 4, "time": "19:30"}
    assert {argument.name: argument.data_type for argument in call.arguments} == {
        "people": "number",
        "time": "string",
    }
    assert len(stage.of(Interruption)) == 1
    assert stage.exits == [None]
    assert stage.now < 40.0


def test_speech_of_the_caller_is_framed_by_its_events() -> None:
    """For each utterance: started, interim words that begin the final ones, stopped, final."""
    stage = book_a_table(ring())
    kinds = [type(m) for _, m in stage.sent if isinstance(m, SpeechStarted | SpeechStopped)]
    assert kinds == [SpeechStarted, SpeechStopped] * 5
    interims = [transcript.text for transcript in stage.of(InputTranscript) if not transcript.is_final]
    assert interims
    assert all(any(final.startswith(interim) for final in UNDERSTOOD) for interim in interims)


def test_barge_in_is_noticed_within_300_ms_of_the_first_sound_and_ends_the_turn() -> None:
    """The interruption comes soon after the caller begins, and no audio of the cut turn follows it."""
    line = ring(Switches(pace=1.0))
    line.wait(1.0)
    began = line.stage.now
    line.say(LINES[0])
    (cut,) = line.stage.times_of(Interruption)
    late = [when for when in line.stage.times_of(ResponseAudio) if when > cut]
    assert 0.12 <= cut - began <= 0.3
    assert late == []


def test_cut_greeting_is_answered_all_the_same() -> None:
    """Who interrupts the greeting with the right words has been understood."""
    line = ring()
    line.wait(1.0)
    line.say(LINES[0])
    line.wait_for_the_end_of("Gladly")
    assert finals(line.stage) == [UNDERSTOOD[0]]


def test_silent_caller_is_asked_twice_and_then_helped_along() -> None:
    """Nobody speaks: after two reprompts each, defaults carry the call to its end."""
    stage = ring(script=Talker(scenario=table_booking())).stage.run_until(15.0)
    texts = [text.text for text in stage.of(ResponseText) if text.is_final]
    assert texts[:2] == ["Hello, this is Vatel Bistro. How can I help you?", "Sorry, I did not catch that."]
    stage.run_until(200.0)
    (call,) = stage.of(ToolCall)
    assert {argument.name: argument.value for argument in call.arguments} == {"people": 2, "time": "20:00"}
    assert stage.exits == [None]


def test_first_message_of_the_token_is_spoken() -> None:
    """A first message asked for with the token is what the caller hears first."""
    stage = ring(opening=Opening(first_message="Good evening from the test.")).stage.run_until(3.0)
    assert [text.text for text in stage.of(ResponseText) if text.is_final] == ["Good evening from the test."]
    sent = sum(len(chunk.audio) for chunk in stage.of(ResponseAudio))
    assert sent == 2 * len(tts.render("Good evening from the test.", tts.AGENT_VOICE))


def test_transcripts_name_their_turn_when_asked_to() -> None:
    """With the switch, interim and final transcripts of one utterance share an id."""
    line = ring(Switches(transcript_turn_ids=True))
    line.wait_for_the_end_of("Hello")
    line.say(LINES[0])
    line.wait(1.0)
    assert {transcript.turn_id for transcript in line.stage.of(InputTranscript)} == {"caller-1"}


def test_interims_can_be_switched_off() -> None:
    """Without interims only final transcripts are sent, and emulated starts say so."""
    line = ring(Switches(interim=False, emulated=True))
    line.wait_for_the_end_of("Hello")
    line.say(LINES[0])
    line.wait(1.0)
    assert [transcript.is_final for transcript in line.stage.of(InputTranscript)] == [True]
    assert line.stage.of(SpeechStarted) == [SpeechStarted(emulated=True)]


def test_answer_to_another_call_is_not_taken() -> None:
    """A tool output with an id that is not open leaves the conversation where it is."""
    line = ring()
    before = list(line.stage.sent)
    line.stage.agent.on_tool_output("call-9", "done", line.stage.now)
    assert line.stage.sent == before


def test_every_word_of_the_scenario_has_a_pronunciation() -> None:
    """All grammars of the packaged scenario compile."""
    for grammar in table_booking().grammar.values():
        stt.recogniser().learn(grammar.jsgf)


def test_warm_talker_has_nothing_left_to_render(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a warm-up every line that is known beforehand comes out of the cache, as does every grammar."""
    talker = Talker()
    tts.render.cache_clear()
    talker.warm_up()
    before = tts.render.cache_info()
    monkeypatch.setattr(stt.Recogniser, "_check_words", None)
    talker.warm_up()
    after = tts.render.cache_info()
    assert before.misses == after.misses == len(table_booking().fixed_lines)


def test_talker_converses_without_a_warm_up_too() -> None:
    """A session learns what nobody learnt before it: the greeting covers it."""
    talker = Talker(
        scenario=load('name = "s"\n[grammar.a]\njsgf = "red | blue"\n[[step]]\nid = "b"\nsay = "Hi."')
    )
    ring(script=talker)
    learnt = stt.recogniser()._names
    assert "red | blue" in learnt


def understand(grammar: str, text: str, seed: int) -> str | None:
    """Say a sentence on a telephone line to a grammar of the packaged scenario; return what decides."""
    tts.render.cache_clear()
    heard: list[Pcm] = []

    class Tape:
        """A stage that keeps what it hears."""

        exits: tuple[()] = ()
        now = 0.0

        def run_until(self, when: float) -> None:
            """Let no time pass."""

        @property
        def agent(self) -> "Tape":
            """The agent is the tape."""
            return self

        def on_audio(self, audio: bytes, now: float) -> None:
            """Keep the audio."""
            heard.append(from_bytes(audio))

    line = Line(Tape(), level_db=-4.0, noise_dbfs=-60.0, seed=seed)  # type: ignore[arg-type]
    line.wait(0.3)
    line.say(text)
    line.wait(0.6)
    wide = np.concatenate(heard).astype(np.float32)
    pcm = np.rint(soxr.resample(wide, 24_000, stt.RATE_HZ)).clip(-32_768, 32_767).astype(np.int16)
    wanted = table_booking().grammar[grammar]
    said = stt.recogniser().recognise(wanted.jsgf, pcm)
    return None if said is None else wanted.find(said)


@pytest.mark.parametrize("number", ["one", "two", "three", "four", "five", "seven", "eight"])
def test_every_number_of_people_is_understood(number: str) -> None:
    """Each number the scenario offers survives the telephone."""
    assert understand("people", f"For {number} people, please.", 1) == number


@pytest.mark.parametrize("hour", ["seven", "eight"])
@pytest.mark.parametrize("minute", ["o'clock", "thirty"])
def test_every_time_is_understood(hour: str, minute: str) -> None:
    """Each time the scenario offers survives the telephone."""
    assert understand("time", f"At {hour} {minute}, please.", 2) == f"{hour} {minute}"


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("Excuse me, do you have parking?", "parking"),
        ("Do you have a garden?", "garden"),
        ("Excuse me, are dogs allowed?", "dogs"),
        ("No, thank you.", "thank you"),
    ],
)
def test_every_question_is_understood(question: str, topic: str) -> None:
    """Each question the scenario has an answer for survives the telephone."""
    assert understand("question", question, 3) == topic


@pytest.mark.parametrize("grammar", ["wish", "people", "time", "question", "farewell"])
@pytest.mark.parametrize("level_dbfs", [-50, -30])
def test_noise_is_not_taken_for_an_answer(grammar: str, level_dbfs: int) -> None:
    """Two seconds of hiss, faint or loud, decide nothing at any turn."""
    hiss = np.random.default_rng(5).normal(0.0, 32_768 * 10 ** (level_dbfs / 20), 2 * stt.RATE_HZ)
    wanted = table_booking().grammar[grammar]
    said = stt.recogniser().recognise(wanted.jsgf, hiss.astype(np.int16))
    assert said is None or wanted.find(said) is None


def test_caller_can_cut_in_when_all_audio_has_left() -> None:
    """A turn sent in one burst is still being played: talking over it interrupts it."""
    line = ring(Switches(pace=0.0))
    line.wait(1.5)
    assert line.stage.of(ResponseAudio)[-1].is_final
    line.say(LINES[0])
    assert len(line.stage.of(Interruption)) == 1


def test_caller_who_waits_interrupts_nothing() -> None:
    """Once the greeting has been played, speech is an answer and no interruption."""
    line = ring(Switches(pace=0.0))
    line.wait_for_the_end_of("Hello")
    line.say(LINES[0])
    assert line.stage.of(Interruption) == []


def test_other_scenario_is_another_conversation() -> None:
    """A scenario of one sentence says it and ends."""
    scenario = load('name = "short"\n[grammar]\n[[step]]\nid = "bye"\nsay = "Goodbye."\n')
    stage = ring(script=Talker(scenario=scenario)).stage.run_until(5.0)
    assert [text.text for text in stage.of(ResponseText)] == ["Goodbye."]
    assert stage.exits == [None]


@pytest.mark.parametrize(
    ("jsgf", "fault"), [("i want a blorftable", "no word 'blorftable'"), ("( a", "not JSGF")]
)
def test_scenario_that_cannot_be_understood_is_found_out_by_the_warm_up(jsgf: str, fault: str) -> None:
    """A grammar that does not work is an error before the first call, with its name."""
    text = f'name = "s"\n[grammar.a]\njsgf = "{jsgf}"\n[[step]]\nid = "b"\nsay = "Hi."\nlisten = "a"\n'
    with pytest.raises(ConfigError, match=fault):
        Talker(load(text)).warm_up()


def test_line_that_depends_on_an_answer_is_rendered_when_it_is_known() -> None:
    """Nobody can warm up what a tool is going to say; it is spoken all the same."""
    Talker().warm_up()
    line = ring()
    line.wait_for_the_end_of("Hello")
    line.say(LINES[0])
    line.wait_for_the_end_of("Gladly")
    line.say(LINES[1])
    line.wait_for_the_end_of("And at")
    line.say(LINES[2])
    while not line.stage.of(ToolCall):
        line.wait(0.1)
    line.stage.agent.on_tool_output("call-1", "The garden is yours.", line.stage.now)
    line.wait_for_the_end_of("The garden")
    spoken = [text for text in line.stage.of(ResponseText) if text.text == "The garden is yours."]
    sent = sum(
        len(chunk.audio) for chunk in line.stage.of(ResponseAudio) if chunk.turn_id == spoken[0].turn_id
    )
    assert sent == 2 * len(tts.render("The garden is yours.", tts.AGENT_VOICE))


def test_conversation_runs_until_goodbye() -> None:
    """An agent made by REST says its own first message, answers, is interrupted, and ends when asked to."""
    stage_line = ring(script=Talker(scenario=conversation()), opening=Opening(first_message="Good day."))
    stage = stage_line.stage
    stage_line.wait_for_the_end_of("Good day.")
    stage_line.say("Tell me a story.")
    stage_line.wait_for("Once upon a time")
    stage_line.wait(2.0)
    stage_line.say("I would like to speak to a human.")
    stage_line.wait_for_the_end_of("There is nobody here")
    stage_line.say("Thank you, goodbye.")
    stage_line.wait_for_the_end_of("Goodbye")
    assert finals(stage) == ["tell me a story", "i would like to speak to a human", "thank you goodbye"]
    assert len(stage.of(Interruption)) == 1
    assert stage.notes.extracted == {"topic": "goodbye"}
    assert stage.notes.tags == ["wants a human"]
    assert stage.exits == [None]


@pytest.mark.parametrize("hearing", ["vad", "energy"])
def test_barge_in_comes_soon_after_the_callers_first_sound(hearing: Hearing) -> None:
    """By the detector and by loudness alone, the agent stops within 300 ms, and not for silence."""
    line = ring(script=Talker(hearing=hearing))
    stage = line.stage
    line.wait_for("Hello")
    line.wait(1.0)
    assert stage.of(Interruption) == []
    spoke_at = stage.now
    line.say("Excuse me, I would like to book a table.")
    [cut_at] = stage.times_of(Interruption)
    assert 0.1 < cut_at - spoke_at < 0.3


def test_booking_is_on_record() -> None:
    """What the caller asked for is extracted, and the call has the tag of its step."""
    stage = book_a_table(ring())
    assert stage.notes.extracted == {"people": 4, "time": "19:30", "topic": "parking"}
    assert stage.notes.tags == ["booking"]


def test_without_the_extra_the_same_scenario_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deaf to words, the agent takes what it expects, calls its tool, is interrupted and says goodbye."""
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    line = Line(Rehearsal(Talker()).start(), level_db=0.0, noise_dbfs=-90.0, seed=1)
    stage = book_a_table(line)
    assert finals(stage) == [
        "i would like to book a table",
        "for four people",
        "at seven thirty",
        "do you have parking",
        "no thank you goodbye",
    ]
    assert len(stage.of(Interruption)) == 1
    assert stage.notes.extracted["people"] == 4
    texts = [text.text for text in stage.of(ResponseText) if text.is_final]
    assert texts[0] == "Hello, this is Vatel Bistro. How can I help you?"
    assert texts[-1] == "See you tonight. Goodbye!"
    assert stage.exits == [None]
