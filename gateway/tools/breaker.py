"""A circuit breaker: a tool that keeps failing is not asked for a while. PURE."""

from dataclasses import dataclass

from gateway.tools.spec import Breaker


@dataclass(slots=True)
class Circuit:
    """One tool's breaker. Lives as long as the catalogue that holds the tool.

    Closed, it lets every request through; after ``failures`` in a row it opens and lets none through for
    ``open_s``; then one may try, and its outcome closes the circuit or opens it for as long again. A request
    that ends without an outcome (the call ended first) is reported by :meth:`gave_up`, so that a trial that
    nobody waited for does not keep the circuit open for ever.
    """

    limits: Breaker
    failures: int = 0
    opened_at: float | None = None
    trying: bool = False

    def allows(self, now: float) -> bool:
        """Say whether a request may be sent now (seconds, monotonic); after a pause one may try."""
        if self.opened_at is None:
            return True
        if self.trying or now - self.opened_at < self.limits.open_s:
            return False
        self.trying = True
        return True

    def succeeded(self) -> None:
        """Book a request that the endpoint answered in its right mind."""
        self.failures = 0
        self.opened_at = None
        self.trying = False

    def failed(self, now: float) -> None:
        """Book a request that the endpoint did not answer, or answered with 5xx."""
        self.failures += 1
        if self.trying or (self.limits.failures and self.failures >= self.limits.failures):
            self.opened_at = now
        self.trying = False

    def gave_up(self) -> None:
        """Book a request whose outcome nobody waited for."""
        self.trying = False
