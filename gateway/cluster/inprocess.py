"""A cluster of one process: what a node needs when there are no others."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.cluster.hub import Hub
from gateway.cluster.interface import LEASE_S, Handler, Lease, RateDecision
from gateway.cluster.window import MovingWindow
from gateway.errors import ClusterError, GatewayError

_SWEEP_FROM = 10_000


def loop_time() -> float:
    """Return the running loop's time (seconds, monotonic)."""
    return asyncio.get_running_loop().time()


class LocalCommands:
    """Commands to calls of this process. Lives as long as it."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def __contains__(self, call_id: str) -> bool:
        """Say whether a call takes commands here."""
        return call_id in self._handlers

    def serve(self, call_id: str, handler: Handler) -> None:
        """Take commands for a call."""
        self._handlers[call_id] = handler

    def withdraw(self, call_id: str) -> None:
        """Take no more commands for a call."""
        self._handlers.pop(call_id, None)

    async def ask(
        self, call_id: str, name: str, arguments: Mapping[str, Any] | None = None, *, timeout_s: float = 5.0
    ) -> Mapping[str, Any]:
        """Have a command carried out here.

        Raises:
            ClusterError: ``no_owner``, ``timeout`` or ``refused``.
        """
        handler = self._handlers.get(call_id)
        if handler is None:
            raise ClusterError("the call lives on no node", reason="no_owner")
        try:
            async with asyncio.timeout(timeout_s):
                return await handler(name, arguments or {})
        except TimeoutError:
            raise ClusterError("the call did not answer the command in time", reason="timeout") from None
        except GatewayError as fault:
            raise ClusterError(f"the call refused the command: {fault}", reason="refused") from fault


class LocalLeases:
    """Leases within this process. Lives as long as it.

    Args:
        node: who takes them.
        now: seconds, monotonic; the loop's clock by default.
    """

    def __init__(self, node: str, now: Callable[[], float] = loop_time) -> None:
        self._node = node
        self._now = now
        self._held: dict[str, tuple[int, float]] = {}  # fence, when it expires
        self._last_fence = 0

    async def acquire(self, name: str, *, ttl_s: float = LEASE_S) -> Lease | None:
        """Take a lease that nobody holds."""
        held = self._held.get(name)
        if held is not None and held[1] > self._now():
            return None
        # By the wall clock, so that fences grow over restarts as well.
        self._last_fence = max(self._last_fence + 1, int(datetime.now(UTC).timestamp() * 1000))
        self._held[name] = (self._last_fence, self._now() + ttl_s)
        return Lease(name, self._node, self._last_fence)

    async def renew(self, lease: Lease, *, ttl_s: float = LEASE_S) -> bool:
        """Hold a lease for another while."""
        held = self._held.get(lease.name)
        if held is None or held[0] != lease.fence or held[1] <= self._now():
            return False
        self._held[lease.name] = (lease.fence, self._now() + ttl_s)
        return True

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        held = self._held.get(lease.name)
        if held is not None and held[0] == lease.fence:
            del self._held[lease.name]


class LocalLimits:
    """Moving windows within this process. Lives as long as it.

    Args:
        now: seconds, monotonic; the loop's clock by default.
    """

    def __init__(self, now: Callable[[], float] = loop_time) -> None:
        self._now = now
        self._windows: dict[tuple[str, float], MovingWindow] = {}
        self._sweep_at = _SWEEP_FROM

    async def hit(self, key: str, *, limit: int, window_s: float = 60.0) -> RateDecision:
        """Count a request."""
        return self.count(key, limit=limit, window_s=window_s)

    def count(self, key: str, *, limit: int, window_s: float) -> RateDecision:
        """Count a request, at once."""
        return self._window(key, window_s).hit(self._now(), limit)

    def book(self, key: str, *, window_s: float) -> None:
        """Remember a request that was allowed elsewhere."""
        self._window(key, window_s).book(self._now())

    def _window(self, key: str, window_s: float) -> MovingWindow:
        window = self._windows.get((key, window_s))
        if window is None:
            if len(self._windows) >= self._sweep_at:
                self._sweep()
            window = self._windows[key, window_s] = MovingWindow(window_s)
        return window

    def _sweep(self) -> None:
        """Forget keys that are at rest."""
        now = self._now()
        for key, window in list(self._windows.items()):
            window.leave(now)
            if not window:
                del self._windows[key]
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._windows))


class InProcessCluster:
    """Lives as long as the process.

    Args:
        node: this process's name.
    """

    connected = True
    nodes = 1

    def __init__(self, node: str = "local") -> None:
        self.node = node
        self.events = Hub()
        self.commands = LocalCommands()
        self.leases = LocalLeases(node)
        self.limits = LocalLimits()

    async def run(self) -> None:
        """Do nothing until cancelled: there is nobody to keep in touch with."""
        await asyncio.get_running_loop().create_future()
