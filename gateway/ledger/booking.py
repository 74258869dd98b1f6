"""Books a call before anybody answers it: a row, held by this node, in one transaction and in time."""

import asyncio
from collections.abc import Callable, Container, Coroutine
from dataclasses import replace

from gateway.errors import StorageError
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call, NewCall

_WITHIN_S = 2.0


class Booking:
    """Lives as long as the process.

    Args:
        node: this process's name.
        leases: of that node.
        lease_s: how long a lease lasts.
        held: the ids of the calls that this process keeps the books of.
        hold: is told of each more; the call has the fence to write under.
        spawn: starts a task of the ledger's.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        leases: CallLeases,
        lease_s: float,
        *,
        held: Container[str],
        hold: Callable[[Call], None],
        spawn: Callable[[Coroutine[None, None, None]], object],
    ) -> None:
        self._calls = Calls(database)
        self._node = node
        self._leases = leases
        self._lease_s = lease_s
        self._held = held
        self._hold = hold
        self._spawn = spawn

    async def open(self, call: NewCall) -> Call:
        """Book a call; see :meth:`gateway.ledger.ledger.Ledger.open`.

        Raises:
            StorageError: it is not booked, or not yet: do not take the call.
        """
        outcome: asyncio.Future[Call | StorageError] = asyncio.get_running_loop().create_future()
        # Not awaited as such: a driver that waits for a dead server does not let go when it is cancelled.
        self._spawn(self._tell(call, outcome))
        await asyncio.wait({outcome}, timeout=_WITHIN_S)
        if not outcome.done():
            raise StorageError("the database does not answer in time", reason="busy")
        booked = outcome.result()
        if isinstance(booked, StorageError):
            raise booked
        return booked

    async def _tell(self, call: NewCall, outcome: "asyncio.Future[Call | StorageError]") -> None:
        try:
            outcome.set_result(await self._book(call))
        except StorageError as fault:
            outcome.set_result(fault)

    async def _book(self, call: NewCall) -> Call:
        booked = await self._calls.begin(replace(call, node=self._node), hold_s=self._lease_s)
        if booked.id in self._held or not booked.live:
            return booked
        mine = booked.node == self._node and booked.fence == 1
        taken = booked if mine else await self._leases.take(booked.id)
        if taken is None:
            return booked
        self._hold(taken)
        return taken
