"""Due tasks and what the rules need to know of them, on both engines."""

from datetime import timedelta
from typing import Any

from gateway.storage.dial_policy import Facts
from gateway.storage.dial_queue import DialQueue
from gateway.storage.rows import SuppressedNumber, Task
from gateway.storage.suppression import SuppressionList
from gateway.storage.tasks import Tasks
from tests.tenants import HUNG_UP, NOW, Tenant, after, an_id

DAY = timedelta(days=1)


async def found(tenant: Tenant, task: Task) -> Task:
    """Return a task as it is now."""
    one = await Tasks(tenant.database).find(tenant.id, task.id)
    assert one is not None
    return one


async def suppress(tenant: Tenant, number: str) -> None:
    """Put a number on a tenant's list."""
    entry = SuppressedNumber(id=an_id(), organization_id=tenant.id, number=number, reason="", created_at=NOW)
    await SuppressionList(tenant.database).add(entry)


async def test_due_tasks_come_in_the_order_of_dialling(acme: Tenant, rival: Tenant) -> None:
    """Everybody's; what is not due, not scheduled or not pending is left out."""
    plans: list[dict[str, Any]] = [
        {"scheduled_at": NOW, "priority": -1},
        {"scheduled_at": after(-5)},
        {"scheduled_at": NOW},
        {"scheduled_at": after(1), "priority": 9},
        {},
    ]
    low, longest, later, _, _ = [await acme.add_task(**plan) for plan in plans]
    first = await rival.add_task(scheduled_at=NOW, priority=3)
    await acme.executed(scheduled_at=NOW)
    queue = DialQueue(acme.database)

    assert await queue.list_due(NOW, 9) == [first, longest, later, low]
    assert await queue.list_due(NOW, 2) == [first, longest]


async def test_facts_are_the_tenants_own(acme: Tenant, rival: Tenant) -> None:
    """Whether its list has the number, and how often it placed calls to it within the window."""
    mine = await acme.add_task(to_number="+491")
    others = await rival.add_task(to_number="+491")
    await suppress(rival, "+491")
    await acme.executed(HUNG_UP, to_number="+491")
    await acme.executed(to_number="+491")
    await acme.executed(to_number="+492")
    await acme.ring(to_number="+491")
    queue = DialQueue(acme.database)

    assert await queue.facts([mine, others], NOW - DAY) == [Facts(False, 2), Facts(True, 0)]
    assert await queue.facts([mine], after(1)) == [Facts(False, 0)]
    assert await queue.facts([], NOW) == []


async def test_facts_count_those_of_the_same_batch(acme: Tenant) -> None:
    """They are about to be dialled."""
    batch = [await acme.add_task(to_number=number) for number in ("+491", "+492", "+491", "+491")]

    facts = await DialQueue(acme.database).facts(batch, NOW - DAY)

    assert [one.attempts for one in facts] == [0, 0, 1, 2]


async def test_postponed_task_waits(acme: Tenant) -> None:
    """One that was changed or started meanwhile is left alone."""
    queue = DialQueue(acme.database)
    waiting = await acme.add_task(scheduled_at=NOW)
    changed = await acme.add_task(scheduled_at=NOW)
    started, _ = await acme.executed(scheduled_at=NOW)
    await Tasks(acme.database).update(acme.id, changed.id, scheduled_at=after(5))

    assert [await queue.postpone(one, after(60), after(2)) for one in (waiting, changed, started)] == [
        *(True, False, False)
    ]
    assert (await found(acme, waiting)).scheduled_at == after(60)
    assert (await found(acme, waiting)).updated_at == after(2)
    assert (await found(acme, changed)).scheduled_at == after(5)
    assert (await found(acme, started)).scheduled_at == NOW


async def test_live_calls_are_the_placed_ones_of_all(acme: Tenant, rival: Tenant) -> None:
    """Calls that ring here, or are over, take no room."""
    queue = DialQueue(acme.database)
    assert await queue.count_live() == 0
    await acme.executed()
    await rival.executed()
    await acme.executed(HUNG_UP)
    await acme.ring()

    assert await queue.count_live() == 2
