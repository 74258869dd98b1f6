"""Ends the calls whose node is gone: each once, by whichever node comes first.

A lease that expired means a node that died, or one that cannot reach the database. While the carrier says
that the call goes on, it gets some time more: another node may be about to take it up with a fresh stream.
What was stored of it stays, and so does an end that was stored but not carried out.
"""

import asyncio
from collections.abc import Callable, Container
from datetime import UTC, datetime, timedelta

from gateway.cluster.interface import LiveEvents
from gateway.errors import ClusterError, StorageError
from gateway.ledger.carrier import Carrier
from gateway.ledger.page import storable
from gateway.ledger.writer import ENDED, Writer
from gateway.records import CallEnded, Ending, Reason, Result
from gateway.storage.call_events import CallEvents
from gateway.storage.call_leases import LEASE_S, CallLeases
from gateway.storage.calls import PHONE_RANKS
from gateway.storage.database import Database
from gateway.storage.happenings import event_of
from gateway.storage.rows import Call, CallEvent
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

NODE_LOST = Ending(Result.FAILED, Reason.NODE_LOST)
NEVER_CAME = Ending(Result.FAILED, Reason.CALLER_LOST, "never_came")

_LOOK_EVERY_S = 3.0
_GRACE_S = 9.0  # with the lease, and a look, less than 30 s in all
_SIDE_BY_SIDE = 8
_FINAL_RANK = PHONE_RANKS["completed"]


class Recovery:
    """Lives as long as the process.

    Args:
        leases: take a call for this node.
        writer: ends it.
        events: where its end is told.
        carrier: the phone company; None when it cannot be asked.
        mine: the ids of the calls that this process keeps the books of: they are not lost.
        now: seconds, monotonic.
        lease_s: how long a lease lasts.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        leases: CallLeases,
        writer: Writer,
        events: LiveEvents,
        *,
        carrier: Carrier | None,
        mine: Container[str],
        now: Callable[[], float],
        lease_s: float = LEASE_S,
    ) -> None:
        self._events = CallEvents(database)
        self._node = node
        self._leases = leases
        self._writer = writer
        self._live = events
        self._carrier = carrier
        self._mine = mine
        self._now = now
        self._lease = timedelta(seconds=lease_s)
        self._seen_at: dict[str, float] = {}
        self._places = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def run(self) -> None:
        """Look for lost calls, again and again; ends by being cancelled."""
        while True:
            try:
                await self.look()
            except StorageError as fault:
                log.warning("recovery_waits", reason=fault.reason)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """End the lost calls that are there now and whose time has come.

        Raises:
            StorageError: the database did not say which there are.
        """
        lost = [call for call in await self._leases.list_expired() if call.id not in self._mine]
        now = self._now()
        self._seen_at = {call.id: self._seen_at.get(call.id, now) for call in lost}
        async with asyncio.TaskGroup() as group:
            for call in lost:
                group.create_task(self._consider(call))

    async def _consider(self, call: Call) -> None:
        async with self._places:
            try:
                if await self._is_over(call) and call.id not in self._mine:
                    await self.settle(call)
            except StorageError as fault:
                log.warning("recovery_waits", call_id=call.id, reason=fault.reason)

    async def _is_over(self, call: Call) -> bool:
        """Say whether nobody will take the call up: it has ended, or has waited for long enough."""
        patience_over = self._now() - self._seen_at[call.id] >= _GRACE_S
        if self._carrier is None or call.call_sid is None:
            return patience_over
        status = await self._carrier.status(call)
        if status is not None and PHONE_RANKS.get(status, 0) >= _FINAL_RANK:
            return True
        if patience_over:
            await self._carrier.hang_up(call)
        return patience_over

    async def settle(self, call: Call) -> bool:
        """End a lost call; False when another node has it, or it is over.

        Raises:
            StorageError: not now; asking again later does what was not done.
        """
        taken = await self._leases.take(call.id)
        if taken is None:
            return False
        last = await self._last_event(taken)
        if last is None or last.kind != ENDED:
            last = self._end_of(call, last)
            await self._events.append([last], taken.fence)
        if not await self._writer.end(last, taken.fence):
            return False
        log.warning("call_recovered", call_id=call.id, reason=last.data["ending"]["reason"])
        self._writer.tell(await self._untold(taken, last))
        return True

    async def _last_event(self, call: Call) -> CallEvent | None:
        last_seq = await self._events.last_seq(call.id)
        if not last_seq:
            return None
        return (await self._events.list_all(call.organization_id, call.id, last_seq - 1))[-1]

    def _end_of(self, call: Call, last: CallEvent | None) -> CallEvent:
        """Return the event that ends a lost call, at the time when its node was last heard of."""
        never_came = last is None and call.node == self._node
        at = datetime.now(UTC)
        if call.lease_until is not None:
            at = min(at, call.lease_until - self._lease)
        at_s = 0.0
        if last is not None:
            at, at_s = max(at, last.at), float(last.data.get("at_s") or 0.0)
        kind, data = event_of(CallEnded(at_s, NEVER_CAME if never_came else NODE_LOST, {}))
        seq = 1 if last is None else last.seq + 1
        return CallEvent(call_id=call.id, seq=seq, at=at, kind=kind, data=storable(data))

    async def _untold(self, call: Call, last: CallEvent) -> list[CallEvent]:
        """Return what those who watched have not been told: what the lost node stored and died before."""
        try:
            told = await self._live.last_seq(call.id)
        except ClusterError:
            told = 0
        after = told or last.seq - 1
        return await self._events.list_all(call.organization_id, call.id, after)
