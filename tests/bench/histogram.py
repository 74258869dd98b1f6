"""Times, counted into bins: cheap enough for every frame of a load of hundreds of calls."""

_BIN_S = 20e-6
_BINS = 25_000


class Histogram:
    """Times from 0 to 0.5 s in bins of 20 µs; what is longer counts into the last. Lives as long as a window.

    Attributes:
        count: how many times were added.
        longest_s: the longest of them, exact.
        total_s: their sum, exact.
    """

    __slots__ = ("_bins", "count", "longest_s", "total_s")

    def __init__(self) -> None:
        self._bins = [0] * _BINS
        self.count = 0
        self.longest_s = 0.0
        self.total_s = 0.0

    def add(self, time_s: float) -> None:
        """Count a time; one below 0 counts as 0."""
        at = int(time_s / _BIN_S)
        self._bins[0 if at < 0 else at if at < _BINS else _BINS - 1] += 1
        self.count += 1
        self.total_s += time_s
        if time_s > self.longest_s:
            self.longest_s = time_s

    def quantile_ms(self, share: float) -> float:
        """Return the time below which a share of all lies, in ms (the upper end of its bin); 0 for none."""
        wanted, seen = share * self.count, 0
        for at, held in enumerate(self._bins):
            seen += held
            if held and seen >= wanted:
                return min((at + 1) * _BIN_S, self.longest_s) * 1000
        return 0.0

    @property
    def mean_ms(self) -> float:
        """The mean in ms; 0 for none."""
        return self.total_s / self.count * 1000 if self.count else 0.0

    def line(self) -> str:
        """Return p50, p99 and the longest, in ms."""
        if not self.count:
            return "none"
        return (
            f"p50 {self.quantile_ms(0.5):.2f}  p99 {self.quantile_ms(0.99):.2f}"
            f"  max {self.longest_s * 1000:.2f} ms (n={self.count})"
        )
