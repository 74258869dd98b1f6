"""The books of what the caller has heard, on a clock turned by hand."""

from math import inf

import pytest

from gateway.audio.heard import HeardLedger, TurnHeard

MS = 8  # bytes of µ-law


def ledger_with(*pieces: tuple[str, int]) -> HeardLedger:
    """Return books of pieces sent back to back from 0.0 on, each so many milliseconds long."""
    ledger, end = HeardLedger(), 0.0
    for turn, length_ms in pieces:
        end += length_ms / 1000
        ledger.pushed(turn, length_ms * MS)
        ledger.sent(turn, length_ms * MS, end, 0.0)
    return ledger


def test_cut_splits_the_piece_in_the_ear() -> None:
    """What was played before the cut counts, what comes after it does not."""
    ledger = ledger_with(("a", 100), ("a", 100), ("b", 100))

    assert ledger.cut(0.15) == (["a", "b"], 150 * MS)
    assert ledger.heard("a") == TurnHeard("a", 150, 200)
    assert ledger.heard("b") == TurnHeard("b", 0, 100)


def test_cut_after_everything_was_heard_takes_nothing() -> None:
    """A cut in silence loses nothing."""
    ledger = ledger_with(("a", 100))

    assert ledger.cut(5.0) == ([], 0)
    assert ledger.heard("a") == TurnHeard("a", 100, 100)


def test_late_mark_moves_the_ear() -> None:
    """A mark that is 50 ms late says that the ear is 50 ms behind."""
    ledger = ledger_with(("a", 100))
    ledger.mark_sent("m", 0.1)
    ledger.mark_played("m", 0.15)
    ledger.pushed("b", 100 * MS)
    ledger.sent("b", 100 * MS, 1.1, 1.0)

    assert ledger.cut(1.1) == (["b"], 50 * MS)


def test_marks_are_due_until_they_come_back_or_are_cut() -> None:
    """The last one counts."""
    ledger = ledger_with(("a", 100), ("b", 100))
    assert ledger.mark_due_at == -inf
    ledger.mark_sent("m", 0.1)
    ledger.mark_sent("n", 0.2)
    assert ledger.mark_due_at == 0.2
    ledger.mark_played("m", 0.15)
    assert ledger.mark_due_at == 0.2
    ledger.cut(0.2)
    assert ledger.mark_due_at == -inf


def test_mark_that_was_overtaken_is_lost() -> None:
    """Marks come back in order; two of one instant do too."""
    ledger = ledger_with(("a", 100), ("b", 100))
    for name, due in (("lost", 0.1), ("n", 0.2), ("end", 0.2)):
        ledger.mark_sent(name, due)
    ledger.mark_played("n", 0.25)
    assert ledger.mark_due_at == 0.2
    ledger.mark_played("end", 0.25)
    assert ledger.mark_due_at == -inf


def test_early_mark_settles_its_turn() -> None:
    """A mark that comes before our clock expected it settles what is before it, and is no negative lag."""
    ledger = ledger_with(("a", 300))
    ledger.mark_sent("m", 0.3)
    ledger.mark_played("m", 0.2)

    assert ledger.heard("a") == TurnHeard("a", 300, 300)
    assert ledger.cut(0.2) == ([], 0)


def test_unknown_mark_changes_nothing() -> None:
    """A mark that was never sent, or was cut, is nobody's."""
    ledger = ledger_with(("a", 300))
    ledger.mark_played("other", 9.0)

    assert ledger.cut(0.1) == (["a"], 200 * MS)


def test_in_flight_is_what_is_still_to_be_heard() -> None:
    """A turn is in flight until its last piece was played, the ear's lag counted."""
    ledger = ledger_with(("a", 100), ("clip", 100))

    assert ledger.in_flight(0.05) == {"a", "clip"}
    assert ledger.in_flight(0.15) == {"clip"}
    assert ledger.in_flight(0.25) == frozenset()


def test_lag_is_what_the_last_mark_showed() -> None:
    """The ear's lag is as the last mark to come back showed it; what is in flight stays so much longer."""
    ledger = ledger_with(("a", 100))
    assert ledger.lag_s == 0.0

    ledger.mark_sent("m", 0.1)
    ledger.mark_played("m", 0.13)
    ledger.sent("b", 100 * MS, 0.3, 0.2)

    assert ledger.lag_s == pytest.approx(0.03)
    assert ledger.in_flight(0.32) == {"b"}
    assert ledger.in_flight(0.34) == frozenset()


def test_unknown_turn_was_not_heard() -> None:
    """A turn that is not on the books was not heard."""
    ledger = HeardLedger()

    assert ledger.heard("x") == TurnHeard("x", 0, 0)
    assert "x" not in ledger


def test_books_of_the_oldest_turns_are_closed() -> None:
    """Of more than 64 turns only the last are on the books; a closed one counts as not heard."""
    ledger = ledger_with(*((f"t{n}", 10) for n in range(65)))
    assert ledger.in_flight(9.0) == frozenset()

    assert len(ledger) == 64
    assert "t0" not in ledger
    assert "t1" in ledger
    assert ledger.heard("t64") == TurnHeard("t64", 10, 10)
