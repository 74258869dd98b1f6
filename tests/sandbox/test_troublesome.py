import pytest

from gateway.sandbox import wire
from gateway.sandbox.signals import sine
from gateway.sandbox.stage import Exit
from gateway.sandbox.switches import Switches
from gateway.sandbox.troublesome import Burst, Interrupter, Manner, Rude, Slow
from gateway.vatel.messages import Interruption, ResponseAudio, ResponseText, Unknown
from tests.sandbox.rehearsal import Rehearsal


def audio_ms(chunks: list[ResponseAudio]) -> float:
    """Return how long chunks play."""
    return sum(len(chunk.audio) for chunk in chunks) / 48


def test_interrupter_cuts_each_turn_in_the_middle() -> None:
    """Three turns of 3 s in real time, each interrupted after 1 s; no audio of it follows."""
    stage = Rehearsal(Interrupter(), Switches(pace=1.0)).start().run_until(20.0)
    turns = {chunk.turn_id for chunk in stage.of(ResponseAudio)}
    assert stage.times_of(Interruption) == pytest.approx([1.0, 2.5, 4.0])
    assert len(turns) == 3
    assert audio_ms(stage.of(ResponseAudio)) == pytest.approx(3_000.0, abs=300)
    assert stage.exits == [None]


def test_burst_delivers_ten_seconds_in_half_of_one() -> None:
    """The whole turn has left before 0.5 s have passed."""
    stage = Rehearsal(Burst(interrupt_after_s=None)).start().run_until(60.0)
    assert stage.times_of(ResponseAudio)[-1] <= 0.5
    assert audio_ms(stage.of(ResponseAudio)) == 10_000.0
    assert stage.of(ResponseAudio)[-1].is_final
    assert stage.of(Interruption) == []


def test_burst_goes_on_with_the_turn_it_interrupted() -> None:
    """Behind the interruption comes late audio under the old id, then a turn of another."""
    stage = Rehearsal(Burst()).start().run_until(10.0)
    (cut,) = stage.times_of(Interruption)
    late = [m for t, m in stage.sent if t >= cut and isinstance(m, ResponseAudio) and m.turn_id == "burst"]
    after = [m for m in stage.of(ResponseAudio) if m.turn_id == "after-burst"]
    assert cut == pytest.approx(2.0)
    assert audio_ms(late) == 1_000.0
    assert b"".join(chunk.audio for chunk in after) == sine(1_000.0, 1.0, -6.0)
    assert stage.exits == []


@pytest.mark.parametrize(
    ("script", "end_s"),
    [(Burst(end_after=True), 4.0), (Burst(end_after=True, interrupt_after_s=None), 10.0)],
)
def test_burst_can_end_once_all_was_played(script: Burst, end_s: float) -> None:
    """The session ends after the last audio that should be heard."""
    stage = Rehearsal(script).start()
    assert stage.run_until(end_s - 0.1).exits == []
    assert stage.run_until(end_s + 0.1).exits == [None]


def test_slow_agent_speaks_in_the_end() -> None:
    """The first audio comes when the wait is over and not before."""
    stage = Rehearsal(Slow(first_audio_after_s=3.0, text="At last.")).start().run_until(10.0)
    assert stage.times_of(ResponseAudio)[0] == pytest.approx(3.0)
    assert stage.of(ResponseText)[-1].text == "At last."


@pytest.mark.parametrize(
    ("manner", "exit"),
    [("close", Exit(4000)), ("drop", Exit(1006)), ("reset", Exit(1006, reset=True))],
)
def test_rude_agent_leaves_in_the_middle_of_its_turn(manner: Manner, exit: Exit) -> None:
    """It plays for a second and is gone, in the manner asked for."""
    stage = Rehearsal(Rude(manner, code=4000), Switches(pace=1.0)).start().run_until(5.0)
    assert stage.exits == [exit]
    assert audio_ms(stage.of(ResponseAudio)) == pytest.approx(1_000.0, abs=100)


@pytest.mark.parametrize(
    ("manner", "frame"),
    [
        ("junk", b"\xff" * 64),
        ("binary", wire.binary_frame(bytes(range(256)))),
        ("bad_utf8", wire.text_frame(b'{"type":"\xff\xfe"}')),
        ("bad_json", wire.text_frame(b'{"type":"response_audio","data":{"turn_id":')),
    ],
)
def test_rude_agent_sends_what_no_library_would(manner: Manner, frame: bytes) -> None:
    """The bytes leave as they are, as often as asked for."""
    stage = Rehearsal(Rude(manner, times=3)).start().run_until(5.0)
    assert stage.raw == [frame] * 3
    assert stage.exits == []


def test_rude_agent_invents_message_types() -> None:
    """A type that nobody knows is sent as an orderly message."""
    stage = Rehearsal(Rude("unknown", times=2)).start().run_until(5.0)
    assert stage.of(Unknown) == [Unknown("weather_report")] * 2


def test_bad_base64_is_in_a_frame_that_is_otherwise_right() -> None:
    """Only the audio of the message is broken."""
    stage = Rehearsal(Rude("bad_base64")).start().run_until(5.0)
    assert b'"audio":"?*!"' in stage.raw[0]
