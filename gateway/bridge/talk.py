"""How long the caller talked, and for how much of that they talked over what they heard. PURE."""

from collections import deque

_JOIN_S = 0.001  # pieces of audio whose times differ by no more are one spurt


class TalkClock:
    """Lives as long as its call's stream. Times are seconds, monotonic; they are told in order."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._talked_s = 0.0
        self._over_s = 0.0
        self._spurts: deque[tuple[float, float]] = deque()

    def caller_started(self, now: float) -> None:
        """Note that the caller talks; being told again changes nothing."""
        if self._since is None:
            self._since = now
            while self._spurts and self._spurts[0][1] <= now:
                self._spurts.popleft()

    def caller_stopped(self, now: float) -> None:
        """Note that the caller has stopped."""
        if self._since is not None:
            self._talked_s += now - self._since
            self._over_s += self._overlap_s(self._since, now)
            self._since = None

    def heard(self, start: float, end: float) -> None:
        """Note audio that is heard from a time on until another."""
        if self._spurts and start <= self._spurts[-1][1] + _JOIN_S:
            self._spurts[-1] = (self._spurts[-1][0], max(end, self._spurts[-1][1]))
            return
        while self._since is None and len(self._spurts) > 1:
            self._spurts.popleft()  # nobody talked over it
        self._spurts.append((start, end))

    def cleared(self, now: float) -> None:
        """Note that nothing of what was to be heard from now on is."""
        while self._spurts and self._spurts[-1][0] >= now:
            self._spurts.pop()
        if self._spurts and self._spurts[-1][1] > now:
            self._spurts[-1] = (self._spurts[-1][0], now)

    def counters(self, now: float) -> dict[str, int | float]:
        """Return both amounts by now, in ms, as the call's report calls them."""
        open_s = 0.0 if self._since is None else now - self._since
        over_s = 0.0 if self._since is None else self._overlap_s(self._since, now)
        return {
            "caller_talk_ms": round(1000 * (self._talked_s + open_s)),
            "talk_over_ms": round(1000 * (self._over_s + over_s)),
        }

    def _overlap_s(self, start: float, end: float) -> float:
        return sum(max(0.0, min(end, until) - max(start, since)) for since, until in self._spurts)
