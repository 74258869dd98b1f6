"""Tasks on both engines: started once, in order, with the call's row."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import NewCall, Task
from gateway.storage.tasks import Tasks
from tests.tenants import HUNG_UP, LOST, NOW, Tenant, after, agent, an_id, call_of, task


async def test_task_comes_back_as_it_was(acme: Tenant) -> None:
    """Context, schedule, events and zone survive both engines."""
    added = await acme.add_task(scheduled_at=after(60), time_zone="Europe/Berlin", priority=-3)

    assert await Tasks(acme.database).find(acme.id, added.id) == added


async def test_task_needs_an_agent_of_its_own_organization(acme: Tenant, rival: Tenant) -> None:
    """Neither an unknown agent nor a rival's will do."""
    tasks = Tasks(acme.database)

    assert not await tasks.add(task(acme.id, an_id()))
    assert not await tasks.add(task(acme.id, rival.agent.id))


async def test_rival_gets_nowhere(acme: Tenant, rival: Tenant) -> None:
    """Another organization's task is not there, for any verb."""
    tasks = Tasks(acme.database)
    mine = await acme.add_task()

    assert await tasks.find(rival.id, mine.id) is None
    assert await tasks.update(rival.id, mine.id, name="stolen") is None
    assert not await tasks.remove(rival.id, mine.id)
    assert await tasks.reset(rival.id, mine.id, NOW) is None
    assert await tasks.start(replace(call_of(mine), organization_id=rival.id)) is None
    assert (await tasks.list_page(rival.id, 10, 0)).total == 0
    assert await tasks.find(acme.id, mine.id) == mine


async def test_list_narrows_by_agent_and_status(acme: Tenant) -> None:
    """Each filter counts alone and together with the other."""
    tasks = Tasks(acme.database)
    await acme.add_task()
    done, _ = await acme.executed(HUNG_UP)

    assert (await tasks.list_page(acme.id, 10, 0)).total == 2
    assert (await tasks.list_page(acme.id, 10, 0, agent_id=acme.agent.id)).total == 2
    assert (await tasks.list_page(acme.id, 10, 0, agent_id=an_id())).total == 0
    completed = await tasks.list_page(acme.id, 10, 0, agent_id=acme.agent.id, status="completed")
    assert [one.id for one in completed.items] == [done.id]


@pytest.mark.parametrize(
    ("ending", "status", "changes", "goes"),
    [
        (None, "in_progress", False, False),
        (HUNG_UP, "completed", False, False),
        (LOST, "failed", False, True),
    ],
)
async def test_what_a_status_allows(
    acme: Tenant, ending: Any, status: str, changes: bool, goes: bool
) -> None:
    """Only pending tasks change; only pending and failed ones go."""
    tasks = Tasks(acme.database)
    done, _ = await acme.executed(ending)
    found = await tasks.find(acme.id, done.id)

    assert found is not None
    assert found.status == status
    assert (await tasks.update(acme.id, done.id, name="New") is not None) is changes
    assert await tasks.remove(acme.id, done.id) is goes


async def test_pending_task_changes_and_goes(acme: Tenant) -> None:
    """What nobody has started can be edited, then removed."""
    tasks = Tasks(acme.database)
    added = await acme.add_task()
    changed = await tasks.update(acme.id, added.id, name="New", priority=7)

    assert changed is not None
    assert (changed.name, changed.priority) == ("New", 7)
    assert await tasks.remove(acme.id, added.id)
    assert await tasks.find(acme.id, added.id) is None


async def test_task_starts_once_with_its_call(acme: Tenant) -> None:
    """Of many who start it at once, one gets the call; its row is there before anybody dials."""
    added = await acme.add_task()
    async with asyncio.TaskGroup() as group:
        starts = [group.create_task(Tasks(acme.database).start(call_of(added))) for _ in range(10)]
    [call] = [start.result() for start in starts if start.result() is not None]
    found = await Tasks(acme.database).find(acme.id, added.id)

    assert found is not None
    assert call is not None
    assert (found.status, found.call_id, found.attempts) == ("in_progress", call.id, 1)
    assert (call.status, call.direction, call.task_id) == ("initiated", "outbound", added.id)
    assert (await Calls(acme.database).list_page(acme.id, 10, 0)).total == 1


async def test_reset_makes_it_pending_again(acme: Tenant) -> None:
    """After its call it can be executed anew; the first call stays, the attempts count on."""
    tasks = Tasks(acme.database)
    done, first = await acme.executed(LOST, scheduled_at=after(-60))
    reset = await tasks.reset(acme.id, done.id, NOW)
    again = await tasks.start(call_of(done))

    assert reset is not None
    assert (reset.status, reset.call_id, reset.scheduled_at) == ("pending", None, None)
    assert again is not None
    assert again.id != first.id
    found = await tasks.find(acme.id, done.id)
    assert found is not None
    assert found.attempts == 2


async def test_reset_keeps_a_schedule_that_is_still_to_come(acme: Tenant) -> None:
    """Executed by hand before its time, it keeps its time."""
    done, _ = await acme.executed(LOST, scheduled_at=after(60))
    reset = await Tasks(acme.database).reset(acme.id, done.id, NOW)

    assert reset is not None
    assert reset.scheduled_at == after(60)


async def test_reset_is_refused_while_pending_or_live(acme: Tenant) -> None:
    """There is nothing to reset in a pending task, and a live call must end first."""
    tasks = Tasks(acme.database)
    pending = await acme.add_task()
    live, _ = await acme.executed()

    assert await tasks.reset(acme.id, pending.id, NOW) is None
    assert await tasks.reset(acme.id, live.id, NOW) is None


async def test_due_tasks_come_by_priority_then_age(acme: Tenant) -> None:
    """The highest priority first, then whoever waits longest; what is not due or not scheduled stays."""
    tasks = Tasks(acme.database)
    low = await acme.add_task(scheduled_at=after(-300), priority=-1)
    old = await acme.add_task(scheduled_at=after(-200))
    young = await acme.add_task(scheduled_at=after(-100))
    high = await acme.add_task(scheduled_at=NOW, priority=5)
    await acme.add_task(scheduled_at=after(1), priority=9)
    await acme.add_task(priority=9)
    first = await tasks.claim_due(NOW, 3, call_of)
    rest = await tasks.claim_due(NOW, 3, call_of)

    assert [one.id for one, _ in first] == [high.id, old.id, young.id]
    assert [one.id for one, _ in rest] == [low.id]
    assert {call.task_id for _, call in first + rest} == {low.id, old.id, young.id, high.id}
    assert await tasks.claim_due(NOW, 3, call_of) == []


async def test_next_due_tells_how_long_to_sleep(acme: Tenant) -> None:
    """The earliest pending schedule, or nothing."""
    tasks = Tasks(acme.database)
    nothing = await tasks.next_due()
    await acme.add_task(scheduled_at=after(60))
    await acme.add_task(scheduled_at=after(30))

    assert nothing is None
    assert await tasks.next_due() == after(30)


async def test_racing_schedulers_start_each_task_once(acme: Tenant, database_url: str) -> None:
    """Four schedulers with connections of their own share 200 due tasks, none twice, none left."""
    due = [await acme.add_task(scheduled_at=after(-1)) for _ in range(200)]
    nodes = [Database.open(database_url) for _ in range(4)]

    async def schedule(node: Database) -> list[str]:
        mine: list[str] = []
        while claimed := await Tasks(node).claim_due(NOW, 7, call_of):
            mine += [one.id for one, _ in claimed]
        return mine

    async with asyncio.TaskGroup() as group:
        shares = [group.create_task(schedule(node)) for node in nodes]
    for node in nodes:
        await node.close()
    placed = Counter(one for share in shares for one in share.result())

    assert placed == Counter(one.id for one in due)


async def test_call_that_cannot_begin_starts_nothing(acme: Tenant) -> None:
    """When the call's row is refused, the task is as pending as before."""
    added = await acme.add_task(scheduled_at=NOW)
    taken = await acme.ring()

    def clash(one: Task) -> NewCall:
        return call_of(one, id=taken.id)

    with pytest.raises(Exception, match="refused"):
        await Tasks(acme.database).claim_due(NOW, 1, clash)

    assert await Tasks(acme.database).find(acme.id, added.id) == added


async def test_task_of_a_removed_agent_is_never_added(acme: Tenant) -> None:
    """A task of an agent that was never stored does not slip in."""
    assert not await Tasks(acme.database).add(task(acme.id, agent(acme.id).id))


async def test_only_what_is_wanted_is_claimed(acme: Tenant) -> None:
    """The others stay pending, however urgent; a task that changed is not the one that was wanted."""
    tasks = Tasks(acme.database)
    urgent = await acme.add_task(scheduled_at=NOW, priority=9)
    wanted = await acme.add_task(scheduled_at=NOW)
    changed = await acme.add_task(scheduled_at=NOW)
    await tasks.update(acme.id, changed.id, to_number="+15550199")

    started = await tasks.claim_due(NOW, 9, call_of, only=lambda task: task in (wanted, changed))

    assert [one.id for one, _ in started] == [wanted.id]
    assert [one.id for one, _ in await tasks.claim_due(NOW, 9, call_of)] == [urgent.id, changed.id]


async def test_room_is_kept_by_all_nodes_together(acme: Tenant, database_url: str) -> None:
    """Four that claim at once leave no more placed calls than there may be; finished ones make room."""
    for n in range(20):
        await acme.add_task(scheduled_at=after(-n))
    _, executed = await acme.executed()
    await acme.ring()
    nodes = [Database.open(database_url) for _ in range(4)]
    try:
        async with asyncio.TaskGroup() as group:
            claims = [
                group.create_task(Tasks(node).claim_due(NOW, 9, call_of, most_live=6)) for node in nodes
            ]
    finally:
        for node in nodes:
            await node.close()
    tasks = Tasks(acme.database)

    assert sum(len(claim.result()) for claim in claims) == 5
    assert await tasks.claim_due(NOW, 9, call_of, most_live=3) == []
    await Calls(acme.database).end(executed.id, LOST, NOW)
    assert len(await tasks.claim_due(NOW, 9, call_of, most_live=6)) == 1
