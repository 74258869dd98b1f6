"""What callers dialled, put into the outbox for the webhook of the rule that they dialled.

It outlasts the call, and a database that is away for a while.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial

from gateway.ledger.steady import insist
from gateway.records import CallInfo
from gateway.storage.database import Database
from gateway.storage.outbox import DialledDigits, Outbox
from gateway.storage.queries import new_id
from gateway.telemetry.log import get_logger

log = get_logger(__name__)


class Digits:
    """Lives as long as the process.

    Args:
        spawn: starts a task of the ledger's.
    """

    def __init__(self, database: Database, spawn: Callable[[Coroutine[None, None, None]], object]) -> None:
        self._outbox = Outbox(database)
        self._spawn = spawn
        self._turn = asyncio.Lock()

    def tell(self, call: CallInfo, url: str, digits: str) -> None:
        """Have a URL told of digits that were dialled in a call just now; returns at once, never raises."""
        now = datetime.now(UTC)
        told = DialledDigits(id=new_id(), call_id=call.call_id, url=url, digits=digits, at=now)
        self._spawn(self._put(told))

    async def _put(self, told: DialledDigits) -> None:
        async with self._turn:  # so that they are told in the order in which they were dialled
            fault = await insist(partial(self._outbox.add_digits, told))
        if fault is not None:
            log.error("digits_untold", call_id=told.call_id, reason=fault.reason)
