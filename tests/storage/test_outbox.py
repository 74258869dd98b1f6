"""The outbox on both engines: each event to one node, in a call's order, every try on record."""

import asyncio
from collections import Counter

from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.erasure import erase_call
from gateway.storage.outbox import DialledDigits, Outbox
from gateway.storage.rows import DeliveryAttempt, OutboxEvent
from tests.tenants import HUNG_UP, Tenant, after, an_id

HOOK = "https://example.com/hook"
KEYS = "https://example.com/keys"


def attempt(event: OutboxEvent, status: int | None = 200, error: str = "") -> DeliveryAttempt:
    """Return the next try of an event."""
    return DeliveryAttempt(
        event_id=event.id,
        number=event.attempts + 1,
        at=after(100),
        status=status,
        error=error,
        latency_ms=12,
    )


async def call_with_both(tenant: Tenant) -> str:
    """Run a call whose start and end are announced; return its id."""
    _, call = await tenant.executed(webhook_url=HOOK)
    await Calls(tenant.database).start(call.id, after(1))
    await Calls(tenant.database).end(call.id, HUNG_UP, after(2))
    return call.id


async def test_events_of_a_call_come_in_order(acme: Tenant) -> None:
    """The end waits for the start to be delivered, also when the start fails first."""
    outbox, call_id = Outbox(acme.database), await call_with_both(acme)
    [started] = await outbox.claim_due("n1", after(10))
    assert await outbox.claim_due("n2", after(10)) == []
    await outbox.record_attempt(attempt(started, 500), "pending", after(15))
    while_waiting = await outbox.claim_due("n1", after(14))
    [again] = await outbox.claim_due("n1", after(15))
    await outbox.record_attempt(attempt(again), "delivered", after(15))
    [ended] = await outbox.claim_due("n1", after(15))

    assert while_waiting == []
    assert (started.event_type, ended.event_type) == ("call_started", "call_completed")
    assert (again.id, again.attempts) == (started.id, 1)
    assert (started.call_id, started.url) == (call_id, HOOK)


async def test_event_given_up_does_not_hold_up_the_next(acme: Tenant) -> None:
    """After a dead letter the call's later event is due."""
    outbox = Outbox(acme.database)
    await call_with_both(acme)
    [started] = await outbox.claim_due("n1", after(10))
    await outbox.record_attempt(attempt(started, None, "timeout"), "dead", after(10))

    assert [event.event_type for event in await outbox.claim_due("n1", after(10))] == ["call_completed"]


async def test_event_of_a_dead_node_is_due_again(acme: Tenant) -> None:
    """When the claim has run out, another node delivers; until then none does."""
    outbox = Outbox(acme.database)
    await acme.executed(HUNG_UP, webhook_url=HOOK)
    [first] = await outbox.claim_due("n1", after(100), lease_s=30)

    assert await outbox.claim_due("n2", after(129)) == []
    assert [event.id for event in await outbox.claim_due("n2", after(130))] == [first.id]


async def test_racing_nodes_share_the_events(acme: Tenant, database_url: str) -> None:
    """Several nodes with connections of their own get each event once."""
    for _ in range(40):
        await acme.executed(HUNG_UP, webhook_url=HOOK)
    nodes = [Database.open(database_url) for _ in range(4)]

    async def deliver(node: Database) -> list[str]:
        mine: list[str] = []
        while claimed := await Outbox(node).claim_due("n", after(100), limit=3):
            mine += [event.id for event in claimed]
        return mine

    async with asyncio.TaskGroup() as group:
        shares = [group.create_task(deliver(node)) for node in nodes]
    for node in nodes:
        await node.close()
    counts = Counter(one for share in shares for one in share.result())

    assert len(counts) == 40
    assert set(counts.values()) == {1}


async def test_tries_are_on_record(acme: Tenant, rival: Tenant) -> None:
    """Each try is listed with its answer, for its organization; told twice it is one."""
    outbox = Outbox(acme.database)
    await acme.executed(HUNG_UP, webhook_url=HOOK)
    [event] = await outbox.claim_due("n1", after(100))
    tries = [attempt(event, 503, "status_503")]
    await outbox.record_attempt(tries[0], "pending", after(105))
    await outbox.record_attempt(tries[0], "pending", after(105))
    [event] = await outbox.claim_due("n1", after(105))
    tries.append(attempt(event))
    await outbox.record_attempt(tries[1], "delivered", after(105))
    found = await outbox.find(acme.id, event.id)

    assert await outbox.attempts_of(acme.id, event.id) == tries
    assert await outbox.attempts_of(rival.id, event.id) == []
    assert found is not None
    assert (found.state, found.attempts, found.delivered_at) == ("delivered", 2, after(100))


async def test_gone_webhook_gets_nothing_more(acme: Tenant) -> None:
    """A receiver that said 410 gets neither what waits nor what comes."""
    outbox = Outbox(acme.database)
    task, call = await acme.executed(webhook_url=HOOK)
    await Calls(acme.database).start(call.id, after(1))
    await outbox.disable(task.id)
    await Calls(acme.database).end(call.id, HUNG_UP, after(2))
    page = await outbox.list_page(acme.id, 10, 0, task_id=task.id)

    assert [event.state for event in page.items] == ["disabled", "disabled"]
    assert await outbox.claim_due("n1", after(100)) == []


async def test_redelivery_sends_it_once_more(acme: Tenant, rival: Tenant) -> None:
    """Whatever became of an event, its owner can have it sent again, now, under the same id."""
    outbox = Outbox(acme.database)
    await acme.executed(HUNG_UP, webhook_url=HOOK)
    [event] = await outbox.claim_due("n1", after(100))
    await outbox.record_attempt(attempt(event, 500), "dead", after(100))

    assert not await outbox.redeliver(rival.id, event.id, after(200))
    assert not await outbox.redeliver(acme.id, an_id(), after(200))
    assert await outbox.redeliver(acme.id, event.id, after(200))
    assert [one.id for one in await outbox.claim_due("n1", after(200))] == [event.id]


async def test_list_narrows_and_is_the_organizations(acme: Tenant, rival: Tenant) -> None:
    """By call, task and state; never a rival's."""
    outbox = Outbox(acme.database)
    first = await call_with_both(acme)
    task, second = await acme.executed(HUNG_UP, webhook_url=HOOK)
    [event, *_] = (await outbox.list_page(acme.id, 10, 0, call_id=second.id)).items

    assert (await outbox.list_page(acme.id, 10, 0)).total == 3
    assert (await outbox.list_page(acme.id, 10, 0, call_id=first)).total == 2
    assert (await outbox.list_page(acme.id, 10, 0, task_id=task.id)).total == 1
    assert (await outbox.list_page(acme.id, 10, 0, state="dead")).total == 0
    assert (await outbox.list_page(rival.id, 10, 0)).total == 0
    assert await outbox.find(rival.id, event.id) is None


# --- what callers dial


def dialled(call_id: str, digits: str, at_s: float = 5, url: str = KEYS) -> DialledDigits:
    """Return digits to be told."""
    return DialledDigits(id=an_id(), call_id=call_id, url=url, digits=digits, at=after(at_s))


def digits_of(events: list[OutboxEvent]) -> list[str]:
    """Return what was dialled by events, or what else they are."""
    return [event.body["data"].get("digits", event.event_type) for event in events]


async def test_digits_are_an_event_of_the_call(acme: Tenant) -> None:
    """With the call, its task and its agent; said twice, it is there once; nobody knows them by its repr."""
    outbox = Outbox(acme.database)
    task, call = await acme.executed()
    told = dialled(call.id, "97*")
    await outbox.add_digits(told)
    await outbox.add_digits(told)
    [event] = await outbox.claim_due("n1", after(5))

    assert (event.id, event.url, event.call_id, event.task_id) == (told.id, KEYS, call.id, None)
    assert (event.event_type, event.state, event.created_at) == ("dtmf_received", "pending", after(5))
    assert event.body == {
        "event_type": "dtmf_received",
        "task_id": task.id,
        "call_id": call.id,
        "status": "initiated",
        "data": {"agent_id": acme.agent.id, "digits": "97*"},
    }
    assert "97*" not in repr((told, event))


async def test_digits_come_in_order_and_before_the_end_at_one_url(acme: Tenant) -> None:
    """A task's own webhook hears of the start, of each of the digits, and of the end, one after the other."""
    outbox = Outbox(acme.database)
    _, call = await acme.executed(webhook_url=KEYS)
    await Calls(acme.database).start(call.id, after(1))
    await outbox.add_digits(dialled(call.id, "1"))
    await outbox.add_digits(dialled(call.id, "2"))
    await Calls(acme.database).end(call.id, HUNG_UP, after(9))
    heard: list[OutboxEvent] = []
    while claimed := await outbox.claim_due("n1", after(10)):
        [event] = claimed
        heard.append(event)
        await outbox.record_attempt(attempt(event), "delivered", after(10))

    assert digits_of(heard) == ["call_started", "1", "2", "call_completed"]


async def test_urls_do_not_hold_each_other_up(acme: Tenant) -> None:
    """A rule's receiver that is away keeps nothing from the task's, nor the other way round."""
    outbox = Outbox(acme.database)
    _, call = await acme.executed(webhook_url=HOOK)
    await outbox.add_digits(dialled(call.id, "1"))
    await Calls(acme.database).start(call.id, after(6))
    await outbox.add_digits(dialled(call.id, "2", url=f"{KEYS}/other"))
    first = await outbox.claim_due("n1", after(10))

    assert sorted(digits_of(first)) == ["1", "2", "call_started"]


async def test_gone_receiver_of_digits_takes_no_webhook_of_the_task_with_it(acme: Tenant) -> None:
    """What it said is about its own event."""
    outbox = Outbox(acme.database)
    task, call = await acme.executed(webhook_url=HOOK)
    await outbox.add_digits(dialled(call.id, "1"))
    await outbox.disable(task.id)

    assert digits_of(await outbox.claim_due("n1", after(10))) == ["1"]


async def test_digits_of_a_call_that_is_erased_or_unknown_are_dropped(acme: Tenant) -> None:
    """Nothing of them is kept; of those that were there before, nothing stays."""
    outbox = Outbox(acme.database)
    _, call = await acme.executed()
    await outbox.add_digits(dialled(call.id, "1"))
    await Calls(acme.database).end(call.id, HUNG_UP, after(6))
    await erase_call(acme.database, acme.id, call.id, after(7))
    await outbox.add_digits(dialled(call.id, "2"))
    await outbox.add_digits(dialled(an_id(), "3"))

    assert [event.body["data"] for event in (await outbox.list_page(acme.id, 10, 0)).items] == [{}]


async def test_who_delivers_is_told_of_what_is_due(acme: Tenant) -> None:
    """Of digits, and of what is to be sent once more; not of what is not there."""
    told: list[str] = []
    acme.database.when_outbox_fills(lambda: told.append("filled"))
    outbox = Outbox(acme.database)
    _, call = await acme.executed()
    digits = dialled(call.id, "1")
    await outbox.add_digits(digits)
    assert len(told) == 1
    await outbox.redeliver(acme.id, digits.id, after(9))
    assert len(told) == 2
    await outbox.redeliver(acme.id, an_id(), after(9))
    await outbox.add_digits(dialled(an_id(), "1"))
    assert len(told) == 2
