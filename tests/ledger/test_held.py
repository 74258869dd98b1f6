"""A call that this process keeps the books of."""

from datetime import UTC, datetime

from gateway.ledger.held import Held
from tests.ledger.bookkeeping import call_info, said


def test_later_fence_wins() -> None:
    """Two leases taken at once may be told in the wrong order: the later one counts."""
    held = Held(call_info(), 0.0)
    held.holds(2)
    held.holds(1)

    assert held.fence == 2


def test_lost_call_has_nothing_to_write() -> None:
    """What waited is gone, and the call is not this node's."""
    held = Held(call_info(), 0.0, fence=3)
    held.page.take(said(0), datetime.now(UTC))
    held.lose()

    assert (held.lost, held.fence, len(held.page)) == (True, None, 0)


def test_calls_are_told_apart() -> None:
    """Two holds of the same call are two things: they are kept by who they are."""
    call = call_info()

    assert Held(call, 0.0) != Held(call, 0.0)
