import pytest

from gateway.sandbox.scripted import EVERY_DATA_TYPE, Echo, Greeter, Silent, Tone, ToolUser
from gateway.sandbox.signals import sine
from gateway.sandbox.stage import Opening
from gateway.sandbox.switches import Switches
from gateway.vatel.messages import (
    ResponseAudio,
    ResponseText,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
)
from tests.sandbox.rehearsal import Rehearsal

SPEECH = sine(300.0, 0.5, -12.0)
SILENCE = bytes(48_000)


def test_silent_agent_says_nothing() -> None:
    """Neither time nor speech gets a word out of it."""
    stage = Rehearsal(Silent()).start().hear(SPEECH).run_until(60.0)
    assert stage.sent == []


def test_echo_returns_each_frame_in_the_moment_it_came() -> None:
    """Every frame comes back unchanged, at its own time, in one endless turn."""
    stage = Rehearsal(Echo()).start().hear(SPEECH)
    frames = stage.of(ResponseAudio)
    assert b"".join(frame.audio for frame in frames) == SPEECH
    assert stage.times_of(ResponseAudio) == pytest.approx([0.02 * n for n in range(1, 26)])
    assert {(frame.turn_id, frame.is_final) for frame in frames} == {("echo", False)}


def test_echo_keeps_odd_chunks_as_they_are() -> None:
    """A chunk that ends inside a sample is echoed byte for byte."""
    stage = Rehearsal(Echo()).start().hear(SPEECH, frame_bytes=333)
    assert b"".join(frame.audio for frame in stage.of(ResponseAudio)) == SPEECH


def test_tone_is_exact_to_the_sample() -> None:
    """What is played is the sine that was asked for, after the delay that was asked for."""
    stage = Rehearsal(Tone(hz=440.0, duration_s=0.5, level_dbfs=-3.0, delay_s=1.0)).start().run_until(5.0)
    assert b"".join(chunk.audio for chunk in stage.of(ResponseAudio)) == sine(440.0, 0.5, -3.0)
    assert stage.times_of(ResponseAudio)[0] == pytest.approx(1.0)
    assert stage.exits == []


def test_tone_can_end_the_session_once_it_was_played() -> None:
    """The end comes when the client must have played all of it, not when it was sent."""
    stage = Rehearsal(Tone(duration_s=2.0, end_after=True), Switches(pace=0.0)).start()
    assert stage.run_until(1.9).exits == []
    assert stage.run_until(2.1).exits == [None]


def test_greeter_says_its_first_message_and_hears_the_caller() -> None:
    """After the greeting it reports where the caller's speech starts and stops."""
    stage = Rehearsal(Greeter("Good evening.")).start().hear(SPEECH + SILENCE)
    assert stage.of(ResponseText)[-1].text == "Good evening."
    assert stage.of(ResponseAudio)[-1].is_final
    assert stage.times_of(SpeechStarted) == pytest.approx([0.08])
    assert stage.times_of(SpeechStopped) == pytest.approx([0.5 + 0.56])


def test_greeter_takes_the_first_message_of_the_token() -> None:
    """A first message asked for with the token replaces the agent's own."""
    stage = Rehearsal(Greeter(), opening=Opening(first_message="Bonjour.")).start()
    assert stage.run_until(2.0).of(ResponseText)[-1].text == "Bonjour."


def test_emulated_start_says_so() -> None:
    """With the switch every start of speech is said to be made up."""
    stage = Rehearsal(Greeter(), Switches(emulated=True)).start().hear(SPEECH)
    assert stage.of(SpeechStarted) == [SpeechStarted(emulated=True)]


@pytest.mark.parametrize("frame_bytes", [1, 959, 961, 4_800])
def test_hearing_does_not_depend_on_the_cut(frame_bytes: int) -> None:
    """Speech is heard once, whatever the client's frames look like."""
    stage = Rehearsal(Greeter()).start()
    for start in range(0, len(SPEECH), frame_bytes):
        stage.agent.on_audio(SPEECH[start : start + frame_bytes], 0.0)
    assert len(stage.of(SpeechStarted)) == 1


def test_tool_user_calls_once_on_the_first_speech() -> None:
    """The call comes with the caller's first speech, once, with every data type."""
    stage = Rehearsal(ToolUser()).start().hear(SILENCE + SPEECH + SILENCE + SPEECH)
    assert stage.of(ToolCall) == [ToolCall("call-1", "look_up", EVERY_DATA_TYPE)]
    assert {argument.data_type for argument in EVERY_DATA_TYPE} == {
        "string",
        "number",
        "boolean",
        "array",
        "object",
    }


def test_tool_user_can_call_by_the_clock() -> None:
    """With a time set it does not wait for anybody to speak."""
    stage = Rehearsal(ToolUser(call_after_s=0.5)).start().run_until(1.0)
    assert stage.times_of(ToolCall) == pytest.approx([0.5])


def test_answer_is_said_and_the_session_ends() -> None:
    """The tool's answer is in the text, is played, and is the end."""
    stage = Rehearsal(ToolUser(call_after_s=0.0)).start().run_until(0.1)
    stage.agent.on_tool_output("call-1", "forty-two", stage.now)
    stage.run_until(10.0)
    assert stage.of(ResponseText)[-1].text == "The answer is: forty-two"
    assert stage.of(ResponseAudio)
    assert stage.exits == [None]


def test_answer_to_another_call_is_no_answer() -> None:
    """An output with an id that nobody asked for changes nothing."""
    stage = Rehearsal(ToolUser(call_after_s=0.0)).start().run_until(0.1)
    stage.agent.on_tool_output("call-2", "forty-two", stage.now)
    assert stage.run_until(5.0).of(ResponseText) == []


def test_output_before_the_call_is_no_answer() -> None:
    """An output that comes before the question is not taken."""
    stage = Rehearsal(ToolUser()).start()
    stage.agent.on_tool_output("call-1", "too early", 0.0)
    assert stage.of(ResponseText) == []


def test_second_answer_is_not_said() -> None:
    """Of two outputs for one call only the first is heard."""
    stage = Rehearsal(ToolUser(call_after_s=0.0)).start().run_until(0.1)
    stage.agent.on_tool_output("call-1", "one", stage.now)
    stage.agent.on_tool_output("call-1", "two", stage.now)
    finals = [text.text for text in stage.run_until(10.0).of(ResponseText) if text.is_final]
    assert finals == ["The answer is: one"]


def test_missing_answer_does_not_hold_the_session_for_ever() -> None:
    """Without an output the agent gives up after its wait, says so and ends."""
    stage = Rehearsal(ToolUser(call_after_s=0.0, wait_s=2.0)).start().run_until(30.0)
    assert stage.of(ResponseText)[-1].text == "There was no answer."
    assert stage.exits == [None]


def test_scripts_of_equal_parameters_are_equal() -> None:
    """A script is a value; only the agent it casts has state."""
    assert Echo() == Echo()
    assert Tone(hz=440.0) != Tone()


def test_greeter_reports_every_utterance() -> None:
    """Three words with a second between them are three starts and three stops, in order."""
    stage = Rehearsal(Greeter()).start().hear((SPEECH + SILENCE) * 3)
    kinds = [type(m) for _, m in stage.sent if isinstance(m, SpeechStarted | SpeechStopped)]
    assert kinds == [SpeechStarted, SpeechStopped] * 3


def test_tone_follows_the_switches_of_its_delivery() -> None:
    """Chunk size and pace are the session's, not the script's."""
    stage = Rehearsal(Tone(duration_s=0.2), Switches(chunk_ms=20, pace=2.0)).start().run_until(1.0)
    assert [len(chunk.audio) for chunk in stage.of(ResponseAudio)] == [960] * 10
    assert stage.times_of(ResponseAudio) == pytest.approx([0.01 * n for n in range(10)])


def test_tool_user_that_must_have_its_answer_waits_for_ever() -> None:
    """Without a limit nothing is said until the answer comes, an hour later."""
    stage = Rehearsal(ToolUser(call_after_s=0.0, wait_s=0.0)).start().run_until(3_600.0)
    assert stage.of(ResponseText) == []
    stage.agent.on_tool_output("call-1", "four", stage.now)
    stage.run_until(stage.now + 5.0)
    assert [text.text for text in stage.of(ResponseText) if text.is_final] == ["The answer is: four"]
