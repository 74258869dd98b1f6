"""How often one may ask: a moving window for each key, and one for the failures of each address.

Who asks is known by their key or by the address of the connection; headers that name another address
change nothing. A failed sign-in or a bad key never uses up the window of a good one.
"""

import math
from datetime import datetime, timedelta

from gateway.api.envelope import Refusal
from gateway.cluster.interface import RateDecision, RateLimits

WINDOW_S = 60.0
REQUESTS_PER_KEY = 1_000
FAILURES_PER_ADDRESS = 60
SIGN_INS_PER_ACCOUNT = 10
CALLS_PER_KEY = 1_000
CALL_WINDOW_S = 86_400.0


def headers_of(decision: RateDecision, now: datetime) -> dict[str, str]:
    """Return the headers that tell how much is left; the reset is in whole Unix seconds, never early."""
    reset = now + timedelta(seconds=decision.reset_s)
    return {
        "X-RateLimit-Limit": str(decision.limit),
        "X-RateLimit-Remaining": str(max(0, decision.remaining)),
        "X-RateLimit-Reset": str(math.ceil(reset.timestamp())),
    }


class Limiter:
    """Lives as long as the process.

    Args:
        limits: where requests are counted: in this process, or for all nodes together.
        calls_per_key: calls that a key may place within a day: a stolen one must not ring the world.
    """

    def __init__(
        self,
        limits: RateLimits,
        requests_per_key: int = REQUESTS_PER_KEY,
        calls_per_key: int = CALLS_PER_KEY,
    ) -> None:
        self._limits = limits
        self._requests_per_key = requests_per_key
        self._calls_per_key = calls_per_key

    async def count(self, who: str, headers: dict[str, str], now: datetime) -> None:
        """Count a request of a key, a user or an address, and tell in the headers what is left.

        Raises:
            Refusal: 429.
        """
        await self._hit(f"api:{who}", self._requests_per_key, headers, now)

    async def count_failure(self, address: str, headers: dict[str, str], now: datetime) -> None:
        """Count a request that nobody could be recognized by.

        Raises:
            Refusal: 429.
        """
        await self._hit(f"failed:{address}", FAILURES_PER_ADDRESS, headers, now)

    async def count_sign_in(self, account_hash: str, headers: dict[str, str], now: datetime) -> None:
        """Count a try to sign in to an account, from wherever.

        Raises:
            Refusal: 429.
        """
        await self._hit(f"sign-in:{account_hash}", SIGN_INS_PER_ACCOUNT, headers, now)

    async def count_call(self, key_id: str) -> None:
        """Count a call that a key is about to place; the headers keep telling of requests.

        Raises:
            Refusal: 429.
        """
        decision = await self._limits.hit(
            f"calls:{key_id}", limit=self._calls_per_key, window_s=CALL_WINDOW_S
        )
        if not decision.allowed:
            message = f"This key has placed {self._calls_per_key} calls within a day."
            raise Refusal(429, message, reason="call_limit", retry_after_s=max(1.0, decision.reset_s))

    async def _hit(self, key: str, limit: int, headers: dict[str, str], now: datetime) -> None:
        decision = await self._limits.hit(key, limit=limit, window_s=WINDOW_S)
        headers.update(headers_of(decision, now))
        if not decision.allowed:
            raise Refusal(
                429,
                "Too many requests.",
                reason="rate_limit",
                retry_after_s=max(1.0, decision.reset_s),
            )
