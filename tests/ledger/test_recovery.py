"""Calls whose node is gone: each ends once, with what was stored of it, whoever comes first."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cluster.interface import LiveEvent
from gateway.errors import ClusterError
from gateway.ledger.live import event_in
from gateway.ledger.page import Page
from gateway.ledger.recovery import NEVER_CAME, NODE_LOST, Recovery
from gateway.records import CallInfo
from gateway.storage.call_events import CallEvents
from gateway.storage.call_leases import CallLeases
from gateway.storage.database import Database
from gateway.storage.rows import Call, CallEvent
from gateway.storage.tasks import Tasks
from gateway.storage.transcript import transcript_of
from tests.ledger.bookkeeping import (
    ENDED,
    JOINED,
    Office,
    Outage,
    Phone,
    at_work,
    call_info,
    ending_of,
    said,
)
from tests.tenants import HUNG_UP, Tenant, call_of

SID = "CA" + "7" * 32


async def expire(database: Database) -> None:
    """Let every lease be over for a while."""
    async with database.writing() as connection:
        await connection.exec_driver_sql(
            "UPDATE calls SET lease_until = '2026-11-26 03:00:00' WHERE lease_until IS NOT NULL"
        )


async def lost_call(database: Database, acme: Tenant, *happenings: object) -> CallInfo:
    """Return a call whose node died after this had been stored; its lease has expired."""
    async with at_work(database, node="dead") as office:
        call = await office.ring(acme, call_sid=SID)
        office.ledger.stream_began(call)
        office.happens(call, *happenings)  # type: ignore[arg-type]  # happenings they are
        await office.settled()
    await expire(database)
    return call


class Looking:
    """A recovery that a test lets look, on a clock of its own."""

    def __init__(self, office: Office, phone: Phone | None, mine: set[str] | None = None) -> None:
        self.clock = 0.0
        self.office = office
        self.recovery = Recovery(
            *(office.database, "alive", CallLeases(office.database, "alive")),
            *(office.ledger._writer, office.cluster.events),
            carrier=None if phone is None else phone.carrier(),
            mine=mine or set(),
            now=lambda: self.clock,
        )

    async def at(self, clock: float) -> None:
        """Look at a time."""
        self.clock = clock
        await self.recovery.look()


async def test_lost_call_ends_with_what_was_said(database: Database, acme: Tenant) -> None:
    """What was stored stays; one event more ends the call, at the time when its node was last heard of."""
    call = await lost_call(database, acme, JOINED, said(0), said(1))
    async with at_work(database, node="alive") as office:
        await Looking(office, Phone("completed")).at(0.0)
        row, stored = await office.row(call), await office.stored(call)

        assert ending_of(row) == NODE_LOST
        assert (row.status, row.lease_until, row.counters) == ("failed", None, {})
        assert [event.kind for event in stored] == ["agent_joined", "transcript", "transcript", "call_ended"]
        assert [event.seq for event in stored] == [1, 2, 3, 4]
        assert len(transcript_of(stored)) == 2
        assert row.ended_at == stored[-1].at == stored[-2].at


async def test_end_that_was_stored_is_the_end(database: Database, acme: Tenant) -> None:
    """A node that died between the last event and the end of the row is finished for, not overruled."""
    call = await lost_call(database, acme, JOINED)
    await CallEvents(database).append([_end_event(call, 2)])
    async with at_work(database, node="alive") as office:
        await Looking(office, Phone("completed")).at(0.0)
        row = await office.row(call)

        assert (ending_of(row), row.counters) == (HUNG_UP, {"caller_frames": 3_000})
        assert len(await office.stored(call)) == 2


def _end_event(call: CallInfo, seq: int) -> CallEvent:
    page = Page(call)
    page.last_seq = seq - 1
    page.take(ENDED, datetime(2026, 11, 26, 3, 0, tzinfo=UTC))
    return page.next_batch()[0]


async def test_call_that_goes_on_at_the_carrier_gets_time_then_is_hung_up(
    database: Database, acme: Tenant
) -> None:
    """Another node may take it up with a fresh stream; if none does, it is ended at the carrier too."""
    phone = Phone("in-progress")
    call = await lost_call(database, acme, JOINED)
    async with at_work(database, node="alive") as office:
        looking = Looking(office, phone)
        await looking.at(0.0)
        await looking.at(8.0)
        assert (await office.row(call)).live
        assert phone.hung_up == []
        await looking.at(9.0)

        assert ending_of(await office.row(call)) == NODE_LOST
        assert phone.hung_up == [call.call_id]


@pytest.mark.parametrize("phone", [None, Phone(None)], ids=["nobody to ask", "no answer"])
async def test_call_of_which_the_carrier_says_nothing_ends_after_a_while(
    phone: Phone | None, database: Database, acme: Tenant
) -> None:
    """That Twilio cannot be asked holds no call open."""
    call = await lost_call(database, acme, JOINED)
    async with at_work(database, node="alive") as office:
        looking = Looking(office, phone)
        await looking.at(0.0)
        assert (await office.row(call)).live
        await looking.at(10.0)

        assert ending_of(await office.row(call)) == NODE_LOST


async def test_call_that_is_live_here_is_not_lost(database: Database, acme: Tenant) -> None:
    """A call whose books this process keeps is left alone, whatever its lease says."""
    call = await lost_call(database, acme, JOINED)
    async with at_work(database, node="alive") as office:
        await Looking(office, Phone("completed"), {call.call_id}).at(0.0)

        assert (await office.row(call)).live


async def test_call_that_is_taken_up_while_the_carrier_is_asked_is_not_lost(
    database: Database, acme: Tenant
) -> None:
    """A stream that comes at that very moment keeps its call."""
    call = await lost_call(database, acme, JOINED)
    mine: set[str] = set()

    class Slow(Phone):
        async def _status(self, call: Call) -> str | None:
            mine.add(call.id)
            return "completed"

    async with at_work(database, node="alive") as office:
        looking = Looking(office, Slow())
        looking.recovery._mine = mine
        await looking.at(0.0)

        assert (await office.row(call)).live


async def test_call_whose_stream_never_came_says_so(database: Database, acme: Tenant) -> None:
    """A call that this very node let go of, without a word said, was left by its caller."""
    async with at_work(database, node="alive") as office:
        call = await office.ring(acme, call_sid=SID)
        await expire(database)
        await Looking(office, Phone("no-answer")).at(0.0)

        assert ending_of(await office.row(call)) == NEVER_CAME
        assert [event.seq for event in await office.stored(call)] == [1]


async def test_task_of_a_lost_call_fails_with_one_event(database: Database, acme: Tenant) -> None:
    """The task is failed and its receiver told once, however many nodes look at the same time."""
    task = await acme.add_task(webhook_url="https://hooks.example/x")
    row = await Tasks(database).start(call_of(task, call_sid=SID))
    assert row is not None
    call = call_info(acme.id, call_id=row.id)
    async with at_work(database, node="dead") as office:
        office.happens(call, JOINED, said(0, "good day"))
        await office.settled()
    await expire(database)
    async with at_work(database, node="alive") as office:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(Looking(office, Phone("completed")).at(0.0))
        done = await Tasks(database).find(acme.id, task.id)
        events = await office.announced(call)

        assert done is not None
        assert done.status == "failed"
        assert [event.event_type for event in events] == ["call_started", "call_failed"]
        assert events[1].body["data"]["transcript_excerpt"] == [{"role": "caller", "text": "good day"}]
        assert [event.kind for event in await office.stored(call)].count("call_ended") == 1


async def test_watchers_are_told_what_the_dead_node_did_not_tell(database: Database, acme: Tenant) -> None:
    """Who watched up to some event gets those that were stored behind it, then the end."""
    call = await lost_call(database, acme, JOINED, said(0), said(1))
    async with at_work(database, node="alive") as office:
        office.cluster.events.publish(call.call_id, LiveEvent(1, b"{}"))
        await Looking(office, Phone("completed")).at(0.0)
        told = await office.told(call)

        assert [(event.seq, event.last) for event in told] == [(1, False), (2, False), (3, False), (4, True)]
        assert event_in(call.call_id, told[1].body).data["text"] == "hello"


async def test_watchers_that_know_nothing_are_told_the_end(database: Database, acme: Tenant) -> None:
    """Where nothing is known of what was told, the end is; who misses the rest reads what is stored."""
    call = await lost_call(database, acme, JOINED, said(0))
    async with at_work(database, node="alive") as office:
        await Looking(office, Phone("completed")).at(0.0)

        assert await office.cluster.events.last_seq(call.call_id) == 3
        with pytest.raises(ClusterError, match="missed"):
            await office.told(call)


async def test_server_between_the_nodes_that_is_away_holds_up_no_end(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is stored without it."""
    call = await lost_call(database, acme, JOINED)
    async with at_work(database, node="alive") as office:

        async def away(call_id: str) -> int:
            raise ClusterError("no answer", reason="unavailable")

        monkeypatch.setattr(office.cluster.events, "last_seq", away)
        await Looking(office, Phone("completed")).at(0.0)

        assert ending_of(await office.row(call)) == NODE_LOST


async def test_outage_while_recovering_is_made_up_for(database: Database, acme: Tenant) -> None:
    """An end that could not be written is written at the next look, once."""
    call = await lost_call(database, acme, JOINED)
    outage = Outage(database)

    class Away(Phone):
        async def _status(self, call: Call) -> str | None:
            outage.away = True
            return "completed"

    async with at_work(outage, node="alive") as office:
        looking = Looking(office, Away())
        await looking.at(0.0)
        outage.away = False
        assert (await office.row(call)).live
        looking.recovery._carrier = Phone("completed").carrier()
        await looking.at(3.0)

        assert ending_of(await office.row(call)) == NODE_LOST


async def test_end_of_the_row_lies_where_the_node_was_last_heard_of(database: Database, acme: Tenant) -> None:
    """A call with nothing stored ended when its lease was last renewed, not when somebody noticed."""
    call = await lost_call(database, acme)
    async with at_work(database, node="alive") as office:
        before = (await office.row(call)).lease_until
        await Looking(office, Phone("completed")).at(0.0)

        assert before is not None
        assert (await office.row(call)).ended_at == before - timedelta(seconds=15)


async def test_ledger_looks_by_itself(database: Database, acme: Tenant) -> None:
    """A node that is at work ends the lost calls that it finds."""
    call = await lost_call(database, acme, JOINED)
    async with at_work(database, node="alive", phone=Phone("completed")) as office:
        async with asyncio.timeout(10):
            while (await office.row(call)).live:  # noqa: ASYNC110 - the database does not tell
                await asyncio.sleep(0.02)

        assert ending_of(await office.row(call)) == NODE_LOST
