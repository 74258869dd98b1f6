"""The schedule, try by try, and what ends it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks.schedule import MOST_TRIES, WAITS_S, Outcome, Verdict, judge

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
DOWN = Outcome(503)


def waited_s(number: int, outcome: Outcome = DOWN, chance: float = 0.5) -> float:
    """Return how long is waited after a try."""
    verdict = judge(number, outcome, NOW, chance)
    assert verdict.state == "pending"
    return (verdict.at - NOW).total_seconds()


def test_schedule_is_the_one_of_standard_webhooks() -> None:
    """After 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 hours: ten tries, 75 h 35 min 5 s."""
    waits = [waited_s(number) for number in range(1, MOST_TRIES)]

    assert waits == [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert sum(WAITS_S) == 75 * 3_600 + 35 * 60 + 5


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 307, 308, 400, 404, 429, 500, 503])
def test_everything_but_2xx_is_a_failure(status: int | None) -> None:
    """No answer, redirects and errors of every kind are tried again, and dead after the tenth."""
    assert waited_s(1, Outcome(status)) == 5
    assert judge(MOST_TRIES, Outcome(status), NOW, 0.5) == Verdict("dead", NOW)
    assert judge(MOST_TRIES + 5, Outcome(status), NOW, 0.5) == Verdict("dead", NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("number", [1, MOST_TRIES])
def test_any_2xx_is_success(status: int, number: int) -> None:
    """Whatever the endpoint says beside it, a success is one, at the last try too."""
    assert judge(number, Outcome(status, "120"), NOW, 0.5) == Verdict("delivered", NOW)


def test_gone_disables() -> None:
    """410 ends it at the first try."""
    assert judge(1, Outcome(410), NOW, 0.5) == Verdict("disabled", NOW)


@given(st.integers(1, MOST_TRIES - 1), st.floats(0, 1))
def test_jitter_is_a_tenth_at_most(number: int, chance: float) -> None:
    """Each wait lies within a tenth of the schedule's."""
    assert WAITS_S[number - 1] * 0.899 < waited_s(number, chance=chance) < WAITS_S[number - 1] * 1.101


@pytest.mark.parametrize(
    ("header", "waits_s"),
    [
        ("", 5),
        ("0", 5),
        (" 7 ", 7),
        ("999999", 86_400),
        ("9" * 5_000, 86_400),
        ("Thu, 26 Nov 2026 12:02:00 GMT", 120),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 5),
        ("Fri, 26 Nov 2027 12:00:00 GMT", 86_400),
        ("soon", 5),
    ],
)
def test_retry_after_is_heeded_in_both_forms(header: str, waits_s: float) -> None:
    """Seconds and dates are understood, up to a day; what is neither asks for nothing."""
    assert waited_s(1, Outcome(503, header)) == waits_s


@pytest.mark.parametrize(("number", "waits_s"), [(1, 600), (2, 600), (3, 1_800)])
def test_receiver_may_ask_for_a_longer_wait(number: int, waits_s: float) -> None:
    """What Retry-After asks for counts where it is more than the schedule's own wait."""
    assert waited_s(number, Outcome(429, "600")) == waits_s


@given(st.text(max_size=40))
def test_no_header_breaks_the_schedule(header: str) -> None:
    """Whatever a receiver writes there, the next try is within the day, and not before the schedule's."""
    at = judge(1, Outcome(429, header), NOW, 0.0).at

    assert NOW + timedelta(seconds=4.5) <= at <= NOW + timedelta(days=1)
