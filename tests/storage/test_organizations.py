"""Organizations on both engines."""

import asyncio

from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from tests.tenants import NOW, Tenant, after, organization


async def test_organization_is_found_as_it_was_added(acme: Tenant) -> None:
    """What goes in comes out, microseconds included."""
    organizations = Organizations(acme.database)

    assert await organizations.find(acme.id) == acme.organization
    assert await organizations.find("absent") is None


async def test_every_organization_is_listed_for_the_operator(acme: Tenant, rival: Tenant) -> None:
    """The operator's command sees all; a stranger belongs to none."""
    organizations = Organizations(acme.database)

    assert {one.id for one in await organizations.list_all()} == {acme.id, rival.id}
    assert await organizations.list_of("nobody") == []


async def test_update_changes_one(acme: Tenant, rival: Tenant) -> None:
    """Only the named organization changes; one that is not there says so."""
    organizations = Organizations(acme.database)
    changed = await organizations.update(acme.id, name="New", default_agent_id=acme.agent.id)

    assert changed is not None
    assert (changed.name, changed.default_agent_id) == ("New", acme.agent.id)
    assert await organizations.find(rival.id) == rival.organization
    assert await organizations.update("absent", name="x") is None


async def test_old_webhook_secret_stays_beside_the_new(acme: Tenant) -> None:
    """Receivers have time to change over: both secrets are there, with the moment of the change."""
    organizations = Organizations(acme.database)

    assert await organizations.change_webhook_secret(acme.id, "whsec_new", after(5))
    assert not await organizations.change_webhook_secret("absent", "whsec_new", NOW)
    found = await organizations.find(acme.id)

    assert found is not None
    assert found.webhook_secret == "whsec_new"
    assert found.previous_webhook_secret == acme.organization.webhook_secret
    assert found.webhook_secret_changed_at == after(5)


async def test_first_organization_is_added_once(database: Database) -> None:
    """Of nodes that start together on an empty database one adds it, and none does ever after."""
    organizations, first = Organizations(database), organization("First")
    async with asyncio.TaskGroup() as group:
        starts = [group.create_task(organizations.add_first(first)) for _ in range(8)]

    assert sum(start.result() for start in starts) == 1
    assert await organizations.list_all() == [first]
    assert not await organizations.add_first(organization("Second"))
