"""The playout buffer, on a clock turned by hand."""

from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.heard import TurnHeard
from gateway.audio.playout import Cut, MarkDue, Playout

MS = 8  # bytes of µ-law


def speech(ms: int, value: int = 1) -> bytes:
    """Return so much µ-law, told apart by its value."""
    return bytes([value]) * (ms * MS)


def play_out(playout: Playout, now: float, until: float) -> Iterator[tuple[float, bytes | MarkDue]]:
    """Pop everything at its deadline until a time, yielding when each item left."""
    while True:
        for item in playout.pop_due(now):
            yield now, item
        due = playout.next_deadline()
        if due is None or due > until:
            return
        assert due > now or playout.pop_due(now) == []
        now = max(now, due)


def sent_ms(items: list[bytes | MarkDue]) -> list[int]:
    """Return how long each piece of audio is."""
    return [len(item) // MS for item in items if isinstance(item, bytes)]


def test_burst_leaves_lead_then_piece_by_piece() -> None:
    """A burst fills the lead at once and follows in pieces on absolute deadlines."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.push("a", speech(500), 10.0)

    left = [
        (round(at, 3), len(item) // MS)
        for at, item in play_out(playout, 10.0, 99.0)
        if isinstance(item, bytes)
    ]

    assert left == [(10.0, 100), (10.0, 100), (10.1, 100), (10.2, 100), (10.3, 100)]


def test_long_turn_leaves_whole_and_in_order() -> None:
    """A turn many times longer than what is kept of it once played still leaves byte by byte."""
    playout = Playout(lead_ms=200, piece_ms=100)
    sent = b"".join(speech(100, number) for number in range(250))
    playout.push("a", sent, 0.0)

    assert b"".join(item for _, item in play_out(playout, 0.0, 99.0) if isinstance(item, bytes)) == sent
    assert playout.pending_ms == 0


def test_late_clock_does_not_drift() -> None:
    """A pop that comes late is made up for: deadlines are absolute."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.push("a", speech(1000), 0.0)
    playout.pop_due(0.0)

    late = playout.pop_due(0.15)

    assert sent_ms(late) == [100]
    assert playout.next_deadline() == pytest.approx(0.2)


def test_real_time_agent_gets_a_cushion() -> None:
    """Small chunks at real time gather 60 ms before the line starts, then leave as they come."""
    playout = Playout(jitter_ms=60)
    left = []
    for n in range(6):
        playout.push("a", speech(20), n * 0.02)
        left.append(sent_ms(playout.pop_due(n * 0.02)))

    assert left == [[], [], [60], [20], [20], [20]]
    assert playout.counters.underruns == 0


def test_cushion_does_not_wait_for_ever() -> None:
    """A chunk shorter than the cushion leaves when the cushion's time has passed."""
    playout = Playout(jitter_ms=60)
    playout.push("a", speech(20), 5.0)

    assert playout.next_deadline() == pytest.approx(5.06)
    assert sent_ms(playout.pop_due(5.06)) == [20]


def test_finished_utterance_does_not_gather() -> None:
    """Audio with a mark behind it is complete: it leaves at once, the mark right behind it."""
    playout = Playout(jitter_ms=60)
    playout.push("a", speech(20), 0.0)
    playout.mark("m")

    assert playout.pop_due(0.0) == [speech(20), MarkDue("m")]


def test_underrun_is_counted_and_widens_the_cushion() -> None:
    """A turn that runs dry and goes on is an underrun; the next start gathers a chunk more."""
    playout = Playout(jitter_ms=60)
    playout.push("a", speech(100), 0.0)
    playout.pop_due(0.0)
    playout.push("a", speech(100), 0.15)

    assert playout.counters.underruns == 1
    assert playout.pop_due(0.15) == []
    assert playout.next_deadline() == pytest.approx(0.15 + 0.16)


def test_new_turn_after_silence_is_no_underrun() -> None:
    """Silence between turns is not an underrun."""
    playout = Playout()
    playout.push("a", speech(100), 0.0)
    playout.pop_due(0.0)
    playout.push("b", speech(100), 9.0)

    assert playout.counters.underruns == 0


def test_overflow_drops_the_newest() -> None:
    """Beyond the bound new audio is refused and counted; what waits is intact."""
    playout = Playout(limit_ms=100)

    assert playout.push("a", speech(80, 1), 0.0) == 80 * MS
    assert playout.push("a", speech(80, 2), 0.0) == 20 * MS
    assert playout.push("a", speech(1, 3), 0.0) == 0
    assert playout.counters.overflow_bytes == 61 * MS
    assert b"".join(i for i in playout.pop_due(0.0) if isinstance(i, bytes)) == speech(80, 1) + speech(20, 2)


def test_hold_keeps_what_is_not_sent() -> None:
    """Held audio stays; released, it goes on where it stopped."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.push("a", speech(400), 0.0)
    playout.pop_due(0.0)
    playout.held = True

    assert playout.pop_due(5.0) == []
    assert playout.next_deadline() is None
    playout.held = False
    assert sent_ms(playout.pop_due(5.0)) == [100, 100]


def test_clear_tells_what_was_heard() -> None:
    """A clear drops sent and unsent audio and says for each turn how much reached the ear."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.push("a", speech(300), 0.0)
    playout.push("b", speech(1000), 0.0)
    playout.mark("m")
    list(play_out(playout, 0.0, 0.4))

    cut = playout.clear(0.45)

    assert cut == Cut((TurnHeard("b", 150, 1000),), voided=True)
    assert playout.ledger.heard("a") == TurnHeard("a", 300, 300)
    assert playout.idle
    assert playout.next_deadline() is None
    assert playout.counters.cleared_bytes == 850 * MS


def test_clear_leaves_what_is_to_be_kept() -> None:
    """What waits of a turn to keep, and the mark behind it, outlasts a clear and plays at once."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.push("a", speech(500), 0.0)
    playout.mark("a's")
    playout.insert("keys", speech(200, 2))
    playout.mark("keys'")
    playout.push("b", speech(300), 0.0)
    playout.pop_due(0.0)
    playout.held = True

    cut = playout.clear(0.05, keep=frozenset({"keys"}))

    assert cut == Cut((TurnHeard("a", 50, 500), TurnHeard("b", 0, 300)), voided=True)
    assert playout.pop_due(0.05) == [speech(100, 2), speech(100, 2), MarkDue("keys'")]
    assert playout.idle


def test_clear_while_the_ear_hears_what_is_to_be_kept() -> None:
    """What was sent is left alone while a turn to keep is in it: it cannot be told apart at Twilio."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.push("a", speech(100), 0.0)
    playout.mark("a's")
    playout.insert("keys", speech(150, 2))
    playout.push("b", speech(300), 0.0)
    assert sent_ms(playout.pop_due(0.0)) == [100, 100]

    cut = playout.clear(0.0, keep=frozenset({"keys"}))

    assert cut == Cut((TurnHeard("b", 0, 300),), voided=False)
    assert sent_ms([item for _, item in play_out(playout, 0.0, 9.0)]) == [50]
    assert playout.horizon == pytest.approx(0.25)
    assert playout.ledger.in_flight(0.2) == {"keys"}


def test_inserted_audio_starts_at_once_and_runs_dry_without_harm() -> None:
    """Audio that is there whole gathers no cushion, and is no underrun when more of it follows a silence."""
    playout = Playout(jitter_ms=60)
    assert playout.insert("ours", speech(20)) == 20 * MS

    assert sent_ms(playout.pop_due(5.0)) == [20]
    playout.insert("ours", speech(20))
    assert sent_ms(playout.pop_due(6.0)) == [20]
    assert playout.counters.underruns == 0
    playout.push("a", speech(60), 7.0)
    assert sent_ms(playout.pop_due(7.0)) == [60]


def test_inserted_audio_obeys_the_bound() -> None:
    """Inserted audio beyond the bound is refused and counted like any other."""
    playout = Playout(limit_ms=100)

    assert playout.insert("ours", speech(120)) == 100 * MS
    assert playout.insert("ours", speech(1)) == 0
    assert playout.counters.overflow_bytes == 21 * MS


def test_line_is_free_when_all_was_heard() -> None:
    """The line is free once what waits and what was sent has been heard; never while it is held back."""
    playout = Playout(lead_ms=200, piece_ms=100)
    assert playout.free_at(5.0) == 0.0
    playout.push("a", speech(500), 5.0)
    assert playout.free_at(5.0) == pytest.approx(5.5)
    list(play_out(playout, 5.0, 5.1))
    assert playout.free_at(5.1) == pytest.approx(5.5)

    playout.held = True
    assert playout.free_at(5.2) == inf
    playout.held = False
    list(play_out(playout, 6.0, 9.0))
    assert playout.free_at(6.0) == pytest.approx(6.0 + 0.2)


def test_line_is_free_later_by_the_lag_of_the_ear() -> None:
    """The lag that a mark showed counts."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.push("a", speech(100), 0.0)
    playout.mark("m")
    playout.pop_due(0.0)
    playout.ledger.mark_played("m", 0.15)

    assert playout.free_at(0.15) == pytest.approx(0.15)
    playout.push("b", speech(100), 1.0)
    assert playout.free_at(1.0) == pytest.approx(1.15)


def test_marks_show_the_lag_of_the_ear() -> None:
    """A mark that comes back late moves our idea of what was heard back by as much."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.push("a", speech(100), 0.0)
    playout.mark("m")
    playout.pop_due(0.0)
    playout.ledger.mark_played("m", 0.15)
    playout.push("b", speech(100), 1.0)
    playout.pop_due(1.0)

    assert playout.clear(1.1).turns == (TurnHeard("b", 50, 100),)


def test_played_mark_settles_its_turn() -> None:
    """Once its mark is back a turn counts as heard, whatever the clock says."""
    playout = Playout(lead_ms=500, piece_ms=100)
    playout.push("a", speech(300), 0.0)
    playout.mark("m")
    playout.pop_due(0.0)

    playout.ledger.mark_played("m", 0.25)

    assert playout.ledger.heard("a") == TurnHeard("a", 300, 300)


CLIP = frozenset({"clip"})


def test_drop_of_one_turn_leaves_the_others() -> None:
    """Dropping a turn that waits, and its mark, takes nothing from its neighbours and needs no clear."""
    playout = Playout(lead_ms=100, piece_ms=100)
    playout.push("a", speech(200, 1), 0.0)
    playout.mark("a's")
    playout.pop_due(0.0)
    playout.insert("clip", speech(200, 2))
    playout.mark("clip's")

    assert playout.drop(CLIP, 0.0) is False
    assert playout.pending_ms == 100
    assert [item for _, item in play_out(playout, 0.0, 9.0)] == [speech(100), MarkDue("a's")]


def test_drop_of_what_is_heard_alone_needs_a_clear() -> None:
    """Dropping the turn that is in the ear, and nothing else, voids what was sent."""
    playout = Playout(lead_ms=100, piece_ms=100)
    playout.insert("clip", speech(200))
    playout.pop_due(0.0)

    assert playout.drop(CLIP, 0.05) is True
    assert playout.idle
    assert playout.horizon == 0.05
    assert playout.drop(CLIP, 0.05) is False


def test_drop_of_what_is_heard_leaves_what_waits_behind_it() -> None:
    """What stands behind a turn that is dropped out of the ear takes its place at once."""
    playout = Playout(lead_ms=200, piece_ms=100)
    playout.insert("clip", speech(200))
    playout.insert("keys", speech(100, 2))
    playout.pop_due(0.0)

    assert playout.drop(CLIP, 0.05) is True
    assert playout.pop_due(0.05) == [speech(100, 2)]


def test_drop_does_not_let_go_of_a_line_that_is_held() -> None:
    """A line held back stays so when a clip is taken out of it."""
    playout = Playout(lead_ms=100, piece_ms=100)
    playout.insert("clip", speech(200))
    playout.pop_due(0.0)
    playout.held = True

    assert playout.drop(CLIP, 0.05) is True
    assert playout.held


def test_drop_of_nothing_leaves_what_gathers() -> None:
    """A drop that finds nothing does not cut short the gathering of a cushion."""
    playout = Playout(jitter_ms=60)
    playout.push("a", speech(20), 0.0)

    assert playout.drop(CLIP, 0.0) is False
    assert playout.pop_due(0.0) == []


def test_books_of_old_turns_are_closed() -> None:
    """A long call does not keep books of every turn it ever had."""
    playout = Playout()
    for n in range(500):
        playout.push(f"t{n}", speech(1), float(n))
        playout.pop_due(n + 0.5)

    assert len(playout.ledger) == 64


chunks = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3000), st.floats(0, 0.3)), max_size=30)


@given(chunks, st.integers(20, 400), st.integers(20, 200))
def test_nothing_is_lost_reordered_or_early(
    pushes: list[tuple[str, int, float]], lead: int, piece: int
) -> None:
    """Whatever the chunks, all audio leaves in order and never more than the lead ahead of the ear."""
    playout = Playout(lead_ms=lead, piece_ms=piece)
    now, pushed, left, heard_until = 0.0, bytearray(), bytearray(), 0.0
    for n, (turn, size, gap) in enumerate(pushes):
        data = bytes([n + 1]) * size
        playout.push(turn, data, now)
        pushed += data
        for at, item in play_out(playout, now, now + gap):
            assert isinstance(item, bytes)
            heard_until = max(heard_until, at) + len(item) / 8000
            assert heard_until - at <= lead / 1000 + 1e-6
            left += item
        now += gap
    left += b"".join(item for _, item in play_out(playout, now, now + 999) if isinstance(item, bytes))

    assert left == pushed
    assert playout.idle


def test_mark_at_the_head_is_due_at_once() -> None:
    """A mark with nothing before it waits for no time at all."""
    playout = Playout()
    playout.mark("m")

    assert playout.next_deadline() == 0.0
    assert playout.pop_due(5.0) == [MarkDue("m")]
