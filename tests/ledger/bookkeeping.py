"""A ledger at work on a real database, with calls whose happenings a test makes up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.bridge.registry import Registry
from gateway.cluster.inprocess import InProcessCluster
from gateway.cluster.interface import LiveEvent
from gateway.errors import StorageError
from gateway.journal import Journal
from gateway.ledger.carrier import Carrier
from gateway.ledger.ledger import Ledger
from gateway.recording.recordings import Recordings
from gateway.records import (
    AgentJoined,
    CallEnded,
    CallInfo,
    Ending,
    Happening,
    StateChanged,
    TranscriptEntry,
)
from gateway.storage.call_events import CallEvents
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.outbox import Outbox
from gateway.storage.rows import Call, CallEvent, OutboxEvent
from tests.tenants import HUNG_UP, Tenant, an_id, new_call

_PATIENCE_S = 15.0


def call_info(organization_id: str = "o-1", **changes: Any) -> CallInfo:
    """Return a call of an organization."""
    plain = CallInfo(
        an_id(), "CA" + "1" * 32, "AC" + "2" * 32, "+4930123456", "+4930654321", "agent-1",
        organization_id=organization_id,
    )  # fmt: skip
    return replace(plain, **changes)


def said(index: int, text: str = "hello", *, final: bool = True, **more: Any) -> TranscriptEntry:
    """Return words of the caller's."""
    return TranscriptEntry(index, "caller", text, final, float(index), **more)


JOINED = AgentJoined(0.1, "session-1")
ENDED = CallEnded(60.0, HUNG_UP, {"caller_frames": 3_000})


def state(at_s: float = 0.0) -> StateChanged:
    """Return something that matters less."""
    return StateChanged(at_s, "talking")


@dataclass
class Phone:
    """A carrier that says of every call what it is told to say."""

    status: str | None = "completed"
    asked: list[str] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)

    def carrier(self) -> Carrier:
        """Return it as the ledger takes it."""
        return Carrier(self._status, self._hang_up)

    async def _status(self, call: Call) -> str | None:
        self.asked.append(call.id)
        return self.status

    async def _hang_up(self, call: Call) -> None:
        self.hung_up.append(call.id)


@dataclass
class Office:
    """A process with books. Lives as long as :func:`at_work` holds it."""

    database: Database
    cluster: InProcessCluster
    journal: Journal
    registry: Registry
    ledger: Ledger

    async def ring(self, acme: Tenant, **changes: Any) -> CallInfo:
        """Let a call ring that is booked; return it as its session has it."""
        call = await self.ledger.open(new_call(acme.id, acme.agent.id, **changes))
        return call_info(acme.id, call_id=call.id, call_sid=call.call_sid or "CA" + call.id.replace("-", ""))

    def happens(self, call: CallInfo, *happenings: Happening) -> None:
        """Let things happen in a call."""
        for happening in happenings:
            self.journal.append(call, happening)

    async def stored(self, call: CallInfo) -> list[CallEvent]:
        """Return what is stored of a call."""
        return await CallEvents(self.database).list_all(call.organization_id, call.call_id)

    async def row(self, call: CallInfo) -> Call:
        """Return a call's row."""
        row = await Calls(self.database).find(call.organization_id, call.call_id)
        assert row is not None
        return row

    async def announced(self, call: CallInfo) -> list[OutboxEvent]:
        """Return a call's event webhooks, oldest first."""
        page = await Outbox(self.database).list_page(call.organization_id, 100, 0, call_id=call.call_id)
        return sorted(page.items, key=lambda event: event.seq)

    async def settled(self) -> None:
        """Wait until nothing waits to be stored."""
        await until(lambda: not self.ledger.unstored)

    async def told(self, call: CallInfo) -> list[LiveEvent]:
        """Watch a call to its end."""
        async with asyncio.timeout(_PATIENCE_S), self.cluster.events.watch(call.call_id) as events:
            return [event async for event in events]


@asynccontextmanager
async def at_work(
    database: Database,
    *,
    node: str = "node-1",
    recordings: Recordings | None = None,
    phone: Phone | None = None,
    now: Callable[[], float] | None = None,
    cluster: InProcessCluster | None = None,
) -> AsyncIterator[Office]:
    """Keep books until the context is left."""
    cluster = cluster or InProcessCluster(node)
    journal, registry = Journal(), Registry(max_active=10)
    ledger = Ledger(
        *(database, cluster, journal, registry),
        recordings=recordings,
        carrier=None if phone is None else phone.carrier(),
        now=now or asyncio.get_running_loop().time,
    )
    async with ledger.running():
        yield Office(database, cluster, journal, registry, ledger)


async def until(condition: Callable[[], object], within_s: float = _PATIENCE_S) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of us
            await asyncio.sleep(0.005)


def ending_of(row: Call) -> Ending | None:
    """Return how a row says that its call ended."""
    return None if row.result is None else Ending(row.result, row.reason, row.detail)  # type: ignore[arg-type]


class Outage(Database):
    """A database that is away while it is told to be; else the one that it stands for."""

    def __init__(self, database: Database) -> None:
        self.__dict__.update(database.__dict__)
        self.away = False
        self.refused = 0

    def reading(self) -> Any:
        """Read, unless it is away."""
        self._check()
        return super().reading()

    def writing(self) -> Any:
        """Write, unless it is away."""
        self._check()
        return super().writing()

    def _check(self) -> None:
        if self.away:
            self.refused += 1
            raise StorageError("the database is away", reason="unavailable")
