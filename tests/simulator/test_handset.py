"""The telephone between a caller and its call."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.simulator import events
from gateway.simulator.caller import Phone, SilentCaller
from gateway.simulator.handset import Handset
from gateway.simulator.microphone import SILENCE, cut

SPEECH = cut(b"a" * 1_600)


@dataclass(frozen=True)
class Chatterbox:
    """Does one of everything."""

    listens: bool = False

    def act(self, phone: Phone) -> Iterator[None]:
        """Speak, interrupt, press, miss, hang up: one a frame."""
        phone.note_speech("hello")
        phone.mic.speak(SPEECH)
        yield
        phone.note_interruption(3)
        phone.note_speech("stop")
        yield
        phone.press("12")
        yield
        phone.note_missed("the point")
        phone.hang_up()


class TestHandset:
    """What it remembers and tells."""

    def test_caller_acts_once_a_frame(self) -> None:
        """Before that frame is cut."""
        handset = Handset(Chatterbox(), "CA")

        assert handset.advance() == SPEECH[0]
        assert handset.now_ms == 20

    def test_watchers_learn_what_is_said(self) -> None:
        """And which of it is an interruption."""
        seen: list[events.Event] = []
        handset = Handset(Chatterbox(), "CA", watch=seen.append)
        handset.advance()
        handset.advance()

        assert seen == [
            events.CallerSays("CA", "hello", interrupting=False),
            events.CallerSays("CA", "stop", interrupting=True),
        ]

    def test_cuts_keys_and_misses_are_kept(self) -> None:
        """Each where the report looks for it."""
        handset = Handset(Chatterbox(), "CA")
        for _ in range(4):
            handset.advance()

        assert (handset.cuts, list(handset.digits), handset.missed) == ([(1, 3)], ["1", "2"], ["the point"])

    def test_after_hanging_up_nothing_is_said(self) -> None:
        """The rest of the sentence stays in the throat."""
        handset = Handset(Chatterbox(), "CA")
        frames = [handset.advance() for _ in range(6)]

        assert handset.hung_up
        assert frames[:3] == list(SPEECH[:3])
        assert all(frame in SILENCE for frame in frames[3:])

    def test_the_ear_is_fed_for_those_who_listen_or_watch(self) -> None:
        """Nobody else pays for it."""
        assert not Handset(SilentCaller(), "CA").listens
        assert Handset(SilentCaller(), "CA", watch=lambda event: None).listens
        assert Handset(Chatterbox(listens=True), "CA").listens

    def test_without_a_recording_nothing_is_kept(self) -> None:
        """Load needs no audio afterwards."""
        handset = Handset(Chatterbox(), "CA", keep_audio=False)
        handset.advance()

        assert handset.mic.recorded() == b""
