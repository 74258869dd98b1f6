"""What the ledger asks the phone company for: a call whose node is gone is not over for that."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.storage.rows import Call


@dataclass(frozen=True, slots=True)
class Carrier:
    """Lives as long as the process.

    Attributes:
        status: asks for the state of a call in Twilio's words (``in-progress``, ``completed``); None when
            that cannot be learnt. Never raises a GatewayError, and keeps its own deadline.
        hang_up: ends a call; likewise.
    """

    status: Callable[[Call], Awaitable[str | None]]
    hang_up: Callable[[Call], Awaitable[None]]
