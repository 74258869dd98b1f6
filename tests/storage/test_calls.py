"""Calls on both engines: one row, each step once, one ending."""

import asyncio
from itertools import permutations
from typing import Any

import pytest

from gateway.errors import StorageError
from gateway.records import Ending, Reason, Result
from gateway.storage.call_events import CallEvents
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import PHONE_RANKS, CallQuery, Calls
from gateway.storage.outbox import Outbox
from gateway.storage.rows import Call
from gateway.storage.tasks import Tasks
from tests.tenants import CALLEE, HUNG_UP, LOST, NOW, OURS, Tenant, after, an_id, call_of, new_call, said

SID = "CA" + "1" * 32
HOOK: dict[str, Any] = {"webhook_url": "https://example.com/hook"}


async def found(tenant: Tenant, call_id: str) -> Call:
    """Return a call that must be there."""
    call = await Calls(tenant.database).find(tenant.id, call_id)
    assert call is not None
    return call


async def test_call_begins_as_a_row(acme: Tenant) -> None:
    """Before anybody answers it has its parties, its agent and its status."""
    call = await acme.ring(call_sid=SID, account_sid="AC1", node="n1")

    assert await found(acme, call.id) == call
    assert (call.status, call.from_number, call.to_number) == ("initiated", CALLEE, OURS)
    assert call.agent_id == acme.agent.id
    assert call.live
    assert await Calls(acme.database).find_by_sid(SID) == call
    assert await Calls(acme.database).find_by_sid("CA0") is None
    assert await Calls(acme.database).find_by_id(call.id) == call
    assert await Calls(acme.database).find_by_id("CA0") is None


async def test_webhook_told_many_times_makes_one_call(acme: Tenant) -> None:
    """Fifty parallel begins of one SID give one row, the same to all."""
    calls = Calls(acme.database)
    async with asyncio.TaskGroup() as group:
        begins = [
            group.create_task(calls.begin(new_call(acme.id, acme.agent.id, call_sid=SID))) for _ in range(50)
        ]

    assert len({begin.result().id for begin in begins}) == 1
    assert (await calls.list_page(acme.id, 10, 0)).total == 1


async def test_who_delivers_is_told_of_what_is_announced(acme: Tenant) -> None:
    """Once it is committed, and only if there is something: a start, an end; not an end that was before."""
    told: list[str] = []
    acme.database.when_outbox_fills(lambda: told.append("filled"))
    calls = Calls(acme.database)
    _, call = await acme.executed(**HOOK)
    _, silent = await acme.executed()
    await calls.start(silent.id, NOW)
    await calls.end(silent.id, HUNG_UP, NOW)
    assert told == []

    await calls.start(call.id, NOW)
    assert len(told) == 1
    await calls.start(call.id, NOW)
    await calls.end(call.id, HUNG_UP, NOW)
    await calls.end(call.id, HUNG_UP, NOW)
    assert len(told) == 2


async def test_id_that_is_taken_is_refused(acme: Tenant) -> None:
    """A new SID under an old id is a bug of ours, not another call."""
    call = await acme.ring()
    with pytest.raises(StorageError) as refused:
        await Calls(acme.database).begin(new_call(acme.id, id=call.id, call_sid=SID))

    assert refused.value.reason == "conflict"


async def test_steps_keep_their_first_time(acme: Tenant) -> None:
    """A step told twice keeps the time of the first; after the end none is taken."""
    calls = Calls(acme.database)
    call = await acme.ring()

    assert await calls.note_step(call.id, "ringing_at", after(1))
    assert not await calls.note_step(call.id, "ringing_at", after(2))
    await calls.end(call.id, LOST, after(3))
    assert not await calls.note_step(call.id, "answered_at", after(4))
    ended = await found(acme, call.id)
    assert (ended.ringing_at, ended.answered_at) == (after(1), None)


async def test_facts_are_noted(acme: Tenant) -> None:
    """Twilio's SID once; the agent's latest session with the time of the first; who picked up."""
    calls = Calls(acme.database)
    call, other = await acme.ring(), await acme.ring(call_sid="CA9")

    assert await calls.note_sid(call.id, SID)
    assert not await calls.note_sid(call.id, "CA8")
    with pytest.raises(StorageError):
        await calls.note_sid((await acme.ring()).id, "CA9")
    assert await calls.note_agent(call.id, "s1", after(1))
    assert await calls.note_agent(call.id, "s2", after(2))
    assert await calls.note_answered_by(call.id, "machine_start")
    assert not await calls.note_answered_by("absent", "human")
    noted = await found(acme, call.id)
    assert (noted.call_sid, noted.vatel_session_id, noted.agent_joined_at) == (SID, "s2", after(1))
    assert noted.answered_by == "machine_start"
    assert await found(acme, other.id) == other


async def test_call_starts_once(acme: Tenant) -> None:
    """The talk begins once; after the end it cannot begin any more."""
    calls = Calls(acme.database)
    call = await acme.ring()
    started = await calls.start(call.id, after(2))

    assert started is not None
    assert (started.status, started.answered_at) == ("in_progress", after(2))
    assert await calls.start(call.id, after(3)) is None
    await calls.end(call.id, HUNG_UP, after(4))
    assert await calls.start(call.id, after(5)) is None


async def test_call_ends_once(acme: Tenant) -> None:
    """Of many endings that race, one stands, and nothing later changes it."""
    calls = Calls(acme.database)
    call = await acme.talk()
    async with asyncio.TaskGroup() as group:
        ends = [
            group.create_task(calls.end(call.id, ending, after(9), counters={"frames": 3}))
            for ending in [HUNG_UP, LOST] * 5
        ]
    [ended] = [end.result() for end in ends if end.result() is not None]
    late = await calls.end(call.id, Ending(Result.FAILED, Reason.SHUTDOWN), after(10))

    assert late is None
    assert ended == await found(acme, call.id)
    assert ended is not None
    assert ended.status == ended.result
    assert (ended.ended_at, ended.counters, ended.live) == (after(9), {"frames": 3}, False)


@pytest.mark.parametrize(("ending", "status"), [(HUNG_UP, "completed"), (LOST, "failed")])
async def test_task_ends_with_its_call(acme: Tenant, ending: Ending, status: str) -> None:
    """The task takes the call's status, in the same transaction."""
    task, call = await acme.executed(ending)
    ended = await Tasks(acme.database).find(acme.id, task.id)

    assert ended is not None
    assert (ended.status, ended.call_id) == (status, call.id)
    assert (call.result, call.reason, call.detail) == (ending.result, ending.reason, ending.detail)


async def test_old_call_does_not_end_the_task_of_a_new_one(acme: Tenant) -> None:
    """After a reset, a late ending of the first call leaves the task to its second."""
    calls, tasks = Calls(acme.database), Tasks(acme.database)
    task, first = await acme.executed(LOST)
    await tasks.reset(acme.id, task.id, NOW)
    second = await tasks.start(call_of(task))
    assert second is not None

    assert await calls.end(first.id, HUNG_UP, after(99)) is None
    running = await tasks.find(acme.id, task.id)
    assert running is not None
    assert (running.status, running.call_id) == ("in_progress", second.id)


async def test_each_change_of_state_is_announced_once(acme: Tenant) -> None:
    """A task's webhook gets its start and its end, with what was said, and no more."""
    calls = Calls(acme.database)
    task, call = await acme.executed(**HOOK)
    for _ in range(2):
        await calls.start(call.id, after(1))
    await CallEvents(acme.database).append([said(call.id, 1, 0, "caller", "hello")])
    for ending in (LOST, HUNG_UP):
        await calls.end(call.id, ending, after(2))
    events = (await Outbox(acme.database).list_page(acme.id, 10, 0, call_id=call.id)).items
    failed, started = sorted(events, key=lambda event: event.event_type)

    assert [event.event_type for event in (started, failed)] == ["call_started", "call_failed"]
    assert started.seq < failed.seq
    assert started.body["status"] == "in_progress"
    assert failed.body == {
        "event_type": "call_failed",
        "task_id": task.id,
        "call_id": call.id,
        "status": "failed",
        "data": {
            "transcript_excerpt": [{"role": "caller", "text": "hello"}],
            "report_excerpt": {
                "outcome": "failed",
                "reason": "agent_lost",
                "detail": "close_1011",
                "duration_s": 1.0,
                "turns": {"caller": 1, "agent": 0},
                "summary": None,
            },
        },
    }


@pytest.mark.parametrize(
    "changes",
    [{}, HOOK | {"webhook_events": []}, HOOK | {"webhook_events": ["call_failed"]}],
    ids=["no webhook", "no event wanted", "another event wanted"],
)
async def test_unwanted_events_are_not_announced(acme: Tenant, changes: dict[str, Any]) -> None:
    """Without a webhook, or without this event in its list, the outbox stays empty."""
    await acme.executed(HUNG_UP, **changes)

    assert (await Outbox(acme.database).list_page(acme.id, 10, 0)).total == 0


async def test_call_that_rang_here_announces_nothing(acme: Tenant) -> None:
    """Without a task there is no webhook."""
    await acme.finished()

    assert (await Outbox(acme.database).list_page(acme.id, 10, 0)).total == 0


CALLBACKS = ("initiated", "ringing", "in-progress", "completed", "ringing", "busy")


async def test_phone_statuses_in_any_order_only_go_forward(acme: Tenant) -> None:
    """Whatever order they come in, the rank never falls, and of two final ones the first stands."""
    calls = Calls(acme.database)
    orders = list(permutations(CALLBACKS))[::37]
    for place, order in enumerate(orders):
        call = await acme.ring(call_sid=f"CA{place}")
        ranks = [-1]
        for status in order:
            told = await calls.note_phone_status(f"CA{place}", status, NOW)
            expected = PHONE_RANKS[status] > ranks[-1]
            assert (told is not None) is expected, (order, status)
            ranks.append(max(ranks[-1], PHONE_RANKS[status]))
        final = next(status for status in order if status in ("completed", "busy"))
        assert (await found(acme, call.id)).phone_status == final


async def test_phone_statuses_set_the_times_of_steps(acme: Tenant) -> None:
    """Ringing and answered are steps; an unknown word or call is nothing."""
    calls = Calls(acme.database)
    await acme.ring(call_sid=SID)
    await calls.note_phone_status(SID, "ringing", after(1))
    answered = await calls.note_phone_status(SID, "in-progress", after(2))

    assert answered is not None
    assert (answered.ringing_at, answered.answered_at) == (after(1), after(2))
    assert await calls.note_phone_status(SID, "dancing", after(3)) is None
    assert await calls.note_phone_status("CA0", "completed", after(3)) is None


async def test_rival_sees_nothing(acme: Tenant, rival: Tenant) -> None:
    """Another organization's call is not there, by id or in lists."""
    call = await acme.finished()

    assert await Calls(acme.database).find(rival.id, call.id) is None
    assert (await Calls(acme.database).list_page(rival.id, 10, 0)).total == 0
    assert await Calls(acme.database).count_attempts(rival.id, CALLEE, after(-60)) == 0


async def test_list_narrows_by_every_filter(acme: Tenant) -> None:
    """Each filter finds what it names, all together too, and what fits none is not there."""
    calls = Calls(acme.database)
    task, outbound = await acme.executed(LOST)
    inbound = await acme.finished(created_at=after(100), from_number="+15550100")
    queries = {
        CallQuery(task_id=task.id): {outbound.id},
        CallQuery(agent_id=acme.agent.id): {outbound.id, inbound.id},
        CallQuery(status="completed"): {inbound.id},
        CallQuery(result="failed", reason="agent_lost"): {outbound.id},
        CallQuery(number="+15550100"): {inbound.id},
        CallQuery(number=CALLEE): {outbound.id},
        CallQuery(since=after(100)): {inbound.id},
        CallQuery(until=after(100)): {outbound.id},
        CallQuery(since=after(101)): set(),
        CallQuery(task_id=an_id()): set(),
    }
    for query, expected in queries.items():
        page = await calls.list_page(acme.id, 10, 0, query)
        assert ({one.id for one in page.items}, page.total) == (expected, len(expected)), query


async def test_attempts_are_the_calls_that_we_placed(acme: Tenant) -> None:
    """Calls to the number since a moment count; those that rang here, or went elsewhere, do not."""
    await acme.executed(LOST)
    await acme.executed(LOST, to_number="+15550100")
    await acme.ring(to_number=CALLEE)
    count = Calls(acme.database).count_attempts

    assert await count(acme.id, CALLEE, NOW) == 1
    assert await count(acme.id, CALLEE, after(1)) == 0
    await acme.executed(Ending(Result.FAILED, Reason.NOT_PLACED, "blocked_quiet_hours"))
    assert await count(acme.id, CALLEE, NOW) == 1


async def test_unsettled_are_old_calls_that_nobody_holds(acme: Tenant) -> None:
    """A live call without a holder, begun long ago, is to be asked about; a finished or young one is not."""
    old = await acme.ring()
    await acme.ring(created_at=after(100))
    await acme.finished()

    assert [call.id for call in await Calls(acme.database).list_unsettled(after(60))] == [old.id]


async def test_call_is_held_from_its_first_moment(acme: Tenant) -> None:
    """Its node has the lease in the same transaction; telling of the call again takes nobody's."""
    calls, sid = Calls(acme.database), "CA" + "5" * 32
    first = await calls.begin(new_call(acme.id, call_sid=sid, node="node-1"), hold_s=15.0)
    again = await calls.begin(new_call(acme.id, call_sid=sid, node="node-2"), hold_s=15.0)

    assert first.lease_until is not None
    assert (first.node, first.fence) == ("node-1", 1)
    assert again == first
    assert await CallLeases(acme.database, "node-2").take(first.id) is None
    assert await calls.list_unsettled(after(60)) == []
