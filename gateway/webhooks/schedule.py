"""When an event webhook is tried again, and when no more: the schedule of Standard Webhooks 1.0.0. PURE.

Ten tries over some 76 hours. Success is a status of 2xx and nothing else: a redirect is a failure, for it is
never followed. 410 says that the receiver is gone for good. What a receiver asks for by Retry-After is
heeded, up to a day. Each wait is up to a tenth longer or shorter, so that what failed together does not come
back together.

A call's events are delivered in their order: a later one waits until the earlier is delivered, dead or
disabled. A receiver that is down therefore gets `call_started` before `call_completed` when it is back, and
one that refuses `call_started` for three days gets `call_completed` after that. A dead letter that somebody
redelivers is tried once more, and then dead again or delivered.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from gateway.egress.retry_after import retry_after_s

MINUTE, HOUR = 60.0, 3600.0
WAITS_S: Final = (
    5.0,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""How long to wait after the first try, the second, and so on; after the tenth there is none."""

MOST_TRIES: Final = len(WAITS_S) + 1
_LONGEST_WAIT_S = 24 * HOUR
_JITTER = 0.1
_GONE = 410

State = Literal["pending", "delivered", "dead", "disabled"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try.

    Attributes:
        status: the HTTP status; None when there was no answer.
        retry_after: the header of that name; empty without one.
    """

    status: int | None
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the event.

    Attributes:
        state: what it is from now on.
        at: when it is tried again, if it is pending; else now.
    """

    state: State
    at: datetime


def judge(number: int, outcome: Outcome, now: datetime, chance: float) -> Verdict:
    """Decide what follows a try.

    Args:
        number: which try it was, from 1.
        outcome: what became of it.
        now: when it ended.
        chance: a random number from 0 to 1.
    """
    if outcome.status is not None and 200 <= outcome.status < 300:
        return Verdict("delivered", now)
    if outcome.status == _GONE:
        return Verdict("disabled", now)
    if number >= MOST_TRIES:
        return Verdict("dead", now)
    wait_s = WAITS_S[number - 1] * (1 - _JITTER + 2 * _JITTER * chance)
    asked_s = min(retry_after_s(outcome.retry_after, now) or 0.0, _LONGEST_WAIT_S)
    return Verdict("pending", now + timedelta(seconds=max(wait_s, asked_s)))
