"""Close codes and what they mean."""

from dataclasses import FrozenInstanceError

import pytest

from gateway.vatel.closing import SocketClosed, close_meaning


@pytest.mark.parametrize("code", [1000, 1005])
def test_a_normal_close_is_the_agents_end(code: int) -> None:
    """A close that says it is normal, or says nothing, ends the conversation."""
    assert close_meaning(code) == "ended"


@pytest.mark.parametrize(
    "code", [1001, 1002, 1003, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4401, 4999]
)
def test_any_other_close_is_a_loss(code: int) -> None:
    """Whatever else ends the socket broke it: the call may be mended by another session."""
    assert close_meaning(code) == "lost"


def test_an_end_is_a_value() -> None:
    """Ends are compared and cannot be changed."""
    closed = SocketClosed(1011, "oops")

    assert closed == SocketClosed(1011, "oops")
    assert SocketClosed(1000).reason == ""
    with pytest.raises(FrozenInstanceError):
        closed.code = 1000  # type: ignore[misc]  # the point of the test
