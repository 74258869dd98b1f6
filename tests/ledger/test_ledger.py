"""The books of calls, on SQLite and PostgreSQL: booked, stored at once, told, ended once."""

import asyncio

import pytest

from gateway.bridge.registry import Registry
from gateway.cluster.inprocess import InProcessCluster
from gateway.errors import ClusterError, ConfigError, StorageError
from gateway.journal import Journal
from gateway.ledger import steady
from gateway.ledger.ledger import Ledger
from gateway.ledger.live import event_in
from gateway.ledger.recovery import Recovery
from gateway.records import CallEnded, KeyPressed, StreamLost, ToolRun
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.tasks import Tasks
from gateway.storage.transcript import transcript_of
from tests.ledger.bookkeeping import (
    ENDED,
    JOINED,
    Outage,
    at_work,
    call_info,
    ending_of,
    said,
    state,
    until,
)
from tests.tenants import HUNG_UP, LOST, Tenant, call_of, new_call

SID = "CA" + "7" * 32


async def test_call_is_booked_and_held_before_anybody_answers(database: Database, acme: Tenant) -> None:
    """The row is there, with this node's lease on it, when ``open`` returns."""
    async with at_work(database) as office:
        call = await office.ledger.open(new_call(acme.id, acme.agent.id, call_sid=SID))
        row = await Calls(database).find_by_sid(SID)

        assert row == call
        assert (row.node, row.status) == ("node-1", "initiated")
        assert row.lease_until is not None


async def test_call_told_fifty_times_at_once_is_booked_once(database: Database, acme: Tenant) -> None:
    """Twilio's repeated webhooks lead to one row, and its events are written all the same."""
    async with at_work(database) as office:
        async with asyncio.TaskGroup() as group:
            opening = [
                group.create_task(office.ledger.open(new_call(acme.id, call_sid=SID))) for _ in range(50)
            ]
        (call_id,) = {task.result().id for task in opening}
        call = call_info(acme.id, call_id=call_id, call_sid=SID)
        office.happens(call, JOINED, said(0), ENDED)
        await office.settled()

        assert (await Calls(database).list_page(acme.id, 10, 0)).total == 1
        assert [event.seq for event in await office.stored(call)] == [1, 2, 3]


async def test_call_of_another_node_is_returned_and_left_alone(database: Database, acme: Tenant) -> None:
    """A webhook that another node has answered changes nothing about who holds the call."""
    new = new_call(acme.id, call_sid=SID)
    async with at_work(database) as one, at_work(database, node="node-2") as two:
        first = await one.ledger.open(new)
        second = await two.ledger.open(new_call(acme.id, call_sid=SID))

    assert (second.id, second.node, second.fence) == (first.id, "node-1", first.fence)


async def test_call_that_is_over_is_returned_as_it_is(database: Database, acme: Tenant) -> None:
    """Who asks for a call that has ended learns so."""
    async with at_work(database) as office:
        first = await office.ledger.open(new_call(acme.id, call_sid=SID))
        await Calls(database).end(first.id, LOST, first.created_at)

        assert not (await office.ledger.open(new_call(acme.id, call_sid=SID))).live


async def test_dead_database_refuses_a_new_call(database: Database, acme: Tenant) -> None:
    """Without a durable row no call is taken."""
    outage = Outage(database)
    async with at_work(outage) as office:
        outage.away = True
        with pytest.raises(StorageError, match="away"):
            await office.ledger.open(new_call(acme.id))


async def test_talk_begins_with_the_agent(database: Database, acme: Tenant) -> None:
    """At the first session of the agent the call is in progress, with the session's name on it."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.happens(call, state(), JOINED)
        await office.settled()
        row = await office.row(call)

        assert (row.status, row.vatel_session_id) == ("in_progress", "session-1")
        assert row.answered_at is not None


async def test_final_words_are_stored_at_once_and_the_rest_soon(database: Database, acme: Tenant) -> None:
    """Final words do not wait for the next batch; what matters less comes with them or a moment later."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.happens(call, state(), said(0))
        await until(lambda: not office.ledger.unstored, within_s=0.3)
        office.happens(call, state(), KeyPressed(1.0, "7"))
        await asyncio.sleep(0)

        assert office.ledger.unstored == 2
        await office.settled()
        assert [event.kind for event in await office.stored(call)] == ["state", "transcript", "state", "key"]
        assert "7" not in str((await office.stored(call))[-1].data)


async def test_call_ends_once_with_its_counters_and_its_task(database: Database, acme: Tenant) -> None:
    """The end of the call is that of its row and of its task, with one event webhook behind the first."""
    task = await acme.add_task(webhook_url="https://hooks.example/x")
    async with at_work(database) as office:
        row = await Tasks(database).start(call_of(task))
        assert row is not None
        call = call_info(acme.id, call_id=row.id)
        office.ledger.stream_began(call)
        office.happens(call, JOINED, said(0, "good day"), ENDED)
        await office.settled()

        ended = await office.row(call)
        assert (ending_of(ended), ended.counters) == (HUNG_UP, {"caller_frames": 3_000})
        done = await Tasks(database).find(acme.id, task.id)
        assert done is not None
        assert done.status == "completed"
        events = await office.announced(call)
        assert [event.event_type for event in events] == ["call_started", "call_completed"]
        assert events[1].body["data"]["transcript_excerpt"] == [{"role": "caller", "text": "good day"}]


async def test_watchers_are_told_what_is_stored(database: Database, acme: Tenant) -> None:
    """Live events are the stored ones, under the same numbers, and the last says that it is the last."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.happens(call, JOINED, said(0, "hel", final=False), said(0), state(), ENDED)
        told = await office.told(call)

        assert [event_in(call.call_id, event.body) for event in told] == await office.stored(call)
        assert [event.last for event in told] == [False, False, False, True]


async def test_watcher_is_told_nothing_that_is_not_stored(database: Database, acme: Tenant) -> None:
    """While the database is away nothing is told; then everything is, in order."""
    outage = Outage(database)
    async with at_work(outage) as office:
        call = await office.ring(acme)
        outage.away = True
        office.happens(call, JOINED, *(said(index) for index in range(20)), ENDED)
        await until(lambda: outage.refused > 1)
        untold = await office.cluster.events.last_seq(call.call_id)
        assert not office.ledger.storing
        outage.away = False

        assert untold == 0
        assert [event.seq for event in await office.told(call)] == list(range(1, 23))
        assert len(transcript_of(await office.stored(call))) == 20
        assert office.ledger.storing
        assert ending_of(await office.row(call)) == HUNG_UP


async def test_outage_between_events_and_end_ends_the_call_once(database: Database, acme: Tenant) -> None:
    """Events that were stored before the end could be are not stored twice, and the end comes later."""
    outage = Outage(database)
    async with at_work(outage) as office:
        call = await office.ring(acme)
        append = office.ledger._writer._events.append

        async def then_away(*arguments: object) -> None:
            await append(*arguments)  # type: ignore[arg-type]  # passed through
            outage.away = True

        office.ledger._writer._events.append = then_away  # type: ignore[method-assign,assignment]
        office.happens(call, JOINED, said(0), ENDED)
        await until(lambda: outage.refused)
        office.ledger._writer._events.append = append  # type: ignore[method-assign]
        outage.away = False
        await office.settled()

        assert [event.seq for event in await office.stored(call)] == [1, 2, 3]
        assert ending_of(await office.row(call)) == HUNG_UP
        assert [event.seq for event in await office.told(call)] == [1, 2, 3]


async def test_batch_that_was_stored_without_our_knowing_is_stored_once(
    database: Database, acme: Tenant
) -> None:
    """An answer that is lost after the commit makes no event twice, nor does what came meanwhile get lost."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        append = office.ledger._writer._events.append
        answers = [StorageError("the answer is lost", reason="unavailable"), None]

        async def answer_lost(*arguments: object) -> None:
            await append(*arguments)  # type: ignore[arg-type]  # passed through
            if answers and (lost := answers.pop(0)):
                raise lost

        office.ledger._writer._events.append = answer_lost  # type: ignore[method-assign,assignment]
        office.happens(call, said(0))
        await until(lambda: len(answers) < 2)
        office.happens(call, said(1), ENDED)
        await office.settled()

        stored = await office.stored(call)
        assert [(event.seq, event.data.get("index")) for event in stored] == [(1, 0), (2, 1), (3, None)]


async def test_outage_longer_than_a_page_is_said_and_counted(database: Database, acme: Tenant) -> None:
    """A thousand events wait, no more; what was dropped leaves no hole, and the end is kept."""
    outage = Outage(database)
    async with at_work(outage) as office:
        call = await office.ring(acme)
        outage.away = True
        office.happens(call, *(state(float(n)) for n in range(990)), *(said(n) for n in range(50)), ENDED)
        waiting = office.ledger.unstored
        outage.away = False
        await office.settled()
        stored = await office.stored(call)

        assert waiting == 1_000
        assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
        assert len(transcript_of(stored)) == 50
        assert office.ledger.spilled == 1_041 - len(stored)


async def test_call_canceled_meanwhile_keeps_its_end_and_gets_its_events(
    database: Database, acme: Tenant
) -> None:
    """A row that somebody ended stays as it is; what was said until the caller was gone is stored."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.happens(call, JOINED)
        await office.settled()
        await Calls(database).end(call.call_id, LOST, (await office.row(call)).created_at)
        office.happens(call, said(0), ENDED)
        await office.settled()

        assert ending_of(await office.row(call)) == LOST
        assert len(await office.stored(call)) == 3


async def test_call_over_before_its_first_event_gets_its_events(database: Database, acme: Tenant) -> None:
    """So it is when it was canceled before this node held it."""
    async with at_work(database) as office:
        call = call_info(acme.id, call_id=(await acme.ring()).id)
        await Calls(database).end(call.call_id, LOST, (await office.row(call)).created_at)
        office.happens(call, JOINED, ENDED)
        await office.settled()

        assert ending_of(await office.row(call)) == LOST
        assert len(await office.stored(call)) == 2


async def test_call_without_a_row_is_dropped_and_said_so(database: Database, acme: Tenant) -> None:
    """What happens in a call that is in no books, or is nobody's, is not kept, and disturbs no other."""
    async with at_work(database) as office:
        stranger = call_info(acme.id)
        nobodys = call_info("")
        call = await office.ring(acme)
        office.happens(stranger, JOINED, said(0))
        await until(lambda: not office.ledger.unstored)
        office.happens(stranger, said(1), ENDED)
        office.happens(nobodys, JOINED, ENDED)
        office.happens(call, JOINED, ENDED)
        await office.settled()

        assert office.ledger.stream_began(nobodys) is None
        assert await office.stored(stranger) == []
        assert ending_of(await office.row(call)) == HUNG_UP
        with pytest.raises(ClusterError, match="no node"):
            await office.cluster.commands.ask(stranger.call_id, "end")


async def test_node_that_lost_its_call_writes_no_more(database: Database, acme: Tenant) -> None:
    """Once another node has ended the call nothing of it changes any more, whatever happens here."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.happens(call, JOINED)
        await office.settled()
        other = await _taken_over(database, call.call_id)
        assert other.fence > 1
        office.happens(call, said(0))
        await until(lambda: not office.ledger.unstored)
        office.happens(call, said(1), ENDED)
        await asyncio.sleep(0)

        assert len(await office.stored(call)) == 1
        assert (await office.row(call)).live


async def _taken_over(database: Database, call_id: str):  # type: ignore[no-untyped-def]
    """Let another node take a call whose lease has expired."""
    async with database.writing() as connection:
        await connection.exec_driver_sql("UPDATE calls SET lease_until = '2020-01-01 00:00:00'")
    taken = await CallLeases(database, "node-2").take(call_id)
    assert taken is not None
    return taken


async def test_call_of_a_dead_node_is_taken_up_when_its_lease_expires(
    database: Database, acme: Tenant
) -> None:
    """A fresh stream on another node goes on behind what is stored, once the old lease is over."""
    async with at_work(database, node="dead") as office:
        call = await office.ring(acme)
        office.happens(call, JOINED, said(0), StreamLost(1.0, LOST, {}))
        await office.settled()
    async with at_work(database, node="alive") as office:
        office.ledger.stream_began(call)
        office.happens(call, said(1))
        await until(lambda: not office.ledger.storing)
        assert office.ledger.unstored
        async with database.writing() as connection:
            await connection.exec_driver_sql("UPDATE calls SET lease_until = '2020-01-01 00:00:00'")
        office.happens(call, ENDED)
        await office.settled()

        assert [event.seq for event in await office.stored(call)] == [1, 2, 3, 4, 5]
        assert (await office.row(call)).node == "alive"


async def test_leases_are_renewed_until_the_call_is_over(database: Database, acme: Tenant) -> None:
    """A held call's lease moves on; one that is over has none."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.ledger.stream_began(call)
        before = (await office.row(call)).lease_until
        await office.ledger.renew()
        after = (await office.row(call)).lease_until
        assert before is not None
        assert after is not None
        assert after > before
        office.happens(call, ENDED)
        await office.settled()
        await office.ledger.renew()

        assert (await office.row(call)).lease_until is None


async def test_call_whose_stream_never_came_is_let_go(database: Database, acme: Tenant) -> None:
    """Its lease is renewed no more after a while, nor once somebody else has ended it; live ones are kept."""
    clock = [1_000.0]
    async with at_work(database, now=lambda: clock[0]) as office:
        ended, waiting, talking = [await office.ring(acme) for _ in range(3)]
        office.ledger.stream_began(talking)
        await Calls(database).end(ended.call_id, LOST, (await office.row(ended)).created_at)
        await office.ledger.renew()
        assert _held(office.ledger) == {waiting.call_id, talking.call_id}
        clock[0] += 100.0
        await office.ledger.renew()

        assert _held(office.ledger) == {talking.call_id}
        with pytest.raises(ClusterError, match="no node"):
            await office.cluster.commands.ask(waiting.call_id, "end")


def _held(ledger: Ledger) -> set[str]:
    return set(ledger._held)


async def test_renewal_outlasts_an_outage(database: Database, acme: Tenant) -> None:
    """Leases that could not be renewed are renewed when the database is back."""
    outage = Outage(database)
    async with at_work(outage) as office:
        call = await office.ring(acme)
        office.ledger.stream_began(call)
        outage.away = True
        with pytest.raises(StorageError):
            await office.ledger.renew()
        outage.away = False
        await office.ledger.renew()

        assert (await office.row(call)).node == "node-1"


async def test_what_happened_is_stored_before_the_ledger_rests(database: Database, acme: Tenant) -> None:
    """Leaving waits for what is on the pages."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.happens(call, JOINED, said(0), state(), ENDED)

    assert len(await office.stored(call)) == 4
    assert not (await office.row(call)).live


async def test_journal_is_left_with_the_ledger(database: Database, acme: Tenant) -> None:
    """A ledger at rest takes nothing."""
    async with at_work(database) as office:
        call = await office.ring(acme)
    office.happens(call, JOINED)

    assert office.ledger.unstored == 0


async def test_tool_output_that_no_json_holds_is_stored(database: Database, acme: Tenant) -> None:
    """What an agent or a tool makes up keeps no event from its place."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        run = ToolRun("t", "book", "ok", 5, "a\0b\ud800", arguments={"n": float("nan")})
        office.happens(call, run, ENDED)
        await office.settled()
        stored = await office.stored(call)

        assert stored[0].data["arguments"] == {"n": "NaN"}
        assert stored[0].data["output"] == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
        assert len(stored) == 2


async def test_many_calls_at_once_keep_their_own_order(database: Database, acme: Tenant) -> None:
    """Thirty calls talk at the same time: each has all of its events, in order, and its end."""
    async with at_work(database) as office:
        calls = [await office.ring(acme) for _ in range(30)]
        for turn in range(20):
            for call in calls:
                office.happens(call, said(turn, f"{call.call_id} {turn}"), state())
            await asyncio.sleep(0.005)
        for call in calls:
            office.happens(call, CallEnded(1.0, HUNG_UP, {}))
        await office.settled()

        for call in calls:
            words = [entry["text"] for entry in transcript_of(await office.stored(call))]
            assert words == [f"{call.call_id} {turn}" for turn in range(20)]
            assert not (await office.row(call)).live


async def test_fault_of_others_leaves_as_it_is(database: Database) -> None:
    """What fails while the ledger is at work is told by its own name, not as one of a group."""
    with pytest.raises(ConfigError, match="no such port"):
        async with at_work(database):
            raise ConfigError("no such port", reason="cannot_listen")


async def test_bug_in_a_work_of_the_ledger_costs_nothing_else(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work that broke is begun again; calls are booked, stored and ended meanwhile."""
    looks: list[float] = []

    async def breaks(self: Recovery) -> None:
        looks.append(0.0)
        raise ValueError("a bug")

    monkeypatch.setattr(steady, "_START_AGAIN_S", 0.01)
    monkeypatch.setattr(Recovery, "look", breaks)
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.happens(call, JOINED, ENDED)
        await office.settled()
        await until(lambda: len(looks) > 2)

        assert not (await office.row(call)).live


def test_ledger_names_its_node_by_the_cluster(database: Database) -> None:
    """Who holds calls is who the other nodes know."""
    ledger = Ledger(database, InProcessCluster("n-7"), Journal(), Registry(max_active=1), now=lambda: 0.0)

    assert ledger._leases._node == "n-7"
