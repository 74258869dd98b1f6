"""The ledger of marks: played or flushed, in order, never without bound."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from gateway.twilio.marks import MAX_PENDING_MARKS, MarkLedger, MarkReturned


def ledger_of(*names: str) -> MarkLedger:
    ledger = MarkLedger()
    for name in names:
        ledger.add(name)
    return ledger


def test_mark_that_comes_back_was_played() -> None:
    """Without a clear, an echo means that the audio before it was heard."""
    ledger = ledger_of("a", "b")
    assert ledger.returned("a") == MarkReturned("a", flushed=False)
    assert ledger.returned("b") == MarkReturned("b", flushed=False)
    assert len(ledger) == 0


def test_mark_before_a_clear_was_flushed() -> None:
    """An echo that follows a clear says nothing about what was heard."""
    ledger = ledger_of("a")
    ledger.flush()
    assert ledger.returned("a") == MarkReturned("a", flushed=True)


def test_mark_after_a_clear_was_played() -> None:
    """The clear counts for the marks before it alone."""
    ledger = ledger_of("old")
    ledger.flush()
    ledger.add("new")
    assert ledger.returned("old") == MarkReturned("old", flushed=True)
    assert ledger.returned("new") == MarkReturned("new", flushed=False)


def test_same_name_on_both_sides_of_a_clear_is_told_apart_by_order() -> None:
    """Twilio echoes in order, so the first echo belongs to the first mark."""
    ledger = ledger_of("turn")
    ledger.flush()
    ledger.add("turn")
    assert [ledger.returned("turn"), ledger.returned("turn"), ledger.returned("turn")] == [
        MarkReturned("turn", flushed=True),
        MarkReturned("turn", flushed=False),
        None,
    ]


def test_unprompted_mark_matches_nothing() -> None:
    """A name that was never set, or came back already, changes nothing."""
    ledger = ledger_of("a")
    assert ledger.returned("x") is None
    assert len(ledger) == 1
    assert ledger.lost == 0


def test_marks_that_an_echo_overtakes_are_lost() -> None:
    """A peer that drops pending marks on clear does not block the ones that follow."""
    ledger = ledger_of("a", "b")
    ledger.flush()
    ledger.add("c")
    assert ledger.returned("c") == MarkReturned("c", flushed=False)
    assert ledger.lost == 2
    assert len(ledger) == 0


def test_pending_marks_are_bounded() -> None:
    """A peer that never echoes costs a fixed amount of memory; the oldest is forgotten first."""
    ledger = ledger_of(*map(str, range(MAX_PENDING_MARKS + 3)))
    assert len(ledger) == MAX_PENDING_MARKS
    assert ledger.lost == 3
    assert ledger.returned("2") is None
    assert ledger.returned("3") == MarkReturned("3", flushed=False)


@given(st.lists(st.one_of(st.integers(0, 3).map(str), st.just("clear"), st.just("echo")), max_size=40))
def test_ledger_agrees_with_a_faithful_twilio(script: list[str]) -> None:
    """Against a peer that echoes every mark in order, each echo is flushed just when a clear came between."""
    ledger = MarkLedger()
    pending: deque[list[object]] = deque()
    for step in script:
        if step == "clear":
            ledger.flush()
            for mark in pending:
                mark[1] = True
        elif step == "echo":
            if pending:
                name, flushed = pending.popleft()
                assert ledger.returned(str(name)) == MarkReturned(str(name), bool(flushed))
        else:
            ledger.add(step)
            pending.append([step, False])
        assert len(ledger) == len(pending)
    assert ledger.lost == 0
