"""What a cluster offers, whether it is one process or many nodes.

Two implementations, one contract: :class:`gateway.cluster.inprocess.InProcessCluster` and
:class:`gateway.cluster.valkey.ValkeyCluster`. Every wait has a deadline; a server that is away costs what
each method says and never a call.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

LEASE_S = 15.0
RENEW_S = 5.0


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something that happened in a call, for those who watch.

    Attributes:
        seq: its number within the call, from 1, without holes.
        body: what happened, as the publisher writes it; nobody here looks into it.
        last: True for the call's last one.
    """

    seq: int
    body: bytes
    last: bool = False


class LiveEvents(Protocol):
    """The events of live calls, to as many watchers as there are, on any node."""

    def publish(self, call_id: str, event: LiveEvent) -> None:
        """Tell all watchers; returns at once. An event whose number was told before is dropped.

        The latest 1,000 of each call are kept for those who come late, until some minutes after the last.
        """

    def watch(self, call_id: str, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[LiveEvent]]:
        """Watch a call: its events in order, each once, from the one behind `after` on, up to the last.

        The iterator raises ClusterError: ``events_missed`` when the one behind `after` is kept no more, or
        was lost on the way (read the stored ones, then watch again from there), ``slow_reader`` when more
        than 256 events have piled up since the watcher came.
        """

    async def last_seq(self, call_id: str) -> int:
        """Return the highest number that was told of a call; 0 when nothing is known. For who takes it over.

        Raises:
            ClusterError: ``unavailable``: the server did not answer.
        """


Handler = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Carries out a command (name, arguments) on a call; a GatewayError that it raises is told to who asked."""


class Commands(Protocol):
    """Commands to a call, wherever it lives."""

    def serve(self, call_id: str, handler: Handler) -> None:
        """Take commands for a call that lives here; returns at once. Other nodes see it a moment later."""

    def withdraw(self, call_id: str) -> None:
        """Take no more commands for a call; withdrawing twice is no fault."""

    async def ask(
        self, call_id: str, name: str, arguments: Mapping[str, Any] | None = None, *, timeout_s: float = 5.0
    ) -> Mapping[str, Any]:
        """Have a command carried out where the call lives, at most once; return the answer.

        Raises:
            ClusterError: ``no_owner``: no node takes commands for the call; ``timeout``: no answer in time
                (it may have been carried out); ``refused``: the handler raised; ``unavailable``: the server
                did not answer.
        """


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do something alone for a while.

    Attributes:
        fence: grows with each new holder: who writes elsewhere writes it too, and a lower one is refused.
    """

    name: str
    holder: str
    fence: int


class Leases(Protocol):
    """Who may do what alone. Time is the server's."""

    async def acquire(self, name: str, *, ttl_s: float = LEASE_S) -> Lease | None:
        """Take a lease that nobody holds; None when another node, or this one, holds it.

        Raises:
            ClusterError: ``unavailable``: the server did not answer.
        """

    async def renew(self, lease: Lease, *, ttl_s: float = LEASE_S) -> bool:
        """Hold a lease for another while; False when it is lost.

        Raises:
            ClusterError: ``unavailable``: the server did not answer; the lease may still be held.
        """

    async def release(self, lease: Lease) -> None:
        """Give a lease back; one that is lost is no fault, nor is a server that is away: it expires."""


@dataclass(frozen=True, slots=True)
class RateDecision:
    """What a limit says about a request.

    Attributes:
        remaining: requests left in the window, this one counted.
        reset_s: in how many seconds the next place gets free.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: float


class RateLimits(Protocol):
    """How often, over all nodes together."""

    async def hit(self, key: str, *, limit: int, window_s: float = 60.0) -> RateDecision:
        """Count a request: at most `limit` are allowed in any window of that length, wherever it begins.

        Never raises: while the server is away each node allows its share of the limit by its own count.
        """


class Cluster(Protocol):
    """All of it. Lives as long as the process.

    Attributes:
        node: this process's name, no other's.
    """

    node: str

    @property
    def events(self) -> LiveEvents:
        """The live events."""

    @property
    def commands(self) -> Commands:
        """The commands."""

    @property
    def leases(self) -> Leases:
        """The leases."""

    @property
    def limits(self) -> RateLimits:
        """The limits."""

    @property
    def nodes(self) -> int:
        """How many nodes there are, as far as this one knows; at least 1."""

    @property
    def connected(self) -> bool:
        """Whether this node hears the others."""

    async def run(self) -> None:
        """Keep in touch; ends by being cancelled."""
