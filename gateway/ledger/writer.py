"""Stores what happens: what matters soon, the rest in batches; told to the watchers once it is stored.

Calls are written side by side, each by one hand at a time, so that a call's events keep their order. While
the database is away they wait on their pages, and are offered again until it takes them: a batch that may
have been stored is offered under the same numbers, and stored once.
"""

import asyncio
from collections.abc import Callable, Iterable

from gateway.cluster.interface import LiveEvent, LiveEvents
from gateway.errors import StorageError
from gateway.ledger.held import Held
from gateway.ledger.live import body_of
from gateway.ledger.steady import safely
from gateway.ledger.turns import Turns
from gateway.records import AgentJoined, CallEnded, Ending, Reason, Result
from gateway.storage.call_events import CallEvents
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.happenings import KINDS
from gateway.storage.rows import CallEvent
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_HANDS = 4
TOGETHER = 25
"""How many calls are written in one transaction: more would keep the loop from its audio for too long."""
_RETRY_S = 0.5
ENDED = KINDS[CallEnded]
_JOINED = KINDS[AgentJoined]


class Writer:
    """Lives as long as the process.

    Args:
        leases: take a call for this node.
        events: where what is stored is told.
        on_over: called with a call whose end is stored.

    Attributes:
        storing: False while the database does not take what it is given.
    """

    def __init__(
        self, database: Database, leases: CallLeases, events: LiveEvents, on_over: Callable[[Held], None]
    ) -> None:
        self._calls = Calls(database)
        self._events = CallEvents(database)
        self._leases = leases
        self._live = events
        self._on_over = on_over
        self._turns = Turns()
        self.storing = True

    def ask(self, held: Held) -> None:
        """Have a call written as soon as a hand is free."""
        if not held.due:
            held.due = True
            if not held.writing:
                self._turns.add(held)

    async def run(self) -> None:
        """Write; ends by being cancelled."""
        async with asyncio.TaskGroup() as hands:
            for _ in range(_HANDS):
                hands.create_task(self._write_on())

    async def _write_on(self) -> None:
        """Write calls whose turn it is: in one transaction where that will do, then what is left one by one.

        A transaction costs the loop several times what an event of it does, so the more calls wait, the less
        each of them costs.
        """
        while True:
            calls = await self._turns.take(TOGETHER if self.storing else 1)
            for held in calls:
                held.due = False
            ready = [held for held in calls if held.ready]
            for held in calls:
                held.writing = True
            if len(ready) > 1:
                await safely(self._append_all(ready))
            for held in calls:
                held.due = False
                if not await safely(self._try(held)):
                    held.lose()  # a bug costs this call its books, and no other
                self._let_go([held])

    async def _try(self, held: Held) -> None:
        try:
            await self.write(held)
        except StorageError as fault:
            self.storing = _trouble(held, fault, first=self.storing)
            asyncio.get_running_loop().call_later(_RETRY_S, self.ask, held)
        else:
            self.storing = True

    async def write_together(self, calls: Iterable[Held]) -> None:
        """Store what waits of some calls, in one transaction; what is not stored waits for its turn.

        For what matters less. A call that this node does not hold yet is left to the hands.
        """
        ready = [held for held in calls if held.ready]
        if not ready:
            return
        for held in ready:
            held.writing = held.due = True
        try:
            await self._append_all(ready)
        finally:
            self._let_go(ready)

    def _let_go(self, calls: list[Held]) -> None:
        for held in calls:
            held.writing = False
            if held.due:
                self._turns.add(held)

    async def _append_all(self, calls: list[Held]) -> None:
        """Store what waits of calls in one transaction; where there is trouble, a hand finds out whose."""
        batches = [(held, held.page.next_batch()) for held in calls]
        try:
            refused = await self._events.append_all([(batch, held.fence) for held, batch in batches])
            for held, batch in batches:
                if held.call.call_id in refused:
                    continue
                if await self._stored(held, batch):
                    self._on_over(held)
                held.due = len(held.page) > 0  # what came meanwhile
        except StorageError as fault:
            self.storing = _trouble(calls[0], fault, first=self.storing)

    async def write(self, held: Held) -> None:
        """Store what waits of a call, and tell it.

        Raises:
            StorageError: not now; what was not stored still waits.
        """
        while len(held.page):
            if not await self._may_write(held):
                log.error("call_not_ours", call_id=held.call.call_id, unstored=len(held.page))
                return held.lose()
            batch = held.page.next_batch()
            try:
                await self._events.append(batch, held.fence)
            except StorageError as fault:
                if fault.reason != "conflict":
                    raise
                held.fence, held.refused = None, held.refused + 1
                continue
            if await self._stored(held, batch):
                return self._on_over(held)

    async def _stored(self, held: Held, batch: tuple[CallEvent, ...]) -> bool:
        """Let what is stored have its consequences; True when that was the end of the call."""
        held.refused = 0
        over = await self._follow(held, batch)
        held.page.stored()
        self.tell(batch)
        return over

    async def _may_write(self, held: Held) -> bool:
        """Take the call if this node does not hold it, and learn where its events stand.

        Returns:
            False when there is no such call, it was erased, or another node has taken it from this one.

        Raises:
            StorageError: ``busy``: another node holds it still.
        """
        call_id = held.call.call_id
        if held.fence is None and not await self._take(held):
            return False
        if held.page.last_seq is None:
            held.page.last_seq = await self._events.last_seq(call_id)
        return True

    async def _take(self, held: Held) -> bool:
        if held.refused > 1:
            return False
        taken = await self._leases.take(held.call.call_id)
        if taken is not None:
            held.holds(taken.fence)
            return True
        row = await self._calls.find(held.call.organization_id, held.call.call_id)
        if row is None or (row.live and held.refused):
            return False
        if row.live:
            raise StorageError("another node holds the call", reason="busy")
        held.fence = row.fence  # over already: somebody cancelled it; what happened still counts
        return True

    async def _follow(self, held: Held, batch: Iterable[CallEvent]) -> bool:
        """Let the call's row follow its events; True when that was its end."""
        call_id = held.call.call_id
        for event in batch:
            if event.kind == _JOINED:
                await self._calls.note_agent(call_id, event.data["session_id"], event.at)
                await self._calls.start(call_id, event.at)
            elif event.kind == ENDED:
                await self.end(event, held.fence)
                return True
        return False

    async def end(self, event: CallEvent, fence: int | None) -> bool:
        """End a call as the last of its events says; False when it had ended before.

        Raises:
            StorageError: not now.
        """
        ended = await self._calls.end(
            event.call_id, ending_in(event), event.at, counters=event.data["counters"], fence=fence
        )
        return ended is not None

    def tell(self, events: Iterable[CallEvent]) -> None:
        """Tell the watchers of a call what is stored."""
        for event in events:
            last = event.kind == ENDED
            self._live.publish(event.call_id, LiveEvent(event.seq, body_of(event), last=last))


def _trouble(held: Held, fault: StorageError, *, first: bool) -> bool:
    """Say that events wait, unless that was said; return that nothing is stored for now."""
    if first:
        log.warning("events_wait", call_id=held.call.call_id, reason=fault.reason)
    return False


def ending_in(event: CallEvent) -> Ending:
    """Return how a call ended, from the last of its events."""
    told = event.data["ending"]
    return Ending(Result(told["result"]), Reason(told["reason"]), told["detail"])
