"""Limits: what is told of them, and whose they are."""

import pytest

from gateway.api.envelope import Refusal
from gateway.api.ratelimit import (
    FAILURES_PER_ADDRESS,
    REQUESTS_PER_KEY,
    SIGN_INS_PER_ACCOUNT,
    Limiter,
    headers_of,
)
from gateway.cluster.inprocess import LocalLimits
from gateway.cluster.interface import RateDecision
from tests.tenants import NOW


def test_headers_tell_limit_rest_and_reset() -> None:
    """The reset is a whole Unix second, rounded up; what is left is never negative."""
    told = headers_of(RateDecision(allowed=False, limit=1000, remaining=-1, reset_s=0.9), NOW)

    assert told == {
        "X-RateLimit-Limit": "1000",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(NOW.timestamp()) + 2),
    }


async def test_thousand_a_minute_and_no_more() -> None:
    """In any minute a key gets a thousand; the next is told when to come, and it is free again then."""
    clock = [0.0]
    limiter = Limiter(LocalLimits(lambda: clock[0]))
    headers: dict[str, str] = {}
    for number in range(REQUESTS_PER_KEY):
        clock[0] = number * 0.01
        await limiter.count("key:1", headers, NOW)
    with pytest.raises(Refusal) as refused:
        await limiter.count("key:1", headers, NOW)

    assert refused.value.status == 429
    assert headers["X-RateLimit-Remaining"] == "0"
    wait_s = refused.value.retry_after_s
    assert wait_s is not None
    assert wait_s == pytest.approx(60 - 9.99, abs=0.1)
    clock[0] += wait_s + 0.001
    await limiter.count("key:1", headers, NOW)


async def test_windows_are_apart() -> None:
    """One key's requests, failures of an address, and tries at an account do not use up each other's."""
    limiter = Limiter(LocalLimits(lambda: 0.0), requests_per_key=2)
    counts = [
        (limiter.count, "key:1", 2),
        (limiter.count, "key:2", 2),
        (limiter.count_failure, "10.0.0.1", FAILURES_PER_ADDRESS),
        (limiter.count_sign_in, "ada", SIGN_INS_PER_ACCOUNT),
    ]
    for count, who, limit in counts:
        headers: dict[str, str] = {}
        for left in reversed(range(limit)):
            await count(who, headers, NOW)
            assert headers["X-RateLimit-Remaining"] == str(left)
        with pytest.raises(Refusal) as refused:
            await count(who, headers, NOW)
        assert refused.value.retry_after_s is not None
        assert refused.value.retry_after_s >= 1


async def test_calls_are_counted_by_the_day() -> None:
    """Beyond the cap the next is told to wait until the first is a day old."""
    clock = [0.0]
    limiter = Limiter(LocalLimits(lambda: clock[0]), calls_per_key=2)
    for moment in (0.0, 3_600.0):
        clock[0] = moment
        await limiter.count_call("1")
    with pytest.raises(Refusal) as refused:
        await limiter.count_call("1")
    await limiter.count_call("2")
    clock[0] = 86_401.0
    await limiter.count_call("1")

    assert (refused.value.status, refused.value.retry_after_s) == (429, 82_800.0)
