"""Numbers and time of a stream: gaps are counted, repeats dropped, wobble forgiven."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.twilio.continuity import Continuity, StreamCounters
from gateway.twilio.messages import Media

FRAME = bytes(160)


def started(sequence: int = 1) -> tuple[Continuity, StreamCounters]:
    counters = StreamCounters()
    continuity = Continuity(counters)
    continuity.start(sequence)
    return continuity, counters


def piece(place: int, *, timestamp_ms: int | None = None, payload: bytes = FRAME) -> Media:
    """Make the n-th piece of a plain stream, from 0."""
    when_ms = 155 + 20 * place if timestamp_ms is None else timestamp_ms
    return Media("MZ1", place + 2, place + 1, when_ms, payload)


def oddities(counters: StreamCounters) -> dict[str, int]:
    names = (
        "sequence_gaps",
        "chunk_gaps",
        "timestamp_gaps",
        "timestamp_gap_ms",
        "late",
        "late_chunks",
        "duplicates",
    )
    return {name: value for name in names if (value := getattr(counters, name))}


def test_plain_stream_has_no_oddities() -> None:
    """A minute of Twilio's frames counts frames and bytes and nothing else."""
    continuity, counters = started()
    assert all(continuity.take(piece(place)) for place in range(3_000))
    assert (counters.frames, counters.bytes) == (3_000, 480_000)
    assert oddities(counters) == {}


@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_wobbling_timestamps_are_no_gaps(wobble_ms: int, chance: random.Random) -> None:
    """Timestamps that are off by up to 5 ms each way count as steady."""
    continuity, counters = started()
    for place in range(50):
        when_ms = 155 + 20 * place + chance.randint(-wobble_ms, wobble_ms)
        assert continuity.take(piece(place, timestamp_ms=when_ms))
    assert oddities(counters) == {}


@pytest.mark.parametrize("first_ms", [0, 102, 171, 1_763_690_000_000])
def test_first_timestamp_is_no_gap(first_ms: int) -> None:
    """Wherever the clock of a stream begins, the first piece is on time."""
    continuity, counters = started()
    continuity.take(piece(0, timestamp_ms=first_ms))
    continuity.take(piece(1, timestamp_ms=first_ms + 20))
    assert oddities(counters) == {}


@pytest.mark.parametrize("size", [1, 8, 100, 160, 320, 8_000])
def test_duration_follows_the_payload(size: int) -> None:
    """Pieces of any length are steady when each starts where the one before it ends."""
    continuity, counters = started()
    for place in range(10):
        continuity.take(piece(place, timestamp_ms=100 + place * (size // 8), payload=bytes(size)))
    assert oddities(counters) == {}


@pytest.mark.parametrize("lost", [1, 2, 50])
def test_lost_frames_show_as_time(lost: int) -> None:
    """Twilio's own loss under numbers that go on is seen by the clock."""
    continuity, counters = started()
    continuity.take(piece(0))
    continuity.take(piece(1, timestamp_ms=155 + 20 * (1 + lost)))
    continuity.take(piece(2, timestamp_ms=155 + 20 * (2 + lost)))
    assert oddities(counters) == {"timestamp_gaps": 1, "timestamp_gap_ms": 20 * lost}


def test_skipped_messages_show_as_gaps_of_every_kind() -> None:
    """A hole in the stream is counted by number, by piece and by time."""
    continuity, counters = started()
    continuity.take(piece(0))
    assert continuity.take(piece(5))
    assert continuity.take(piece(6))
    expected = {"sequence_gaps": 1, "chunk_gaps": 1, "timestamp_gaps": 1, "timestamp_gap_ms": 80}
    assert oddities(counters) == expected


def test_message_of_another_kind_between_pieces_is_no_gap() -> None:
    """Marks and keys share the numbers of audio."""
    continuity, counters = started()
    continuity.take(piece(0))
    assert continuity.is_new(3)
    assert continuity.take(Media("MZ1", 4, 2, 175, FRAME))
    assert oddities(counters) == {}


def test_repeated_message_is_dropped() -> None:
    """The same number again, at once or a second later, is counted and goes no further."""
    continuity, counters = started()
    for place in range(50):
        continuity.take(piece(place))
    assert not continuity.take(piece(49))
    assert not continuity.take(piece(3))
    assert continuity.take(piece(50))
    assert counters.frames == 51
    assert oddities(counters) == {"duplicates": 2}


def test_repeated_piece_under_a_new_number_is_dropped() -> None:
    """The same piece of audio is not heard twice, whatever its message number."""
    continuity, counters = started()
    continuity.take(piece(0))
    assert not continuity.take(Media("MZ1", 3, 1, 155, FRAME))
    assert continuity.take(Media("MZ1", 4, 2, 175, FRAME))
    assert oddities(counters) == {"duplicates": 1}


def test_peer_that_never_counts_its_pieces_is_heard() -> None:
    """A simulator that sends chunk 1 for ever is odd, but not deaf."""
    continuity, counters = started()
    for place in range(10):
        assert continuity.take(Media("MZ1", place + 2, 1, 155 + 20 * place, FRAME))
    assert counters.frames == 10
    assert oddities(counters) == {"late_chunks": 9}


def test_late_piece_is_passed_on_and_does_not_turn_back_the_clock() -> None:
    """Swapped frames are both heard; the one after them is on time."""
    continuity, counters = started()
    order = [0, 2, 1, 3, 4]
    assert [continuity.take(piece(place)) for place in order] == [True] * 5
    assert oddities(counters) == {
        "sequence_gaps": 1,
        "chunk_gaps": 1,
        "timestamp_gaps": 1,
        "timestamp_gap_ms": 20,
        "late": 1,
        "late_chunks": 1,
    }


def test_number_from_long_ago_counts_as_repeated() -> None:
    """What is more than 64 messages behind cannot be told from a repeat, and TCP delivers no such thing."""
    continuity, counters = started()
    assert continuity.is_new(1_000)
    assert continuity.is_new(937)
    assert not continuity.is_new(936)
    assert oddities(counters) == {"sequence_gaps": 1, "late": 1, "duplicates": 1}


def test_clock_that_jumps_back_goes_on_from_there() -> None:
    """After a jump back the next gap is measured against the new clock once it has caught up."""
    continuity, counters = started()
    continuity.take(piece(0, timestamp_ms=10_000))
    continuity.take(piece(1, timestamp_ms=100))
    continuity.take(piece(2, timestamp_ms=120))
    assert counters.frames == 3
    assert oddities(counters) == {}


@given(st.lists(st.integers(0, 80), max_size=80))
def test_every_number_is_taken_once_within_the_window(sequences: list[int]) -> None:
    """Whatever the order, a number passes when it is new and within 64 of the highest, and only then."""
    continuity, counters = started(0)
    taken, highest = {0}, 0
    for sequence in sequences:
        expected = sequence > highest or (sequence not in taken and highest - sequence < 64)
        assert continuity.is_new(sequence) == expected
        taken.add(sequence)
        highest = max(highest, sequence)
    assert counters.duplicates + counters.late <= len(sequences)
