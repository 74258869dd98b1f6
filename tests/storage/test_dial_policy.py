"""Whether a number may be called, rule by rule."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage.dial_policy import DialPolicy, Facts, blocks

FREE = Facts(suppressed=False, attempts=0)
NIGHT = DialPolicy(quiet_from=time(21), quiet_until=time(8), time_zone="Europe/Berlin")
LUNCH = DialPolicy(quiet_from=time(12), quiet_until=time(13))
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def at(hour: int, minute: int = 0) -> datetime:
    """Return a moment of the day in question, UTC."""
    return NOON.replace(hour=hour, minute=minute)


def rules(number: str, now: datetime, facts: Facts, policy: DialPolicy, zone: str | None = None) -> list[str]:
    """Return the names of the rules that block."""
    return [block.rule for block in blocks(number, now, facts, policy, zone)]


def test_nothing_forbids_by_default() -> None:
    """Without a policy every number may be called at any hour."""
    assert blocks("+4930123456", NOON, FREE, DialPolicy()) == []


@pytest.mark.parametrize(
    ("number", "blocked"),
    [("+4930123456", False), ("+15550100", False), ("+19005550100", True), ("+4190012345", True)],
)
def test_number_must_begin_with_an_allowed_prefix(number: str, blocked: bool) -> None:
    """Only listed destinations are dialled, whoever asks."""
    policy = DialPolicy(allowed_prefixes=("+49", "+1555"))

    assert rules(number, NOON, FREE, policy) == (["destination_prefix"] if blocked else [])


def test_no_prefix_allows_no_number() -> None:
    """An empty list dials nowhere."""
    assert rules("+49", NOON, FREE, DialPolicy(allowed_prefixes=())) == ["destination_prefix"]


def test_suppressed_number_is_not_called() -> None:
    """The suppression list is a rule of its own."""
    assert rules("+49", NOON, Facts(True, 0), DialPolicy()) == ["suppression_list"]


@pytest.mark.parametrize(("attempts", "blocked"), [(0, False), (2, False), (3, True), (4, True)])
def test_number_is_called_so_often_and_no_more(attempts: int, blocked: bool) -> None:
    """The cap itself is the last attempt."""
    found = blocks("+49", NOON, Facts(False, attempts), DialPolicy(max_attempts=3, attempt_window_s=7200))

    assert [block.rule for block in found] == (["attempt_cap"] if blocked else [])
    assert not blocked or "within 2 hours" in found[0].message


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (at(19, 59), None),
        (at(20), at(7) + timedelta(days=1)),
        (at(23, 30), at(7) + timedelta(days=1)),
        (at(6, 59), at(7)),
        (at(7), None),
    ],
)
def test_night_is_quiet_on_the_callees_clock(now: datetime, until: datetime | None) -> None:
    """Nine in the evening to eight in the morning in Berlin is an hour earlier in UTC, over midnight."""
    found = blocks("+49", now, FREE, NIGHT)

    assert [block.until for block in found] == ([until] if until else [])


@pytest.mark.parametrize(("now", "quiet"), [(at(11, 59), False), (at(12), True), (at(13), False)])
def test_quiet_hours_within_a_day(now: datetime, quiet: bool) -> None:
    """They hold from their first minute to before their last."""
    found = blocks("+49", now, FREE, LUNCH)

    assert [block.until for block in found] == ([at(13)] if quiet else [])


def test_zone_of_the_task_wins() -> None:
    """Noon in UTC is night in Auckland."""
    assert rules("+64", NOON, FREE, NIGHT, "Pacific/Auckland") == ["quiet_hours"]


def test_all_rules_are_named_at_once() -> None:
    """Whoever asks learns every reason, not the first."""
    policy = DialPolicy(("+1",), time(0), time(23), max_attempts=1)

    assert rules("+49", NOON, Facts(True, 1), policy) == [
        "destination_prefix",
        "suppression_list",
        "quiet_hours",
        "attempt_cap",
    ]


@given(
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)),
    st.times(),
    st.times(),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)
def test_quiet_hours_end_in_the_future_and_then_are_over(
    now: datetime, start: time, end: time, zone: str
) -> None:
    """Whatever the hours, the zone and its clock changes, the moment named comes later and is not quiet."""
    moment = now.replace(tzinfo=UTC)
    policy = DialPolicy(quiet_from=start, quiet_until=end, time_zone=zone)
    for block in blocks("+49", moment, FREE, policy):
        assert block.until is not None
        assert moment < block.until + timedelta(hours=1)
        assert blocks("+49", block.until + timedelta(hours=1), FREE, DialPolicy(time_zone=zone)) == []
