"""What the operations share: the database, who is who, the tokens."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.sandbox.httpfaults import HttpFaults
from gateway.sandbox.organizations import Organizations
from gateway.sandbox.roster import Roster
from gateway.sandbox.stamps import stamp
from gateway.sandbox.store import Store
from gateway.sandbox.tokens import Tokens


@dataclass(slots=True)
class Api:
    """Lives as long as its sandbox.

    Attributes:
        webrtc_url: where media rooms are said to be; empty answers 503 to whoever wants one.
        outbound: calls that are being dialled, which end by these timers.
    """

    store: Store
    roster: Roster
    organizations: Organizations
    tokens: Tokens
    faults: HttpFaults
    webrtc_url: str = ""
    outbound: set[asyncio.TimerHandle] = field(default_factory=set)

    def hang_up(self) -> None:
        """Forget the calls that are being dialled."""
        for timer in self.outbound:
            timer.cancel()
        self.outbound.clear()


def moment() -> datetime:
    """Return what time it is."""
    return datetime.now(UTC)


def at() -> str:
    """Return what time it is, as the API writes it."""
    return stamp(moment())
