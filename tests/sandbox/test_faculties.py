import numpy as np
import pytest

from gateway.audio.pcm import from_bytes
from gateway.sandbox.faculties import LINES_RATE_HZ, Recorded, Speech, at_hand, recorded
from gateway.sandbox.scenario import Grammar
from gateway.sandbox.signals import chime, sine
from gateway.sandbox.talker import conversation, table_booking
from gateway.speech import extra, stt, tts
from tests.sandbox.recording import LINES, spoken

needs_speech = pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")
SILENCE = np.zeros(320, np.int16)
LOUD = from_bytes(sine(300.0, 0.02, -12.0))[:320]


@pytest.mark.parametrize("text", spoken())
def test_every_line_is_recorded(text: str) -> None:
    """Whatever a scenario says word for word can be said without the extra, at a speaking pace."""
    seconds = len(recorded(text)) / 48_000
    assert 0.03 < seconds / len(text) < 0.12


def test_no_recording_is_left_over() -> None:
    """Each file in the package is a line that somebody speaks."""
    assert len(list(LINES.glob("*.ulaw"))) == len(spoken())


@needs_speech
def test_recordings_are_what_the_voice_says() -> None:
    """A recorded line and a spoken one are the same words, as long and as loud."""
    line = "Goodbye!"
    spoken_line = tts.render(line, tts.AGENT_VOICE, 24_000).astype(float)
    recorded_line = from_bytes(recorded(line)).astype(float)
    assert len(recorded_line) == pytest.approx(len(spoken_line), rel=0.02)
    assert np.std(recorded_line) == pytest.approx(np.std(spoken_line), rel=0.15)
    assert LINES_RATE_HZ == 8_000


def test_line_that_was_never_recorded_is_a_chime() -> None:
    """An agent's own words cannot be known: something is heard all the same."""
    assert Recorded().speak("Never heard of.") == chime("Never heard of.")
    assert Recorded().speak("Goodbye!") == recorded("Goodbye!")


def test_without_ears_everything_is_what_was_expected() -> None:
    """The expected answer of a grammar is taken; where none is, nothing."""
    grammar = table_booking().grammar["people"]
    assert Recorded().understand(grammar, SILENCE) == "for four people"
    assert Recorded().understand(Grammar("yes | no"), SILENCE) is None


@pytest.mark.parametrize("scenario", [table_booking(), conversation()])
def test_expected_answers_lead_on(scenario: object) -> None:
    """Each grammar that comes with the package expects something it understands."""
    for grammar in scenario.grammar.values():  # type: ignore[attr-defined]
        assert grammar.find(grammar.expected)


def test_loudness_alone_tells_speech_from_silence() -> None:
    """Any sound is speech to it."""
    detect = Recorded().detector()
    assert (detect(LOUD), detect(SILENCE)) == (True, False)


@needs_speech
def test_detector_is_chosen() -> None:
    """By energy a whistle beyond all voices is speech, by WebRTC's detector it is none."""
    by_energy = Speech(tts.AGENT_VOICE, "energy").detector()
    by_vad = Speech(tts.AGENT_VOICE, "vad").detector()
    whistle = np.rint(8_000 * np.sin(2 * np.pi * 7_000 / 16_000 * np.arange(320))).astype(np.int16)
    assert [by_energy(whistle) for _ in range(20)] == [True] * 20
    assert [by_vad(whistle) for _ in range(20)][5:] == [False] * 15


@needs_speech
def test_speech_is_heard_and_spoken() -> None:
    """What it says it understands itself."""
    speech = Speech(tts.CALLER_VOICE)
    assert len(speech.speak("For four people, please.")) > 24_000
    pad = np.zeros(4_800, np.int16)
    utterance = np.concatenate(
        [pad, tts.render("For four people, please.", tts.CALLER_VOICE, stt.RATE_HZ), pad]
    )
    assert speech.understand(table_booking().grammar["people"], utterance) == "for four people please"


@pytest.mark.parametrize("packages", [("json",), ("no_such_package",)])
def test_best_faculties_that_are_installed_are_taken(
    packages: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Speech with the extra, recordings without."""
    monkeypatch.setattr(extra, "PACKAGES", packages)
    expected = Speech(tts.AGENT_VOICE, "vad") if packages == ("json",) else Recorded()
    assert at_hand(tts.AGENT_VOICE, "vad") == expected
