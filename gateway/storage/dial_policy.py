"""May this number be called now? Each rule that says no is named. PURE."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

RuleName = Literal["destination_prefix", "suppression_list", "quiet_hours", "attempt_cap"]


@dataclass(frozen=True, slots=True)
class DialPolicy:
    """What outbound calls must keep to; lives as long as the process.

    Attributes:
        allowed_prefixes: what a number may begin with (``+49``); ``+`` allows every number.
        quiet_from: when, on the callee's clock, calls must stop; the same as ``quiet_until``: never.
        quiet_until: when they may be made again.
        time_zone: the callee's zone where the task names none (IANA).
        max_attempts: calls to one number within ``attempt_window_s``.
    """

    allowed_prefixes: tuple[str, ...] = ("+",)
    quiet_from: time = time(0)
    quiet_until: time = time(0)
    time_zone: str = "UTC"
    max_attempts: int = 10
    attempt_window_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules need to know of a number: whether it is suppressed, how often it was called lately."""

    suppressed: bool
    attempts: int


@dataclass(frozen=True, slots=True)
class Block:
    """A rule that forbids a call; ``until`` is when it no longer will, where that is known."""

    rule: RuleName
    message: str
    until: datetime | None = None


def blocks(
    to_number: str, now: datetime, facts: Facts, policy: DialPolicy, time_zone: str | None = None
) -> list[Block]:
    """Return the rules that forbid calling a number now; none when it may be called."""
    found = []
    if not to_number.startswith(policy.allowed_prefixes):
        message = "the number does not begin with an allowed prefix"
        found.append(Block("destination_prefix", message))
    if facts.suppressed:
        found.append(Block("suppression_list", "the number is on the suppression list"))
    zone = time_zone or policy.time_zone
    if (until := _quiet_until(now, policy, zone)) is not None:
        message = f"it is between {policy.quiet_from:%H:%M} and {policy.quiet_until:%H:%M} in {zone}"
        found.append(Block("quiet_hours", message, until))
    if facts.attempts >= policy.max_attempts:
        window_h = policy.attempt_window_s / 3600
        message = f"the number was called {facts.attempts} times within {window_h:g} hours"
        found.append(Block("attempt_cap", message))
    return found


def _quiet_until(now: datetime, policy: DialPolicy, zone: str) -> datetime | None:
    """Return the end of the quiet hours that a moment lies in, None when it lies in none."""
    local = now.astimezone(ZoneInfo(zone))
    start, end = policy.quiet_from, policy.quiet_until
    clock = local.time()
    over_midnight = start > end
    quiet = (clock >= start or clock < end) if over_midnight else start <= clock < end
    if not quiet:
        return None
    ends_tomorrow = over_midnight and clock >= start
    day = local.date() + timedelta(days=1 if ends_tomorrow else 0)
    return datetime.combine(day, end, tzinfo=ZoneInfo(zone)).astimezone(now.tzinfo)
