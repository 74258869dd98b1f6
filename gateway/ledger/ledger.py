"""The books of all calls of a process.

A call is booked before anybody answers it, and held by a lease while it lives. What happens in it is taken
from the journal, stored, then told to the watchers on all nodes. A call whose node is gone is ended by
another one, or by the same when it is back.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.bridge.registry import Registry
from gateway.cluster.interface import LEASE_S, RENEW_S, Cluster
from gateway.errors import GatewayError, StorageError
from gateway.journal import Journal
from gateway.ledger.audio import Audio
from gateway.ledger.booking import Booking
from gateway.ledger.carrier import Carrier
from gateway.ledger.digits import Digits
from gateway.ledger.held import Held
from gateway.ledger.orders import Orders
from gateway.ledger.recovery import Recovery
from gateway.ledger.steady import safely, steadily
from gateway.ledger.writer import TOGETHER, Writer
from gateway.recording.recordings import Recordings
from gateway.recording.tape import Recorder
from gateway.records import CallEnded, CallInfo, Happening, StreamLost
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call, NewCall
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_BATCH_EVERY_S = 0.4
_RENEW_AGAIN_S = 1.0
_STREAM_WITHIN_S = 90.0  # longer than any stream token lives
_LAST_WORDS_S = 5.0


class Ledger:
    """Lives as long as the process; at work while :meth:`running` is held.

    Args:
        database: where the books are; migrated.
        cluster: the other nodes; its ``node`` is who holds the calls of this process.
        journal: what happens.
        registry: the live calls, which commands of other nodes go to.
        recordings: where audio is kept; None keeps none. It runs and is closed by whoever made it.
        carrier: the phone company; None when it cannot be asked.
        now: the clock of the calls (seconds, monotonic).
        keep_recordings_s: how long recordings are kept; None for ever.

    Attributes:
        digits: has webhooks told of what callers dial.
        spilled: what was dropped because too much waited to be stored.
    """

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        journal: Journal,
        registry: Registry,
        *,
        recordings: Recordings | None = None,
        carrier: Carrier | None = None,
        now: Callable[[], float],
        keep_recordings_s: float | None = None,
    ) -> None:
        self._calls = Calls(database)
        self._leases = CallLeases(database, cluster.node, LEASE_S)
        self._journal = journal
        self._now = now
        self._held: dict[str, Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._booking = Booking(
            *(database, cluster.node, self._leases, LEASE_S),
            held=self._held,
            hold=lambda call: self._hold(_info(call)).holds(call.fence),
            spawn=self._spawn,
        )
        self._orders = Orders(cluster.commands, registry)
        self._writer = Writer(database, self._leases, cluster.events, self._over)
        self._recovery = Recovery(
            *(database, cluster.node, self._leases, self._writer, cluster.events),
            carrier=carrier,
            mine=self._held,
            now=now,
            lease_s=LEASE_S,
        )
        self._audio = (
            None if recordings is None else Audio(database, recordings, self._spawn, now, keep_recordings_s)
        )
        self.digits = Digits(database, self._spawn)
        self.spilled = 0

    @property
    def storing(self) -> bool:
        """Whether the database takes what it is given."""
        return self._writer.storing

    @property
    def unstored(self) -> int:
        """How much waits to be stored, of all calls together."""
        return sum(len(held.page) for held in self._held.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the books until the context is left; what happened by then is stored first.

        Enter it before the server that takes calls and leave it after that, so that no end is missed.
        """
        fault: GatewayError | None = None
        works = [self._writer.run, self._recovery.run, self._write_batches, self._renew_leases]
        works += [] if self._audio is None else [self._audio.finishing.run]
        async with asyncio.TaskGroup() as self._group:
            tasks = [self._group.create_task(steadily(work)) for work in works]
            try:
                with self._journal.kept_by(self.take):
                    yield
            except GatewayError as raised:
                fault = raised  # not ours: it leaves as it is, and not as one of a group
            finally:
                await self._finish()
                for task in [*tasks, *self._tasks]:
                    task.cancel()
        if fault is not None:
            raise fault

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        assert self._group is not None
        task = self._group.create_task(_alone(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def open(self, call: NewCall) -> Call:
        """Book a call before anybody answers it, and hold it; of one told twice, return the one there is.

        What is returned may be over, or another node's.

        Raises:
            StorageError: it is not booked: do not take the call.
        """
        return await self._booking.open(call)

    def _hold(self, call: CallInfo) -> Held:
        held = self._held.get(call.call_id)
        if held is None:
            held = self._held[call.call_id] = Held(call, self._now())
            self._orders.serve(call)
        return held

    def stream_began(self, call: CallInfo) -> Recorder | None:
        """Book that a media stream of a call begins; return what records it, None when nothing does.

        Called when the session is put together, with the recorder given to ``CallerLeg(recorder=…)``. From
        here on the call takes the commands ``end`` ``{}`` and ``transfer``
        ``{"number": …, "ring_timeout_s": …}`` (cluster) until it is over; ``refused`` says that it has no
        live stream just now: ask the carrier instead. Returns at once and never raises.
        """
        if not call.organization_id:
            return None
        self._hold(call).streamed = True
        return self._audio.begin(call) if self._audio is not None and call.record else None

    def take(self, call: CallInfo, happening: Happening) -> None:
        """Take what happened in a call; one that is nobody's has no books."""
        if not call.organization_id:
            return
        held = self._hold(call)
        if not held.lost:
            if held.page.take(happening, datetime.now(UTC)):
                self._writer.ask(held)
        elif isinstance(happening, CallEnded):
            self._over(held)
        if self._audio is not None:
            if isinstance(happening, StreamLost):
                self._audio.stream_over(call.call_id)
            elif isinstance(happening, CallEnded):
                self._audio.call_over(call.call_id)

    def _over(self, held: Held) -> None:
        if self._held.pop(held.call.call_id, None) is None:
            return
        self._orders.withdraw(held.call)
        self.spilled += held.page.spilled
        if held.page.spilled:
            log.error("events_spilled", call_id=held.call.call_id, count=held.page.spilled)

    async def _write_batches(self) -> None:
        """Have what may wait written, some calls at a time: all would keep the loop from its audio."""
        while True:
            held = list(self._held.values())
            parts = [held[start : start + TOGETHER] for start in range(0, len(held), TOGETHER)] or [[]]
            for part in parts:
                await asyncio.sleep(_BATCH_EVERY_S / len(parts))
                await safely(self._writer.write_together(part))
                for one in part:
                    if len(one.page):
                        self._writer.ask(one)

    async def _renew_leases(self) -> None:
        while True:
            wait_s = RENEW_S
            try:
                await self.renew()
            except StorageError as fault:
                log.warning("leases_wait", reason=fault.reason)
                wait_s = _RENEW_AGAIN_S
            await asyncio.sleep(wait_s)

    async def renew(self) -> None:
        """Hold the calls of this process for another while; let go of those that never got a stream.

        Raises:
            StorageError: not now.
        """
        waits_from = self._now() - _STREAM_WITHIN_S
        for held in list(self._held.values()):
            if not held.streamed and held.since_s < waits_from and not len(held.page):
                self._over(held)  # its lease expires, and the carrier is asked what became of it
        mine = [held for held in self._held.values() if held.fence is not None]
        if mine and await self._leases.renew([held.call.call_id for held in mine]) < len(mine):
            await self._let_go_of_ended(mine)

    async def _let_go_of_ended(self, mine: list[Held]) -> None:
        """Let go of calls that are over without a stream: their last one told, or one that never came."""
        for held in mine:
            if held.streamed or len(held.page):
                continue  # its own end is to come, or on its way
            row = await self._calls.find(held.call.organization_id, held.call.call_id)
            if row is None or not row.live:
                self._over(held)

    async def _finish(self) -> None:
        """Store what is left, and finish recordings; at the end say what could not be."""
        deadline = self._now() + _LAST_WORDS_S
        while (self.unstored or self._tasks) and self._now() < deadline:
            for held in self._held.values():
                if len(held.page):
                    self._writer.ask(held)
            await asyncio.sleep(0.02)
        if self.unstored:
            log.error("events_lost", count=self.unstored)


async def _alone(work: Coroutine[None, None, None]) -> None:
    await safely(work)


def _info(call: Call) -> CallInfo:
    """Return what is known of a call that nobody has talked on yet."""
    outbound = call.direction == "outbound"
    return CallInfo(
        call_id=call.id,
        call_sid=call.call_sid or "",
        account_sid=call.account_sid or "",
        caller_number=call.from_number,
        called_number=call.to_number,
        agent_id="",
        direction="outbound" if outbound else "inbound",
        organization_id=call.organization_id,
        gateway_agent_id=call.agent_id or "",
    )
