"""Agents and numbers on both engines."""

import asyncio

import pytest

from gateway.errors import StorageError
from gateway.storage.agents import Agents, Numbers
from gateway.storage.organizations import Organizations
from gateway.storage.rows import Number
from gateway.storage.tasks import Tasks
from tests.tenants import HUNG_UP, NOW, OURS, Tenant, after, agent, an_id, task


def number(tenant: Tenant, dialled: str = OURS, agent_id: str | None = None) -> Number:
    """Return a number of a tenant's agent."""
    return Number(
        id=an_id(),
        organization_id=tenant.id,
        number=dialled,
        agent_id=agent_id or tenant.agent.id,
        created_at=NOW,
    )


async def test_agent_comes_back_as_it_was(acme: Tenant) -> None:
    """JSON, flags and moments survive both engines."""
    assert await Agents(acme.database).find(acme.id, acme.agent.id) == acme.agent


async def test_agents_are_listed_newest_first(acme: Tenant) -> None:
    """Pages follow each other without gap or double, and the total counts all that match."""
    agents = Agents(acme.database)
    for age in range(1, 8):
        await agents.add(agent(acme.id, created_at=after(age), enabled=age % 2 == 0))
    pages = [await agents.list_page(acme.id, 3, offset) for offset in (0, 3, 6, 9)]
    enabled = await agents.list_page(acme.id, 100, 0, enabled=True)
    disabled = await agents.list_page(acme.id, 100, 0, enabled=False)
    listed = [one.created_at for page in pages for one in page.items]

    assert listed == sorted(listed, reverse=True)
    assert len(set(listed)) == 8
    assert {page.total for page in pages} == {8}
    assert (enabled.total, disabled.total) == (4, 4)


async def test_rival_gets_nowhere(acme: Tenant, rival: Tenant) -> None:
    """Another organization's agent is not there, for any verb."""
    agents = Agents(acme.database)

    assert await agents.find(rival.id, acme.agent.id) is None
    assert await agents.update(rival.id, acme.agent.id, name="stolen") is None
    assert await agents.remove(rival.id, acme.agent.id) == "absent"
    assert (await agents.list_page(rival.id, 10, 0)).items == (rival.agent,)


async def test_update_changes_only_what_is_named(acme: Tenant) -> None:
    """The rest stays as it was."""
    changed = await Agents(acme.database).update(acme.id, acme.agent.id, name="New", updated_at=after(1))

    assert changed == agent(acme.id, id=acme.agent.id, name="New", updated_at=after(1))


async def test_agent_with_active_tasks_stays(acme: Tenant) -> None:
    """Pending and running tasks keep their agent; finished ones do not."""
    agents = Agents(acme.database)
    pending = await acme.add_task()
    with_pending = await agents.remove(acme.id, acme.agent.id)
    await Tasks(acme.database).remove(acme.id, pending.id)
    await acme.executed()
    running = await agents.remove(acme.id, acme.agent.id)

    assert (with_pending, running) == ("in_use", "in_use")


async def test_agent_goes_with_its_numbers_and_leaves_its_calls(acme: Tenant) -> None:
    """When it goes nobody answers its numbers; what it did stays on record."""
    agents, numbers = Agents(acme.database), Numbers(acme.database)
    await numbers.add(number(acme))
    done, _ = await acme.executed(HUNG_UP)

    assert await agents.remove(acme.id, acme.agent.id) == "removed"
    assert await agents.remove(acme.id, acme.agent.id) == "absent"
    assert await numbers.route(OURS) is None
    kept = await Tasks(acme.database).find(acme.id, done.id)
    assert kept is not None
    assert kept.agent_id == acme.agent.id


async def test_task_and_removal_race_leaves_no_orphan(acme: Tenant) -> None:
    """Whichever comes first wins: never a pending task whose agent is gone."""
    agents, tasks = Agents(acme.database), Tasks(acme.database)
    for _ in range(10):
        desk = agent(acme.id)
        await agents.add(desk)
        async with asyncio.TaskGroup() as group:
            added = group.create_task(tasks.add(task(acme.id, desk.id)))
            removed = group.create_task(agents.remove(acme.id, desk.id))
        assert (added.result(), removed.result()) in [(True, "in_use"), (False, "removed")]


async def test_dialled_number_leads_to_its_agent(acme: Tenant, rival: Tenant) -> None:
    """The number finds the agent of whatever organization, unless the agent is disabled."""
    numbers = Numbers(acme.database)
    await numbers.add(number(acme))
    await numbers.add(number(rival, "+15550100"))

    assert await numbers.route(OURS) == acme.agent
    assert await numbers.route("+15550100") == rival.agent
    assert await numbers.route("+15550199") is None
    await Agents(acme.database).update(acme.id, acme.agent.id, enabled=False)
    assert await numbers.route(OURS) is None


async def test_number_has_one_owner(acme: Tenant, rival: Tenant) -> None:
    """A number that leads somewhere cannot be taken by another, nor removed by one."""
    numbers = Numbers(acme.database)
    mine = number(acme)
    await numbers.add(mine)
    with pytest.raises(StorageError) as refused:
        await numbers.add(number(rival))

    assert refused.value.reason == "conflict"
    assert not await numbers.remove(rival.id, mine.id)
    assert (await numbers.list_page(rival.id, 10, 0)).total == 0
    assert (await numbers.list_page(acme.id, 10, 0)).items == (mine,)
    assert await numbers.remove(acme.id, mine.id)
    assert not await numbers.remove(acme.id, mine.id)


async def test_number_is_known_although_its_agent_is_disabled(acme: Tenant) -> None:
    """It leads nowhere then, but it is somebody's."""
    numbers = Numbers(acme.database)
    added = Number(id=an_id(), organization_id=acme.id, number=OURS, agent_id=acme.agent.id, created_at=NOW)
    await numbers.add(added)
    await Agents(acme.database).update(acme.id, acme.agent.id, enabled=False)

    assert await numbers.route(OURS) is None
    assert await numbers.find(OURS) == added
    assert await numbers.find("+15550199") is None


async def test_number_that_leads_nowhere_is_the_default_agents(acme: Tenant, rival: Tenant) -> None:
    """The oldest organization's default agent answers it, unless disabled; a known number is not its."""
    numbers, organizations = Numbers(acme.database), Organizations(acme.database)
    await numbers.add(number(acme))
    nobody = await numbers.route("+15550100")
    await organizations.update(rival.id, default_agent_id=rival.agent.id, created_at=after(-60))
    await organizations.update(acme.id, default_agent_id=acme.agent.id)

    assert nobody is None
    assert await numbers.route("+15550100") == rival.agent
    assert await numbers.route(OURS) == acme.agent
    await Agents(acme.database).update(rival.id, rival.agent.id, enabled=False)
    await Agents(acme.database).update(acme.id, acme.agent.id, enabled=False)
    assert await numbers.route("+15550100") is None
    assert await numbers.route(OURS) is None
