"""A moving window: at most so many in any stretch of a length, wherever it begins. PURE.

Every request that was allowed is remembered for the window's length: nothing less can keep the promise.
"""

from collections import deque

from gateway.cluster.interface import RateDecision


class MovingWindow:
    """The requests of one key. Lives until it has been empty for a while.

    Args:
        window_s: its length.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._allowed: deque[float] = deque()

    def __len__(self) -> int:
        """Count the requests that were allowed and have not left the window, as of the last question."""
        return len(self._allowed)

    def hit(self, now: float, limit: int) -> RateDecision:
        """Count a request if the limit lets it in; time does not go back."""
        self.leave(now)
        allowed = len(self._allowed) < limit
        if allowed:
            self._allowed.append(now)
        remaining = max(0, limit - len(self._allowed))
        reset_s = self._allowed[0] + self._window_s - now if self._allowed else self._window_s
        return RateDecision(allowed, limit, remaining, reset_s)

    def book(self, now: float) -> None:
        """Remember a request that somebody else allowed."""
        self.leave(now)
        self._allowed.append(now)

    def leave(self, now: float) -> None:
        """Forget what has left the window."""
        while self._allowed and self._allowed[0] <= now - self._window_s:
            self._allowed.popleft()
