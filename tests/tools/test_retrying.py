"""When a failed request is sent once more, and after which pause."""

import pytest

from gateway.tools.retrying import names_of, pause_s
from gateway.tools.spec import Retry

THREE = Retry(count=3, on=("connect", "429", "5xx"), backoff_s=0.2)


@pytest.mark.parametrize(
    ("status", "reason", "names"),
    [
        (503, "http_503", {"503", "5xx"}),
        (404, "http_404", {"404", "4xx"}),
        (0, "connect", {"connect"}),
        (0, "dns", {"connect"}),
        (0, "reset", {"reset"}),
        (0, "too_large", {"too_large"}),
    ],
)
def test_failures_have_the_names_that_people_write(status: int, reason: str, names: set[str]) -> None:
    """A status is called by its number and by its class; without one nothing was sent, or it broke."""
    assert names_of(status, reason) == names


@pytest.mark.parametrize(("done", "longest_s"), [(1, 0.2), (2, 0.4), (3, 0.8)])
def test_pauses_double_and_are_drawn_from_their_upper_half(done: int, longest_s: float) -> None:
    """Chance moves a pause between half of the backoff and the whole."""
    drawn = [pause_s(THREE, done, frozenset({"503", "5xx"}), None, chance) for chance in (0.0, 0.5, 1.0)]

    assert drawn == pytest.approx([longest_s / 2, longest_s * 0.75, longest_s])


def test_there_is_an_end_to_it() -> None:
    """After the first request and three more it is over."""
    assert pause_s(THREE, 4, frozenset({"connect"}), None, 0.0) is None


def test_what_is_not_listed_is_not_repeated() -> None:
    """A failure that the operator did not name stands."""
    assert pause_s(THREE, 1, frozenset({"404", "4xx"}), None, 0.0) is None


def test_by_default_nothing_is_repeated() -> None:
    """An operator who says nothing of retries gets none."""
    assert pause_s(Retry(), 1, frozenset({"connect"}), None, 0.0) is None


@pytest.mark.parametrize(("asked_s", "paused_s"), [(0.0, 0.0), (3.0, 3.0), (86_400.0, 60.0)])
def test_the_endpoint_may_ask_for_a_pause(asked_s: float, paused_s: float) -> None:
    """Retry-After wins over the backoff, up to a minute, which no deadline leaves room for anyway."""
    assert pause_s(THREE, 1, frozenset({"429", "4xx"}), asked_s, 0.5) == paused_s
