"""A circuit breaker: a tool that keeps failing is not asked for a while. PURE."""

from dataclasses import dataclass

from gateway.tools.spec import Breaker


@dataclass(slots=True)
class Circuit:
    """One tool's breaker. Lives as long as the catalogue that holds the tool.

    Closed, it lets every request through; after ``failures`` in a row it opens and lets none through for
    ``open_s``; then one may try, and its outcome closes the circuit or opens it for as long again. A trial
    whose outcome nobody waited for (the call ended first) leaves room for another.
    """

    limits: Breaker
    failures: int = 0
    opened_at: float | None = None
    trial: object | None = None

    def allows(self, request: object, now: float) -> bool:
        """Say whether a request may be sent now (seconds, monotonic); after the pause it is the trial."""
        if self.opened_at is None:
            return True
        if self.trial is not None or now - self.opened_at < self.limits.open_s:
            return False
        self.trial = request
        return True

    def succeeded(self, request: object) -> None:
        """Book a request that the endpoint answered in its right mind."""
        self.failures = 0
        self.opened_at = None
        self.trial = None

    def failed(self, request: object, now: float) -> None:
        """Book a request that the endpoint did not answer, or answered with 5xx."""
        self.failures += 1
        if self.trial is request or (self.limits.failures and self.failures >= self.limits.failures):
            self.opened_at = now
        self.gave_up(request)

    def gave_up(self, request: object) -> None:
        """Book a request whose outcome nobody waited for, or that says nothing of the endpoint."""
        if self.trial is request:
            self.trial = None
