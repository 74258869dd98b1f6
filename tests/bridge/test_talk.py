"""How long the caller talked, and how much of it over what they heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridge.talk import TalkClock


def amounts(clock: TalkClock, now: float) -> tuple[float, float]:
    """Return talk and talk-over in ms."""
    told = clock.counters(now)
    return told["caller_talk_ms"], told["talk_over_ms"]


def test_talk_is_from_start_to_stop() -> None:
    """Starts told twice and stops without a start change nothing; who still talks talks until now."""
    clock = TalkClock()
    clock.caller_stopped(0.5)
    clock.caller_started(1.0)
    clock.caller_started(1.5)
    clock.caller_stopped(3.0)
    clock.caller_stopped(4.0)
    clock.caller_started(5.0)

    assert amounts(clock, 5.5) == (2_500, 0)


def test_talk_over_is_what_both_have_in_common() -> None:
    """Audio in pieces is one spurt; what is heard before and after the caller talks does not count."""
    clock = TalkClock()
    for piece in range(10):
        clock.heard(1.0 + piece / 10, 1.1 + piece / 10)
    clock.caller_started(1.8)
    assert amounts(clock, 1.9) == (100, 100)
    clock.heard(2.2, 2.4)
    clock.caller_stopped(2.5)
    clock.heard(3.0, 9.0)

    assert amounts(clock, 9.0) == (700, 400)


def test_what_was_cleared_is_not_talked_over() -> None:
    """An interruption ends what is heard; what was to come is gone."""
    clock = TalkClock()
    clock.heard(1.0, 3.0)
    clock.heard(3.5, 4.0)
    clock.caller_started(2.0)
    clock.cleared(2.25)
    clock.caller_stopped(4.0)

    assert amounts(clock, 4.0) == (2_000, 250)


def test_clear_without_audio_changes_nothing() -> None:
    """Nor does one behind the end of what was heard."""
    clock = TalkClock()
    clock.cleared(0.5)
    clock.heard(1.0, 2.0)
    clock.cleared(5.0)
    clock.caller_started(1.5)

    assert amounts(clock, 2.5) == (1_000, 500)


def test_long_call_keeps_little() -> None:
    """What nobody can talk over any more is forgotten."""
    clock = TalkClock()
    for turn in range(1_000):
        clock.heard(10.0 * turn, 10.0 * turn + 5.0)
    assert len(clock._spurts) <= 2
    clock.caller_started(20_000.0)

    assert len(clock._spurts) == 0


@given(st.lists(st.tuples(st.sampled_from(["start", "stop", "heard"]), st.integers(0, 20)), max_size=40))
def test_amounts_are_those_of_a_clock_that_counts_every_tick(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order, both amounts are what counting ticks gives."""
    clock, now, talking, heard = TalkClock(), 0, False, set[int]()
    talk = over = 0
    for what, size in steps:
        if what == "start":
            clock.caller_started(float(now))
            talking = True
        elif what == "stop":
            clock.caller_stopped(float(now))
            talking = False
        else:
            start = max(now, max(heard, default=-1) + 1)
            clock.heard(float(start), float(start + size))
            heard |= set(range(start, start + size))
        for tick in range(now, now + size):
            talk += talking
            over += talking and tick in heard
        now += size

    assert amounts(clock, float(now)) == (1_000 * talk, 1_000 * over)
    assert pytest.approx(over) == amounts(clock, float(now))[1] / 1_000
