import pytest

from gateway.sandbox.delivery import Delivery
from gateway.sandbox.scripted import Silent
from gateway.sandbox.switches import Switches
from gateway.vatel.messages import ResponseAudio, ResponseText, Unknown
from tests.sandbox.rehearsal import Rehearsal

SECOND = bytes(range(256)) * 187 + bytes(128)  # 48,000 bytes that differ from their neighbours


def rehearse(switches: Switches) -> tuple[Rehearsal, Delivery]:
    """Return a stage and a delivery on it."""
    stage = Rehearsal(Silent(), switches)
    return stage, Delivery(stage)


@pytest.mark.parametrize("chunk_ms", [20, 40, 100, 130])
@pytest.mark.parametrize("pace", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("odd_chunks", [False, True])
def test_turn_arrives_whole_whatever_the_cut(chunk_ms: int, pace: float, odd_chunks: bool) -> None:
    """Chunks joined are the turn, under one id, and only the last is final."""
    stage, delivery = rehearse(Switches(chunk_ms=chunk_ms, pace=pace, odd_chunks=odd_chunks))
    turn = delivery.turn(SECOND, "", 0.0)
    chunks = stage.run_until(2.0).of(ResponseAudio)
    assert b"".join(chunk.audio for chunk in chunks) == SECOND
    assert {chunk.turn_id for chunk in chunks} == {turn}
    assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert (len(chunks[0].audio) % 2 == 1) is odd_chunks


@pytest.mark.parametrize(("pace", "gap_s"), [(1.0, 0.1), (4.0, 0.025)])
def test_chunks_leave_on_absolute_deadlines(pace: float, gap_s: float) -> None:
    """Ten chunks of 100 ms leave at equal distances, the first at once."""
    stage, delivery = rehearse(Switches(chunk_ms=100, pace=pace))
    delivery.turn(SECOND, "", 0.0)
    times = stage.run_until(2.0).times_of(ResponseAudio)
    assert times == pytest.approx([gap_s * n for n in range(10)])


def test_burst_leaves_at_once() -> None:
    """Pace 0 sends the whole turn in the moment it begins."""
    stage, delivery = rehearse(Switches(pace=0.0))
    delivery.turn(SECOND, "", 0.0)
    assert stage.times_of(ResponseAudio) == [0.0] * 10


def test_played_comes_when_the_client_has_played_it() -> None:
    """However fast it was sent, a second of audio has been played after a second."""
    stage, delivery = rehearse(Switches(pace=0.0))
    played: list[float] = []
    delivery.turn(SECOND, "", 0.0, played.append)
    stage.run_until(0.99)
    assert played == []
    assert delivery.playing(0.99)
    stage.run_until(2.0)
    assert played == pytest.approx([1.0])
    assert not delivery.playing(1.0)


def test_stop_keeps_the_rest_back() -> None:
    """After a stop no chunk leaves, the end is not reported, and what was not sent comes back."""
    stage, delivery = rehearse(Switches(pace=1.0))
    played: list[float] = []
    delivery.turn(SECOND, "Some words.", 0.0, played.append)
    stage.run_until(0.45)
    rest = delivery.stop(0.45)
    stage.run_until(3.0)
    assert b"".join(chunk.audio for chunk in stage.of(ResponseAudio)) + rest == SECOND
    assert played == []
    assert not delivery.playing(0.46)


def test_next_turn_has_another_id() -> None:
    """Turn ids are never used twice."""
    _, delivery = rehearse(Switches())
    assert delivery.turn(SECOND, "", 0.0) != delivery.turn(SECOND, "", 2.0)


def test_text_comes_half_then_whole() -> None:
    """The interim text is the beginning of the final one, which comes with the last audio."""
    stage, delivery = rehearse(Switches())
    delivery.turn(SECOND, "one two three four", 0.0)
    texts = stage.run_until(2.0).of(ResponseText)
    assert [(text.text, text.is_final) for text in texts] == [
        ("one two", False),
        ("one two three four", True),
    ]


def test_interim_texts_can_be_switched_off() -> None:
    """Without interim texts only the final one is sent."""
    stage, delivery = rehearse(Switches(interim=False))
    delivery.turn(SECOND, "one two three four", 0.0)
    assert [text.is_final for text in stage.run_until(2.0).of(ResponseText)] == [True]


def test_text_without_audio_is_still_said() -> None:
    """A turn of words alone is final at once and played at once."""
    stage, delivery = rehearse(Switches(interim=False))
    played: list[float] = []
    delivery.turn(b"", "Nothing to hear.", 0.0, played.append)
    stage.run_until(0.0)
    assert (len(stage.of(ResponseText)), len(stage.of(ResponseAudio)), played) == (1, 0, [0.0])


def test_empty_final_chunk_ends_the_turn() -> None:
    """With the switch the last chunk with audio is not final; an empty one behind it is."""
    stage, delivery = rehearse(Switches(empty_final=True, pace=0.0))
    delivery.turn(SECOND, "", 0.0)
    last_two = stage.of(ResponseAudio)[-2:]
    assert [(bool(chunk.audio), chunk.is_final) for chunk in last_two] == [(True, False), (False, True)]


def test_unknown_type_precedes_each_turn_when_asked_for() -> None:
    """With the switch each turn brings a message that no contract knows."""
    stage, delivery = rehearse(Switches(unknown_types=True))
    delivery.turn(SECOND, "", 0.0)
    assert len(stage.of(Unknown)) == 1


def ragged(seed: int) -> list[int]:
    """Return the sizes of a second's pieces when they are cut anywhere."""
    stage, delivery = rehearse(Switches(ragged_chunks=True, chunk_ms=20, seed=seed))
    delivery.turn(SECOND, "", 0.0)
    chunks = stage.run_until(2.0).of(ResponseAudio)
    assert b"".join(chunk.audio for chunk in chunks) == SECOND
    return [len(chunk.audio) for chunk in chunks]


def test_ragged_pieces_are_of_any_size_by_seed() -> None:
    """From a few bytes to the largest, odd ones among them, the same ones for the same seed."""
    sizes = ragged(1)
    assert sizes == ragged(1) != ragged(2)
    assert min(sizes) < 50 < 900 < max(sizes) <= 960
    assert any(size % 2 for size in sizes)


def test_ragged_pieces_keep_the_pace() -> None:
    """However small the pieces, a second at its own pace takes a second."""
    stage, delivery = rehearse(Switches(ragged_chunks=True, chunk_ms=20, pace=1.0))
    delivery.turn(SECOND, "", 0.0)
    assert stage.run_until(2.0).times_of(ResponseAudio)[-1] == pytest.approx(1.0, abs=0.02)
