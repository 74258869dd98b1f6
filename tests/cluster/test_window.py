"""The moving window against a list of all requests."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.cluster.interface import RateDecision
from gateway.cluster.window import MovingWindow


def test_places_come_free_one_by_one() -> None:
    """A request is refused until the oldest allowed one has left the window, to the instant."""
    window = MovingWindow(60.0)

    assert window.hit(0.0, 2) == RateDecision(True, 2, 1, 60.0)
    assert window.hit(10.0, 2) == RateDecision(True, 2, 0, 50.0)
    assert window.hit(59.5, 2) == RateDecision(False, 2, 0, 0.5)
    assert window.hit(60.0, 2) == RateDecision(True, 2, 0, 10.0)
    assert window.hit(69.0, 2) == RateDecision(False, 2, 0, 1.0)
    assert len(window) == 2


def test_limit_of_nothing_lets_nothing_in() -> None:
    """With no place at all every request is refused, and the answer still makes sense."""
    assert MovingWindow(60.0).hit(0.0, 0) == RateDecision(False, 0, 0, 60.0)


def test_booked_requests_count() -> None:
    """What somebody else allowed takes up a place, even beyond the limit."""
    window = MovingWindow(60.0)
    for _ in range(3):
        window.book(0.0)

    assert window.hit(30.0, 2) == RateDecision(False, 2, 0, 30.0)
    window.leave(60.0)
    assert len(window) == 0


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 6))
def test_no_window_ever_holds_more_than_the_limit(steps: list[int], limit: int) -> None:
    """Whatever the rhythm, every stretch of the length has at most so many, and no place is withheld."""
    window, now, allowed = MovingWindow(60.0), 0.0, list[float]()
    for step in steps:
        now += step
        within = [at for at in allowed if at > now - 60.0]
        decision = window.hit(now, limit)
        assert decision.allowed == (len(within) < limit)
        if decision.allowed:
            allowed.append(now)

    for at in allowed:
        assert sum(at <= other < at + 60.0 for other in allowed) <= limit
