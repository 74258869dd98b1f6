"""Leases on both engines: one holder, takeover after expiry, and a fence against the one before."""

import asyncio

import pytest

from gateway.errors import StorageError
from gateway.storage.call_events import CallEvents
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import Calls
from tests.tenants import HUNG_UP, LOST, Tenant, after, event

EXPIRED_S = -1.0


async def test_call_has_one_holder(acme: Tenant) -> None:
    """While a lease lasts nobody else gets the call; its holder may take it again, under a new fence."""
    call = await acme.talk()
    ours, theirs = CallLeases(acme.database, "a"), CallLeases(acme.database, "b")
    held = await ours.take(call.id)
    again = await ours.take(call.id)

    assert held is not None
    assert again is not None
    assert (held.node, held.fence, again.fence) == ("a", 1, 2)
    assert await theirs.take(call.id) is None
    assert await ours.renew([call.id, "absent"]) == 1
    assert await theirs.renew([call.id]) == 0
    assert await ours.list_expired() == []


async def test_call_of_a_dead_node_is_taken_over_once(acme: Tenant) -> None:
    """When the lease has expired, of many nodes one gets it."""
    call = await acme.talk()
    await CallLeases(acme.database, "dead", lease_s=EXPIRED_S).take(call.id)
    expired = await CallLeases(acme.database, "b").list_expired()
    async with asyncio.TaskGroup() as group:
        takes = [group.create_task(CallLeases(acme.database, f"n{n}").take(call.id)) for n in range(8)]

    assert [one.id for one in expired] == [call.id]
    assert sum(take.result() is not None for take in takes) == 1
    assert await CallLeases(acme.database, "b").list_expired() == []


async def test_old_holder_cannot_write(acme: Tenant) -> None:
    """After a takeover the node before can neither end the call nor add to it."""
    call = await acme.talk()
    old = await CallLeases(acme.database, "old", lease_s=EXPIRED_S).take(call.id)
    new = await CallLeases(acme.database, "new").take(call.id)
    assert old is not None
    assert new is not None
    calls, events = Calls(acme.database), CallEvents(acme.database)

    assert await calls.end(call.id, HUNG_UP, after(1), fence=old.fence) is None
    with pytest.raises(StorageError) as refused:
        await events.append([event(call.id, 1)], fence=old.fence)
    assert refused.value.reason == "conflict"
    await events.append([event(call.id, 1)], fence=new.fence)
    ended = await calls.end(call.id, LOST, after(2), fence=new.fence)
    assert ended is not None
    assert ended.reason == "agent_lost"


async def test_finished_call_has_no_holder(acme: Tenant) -> None:
    """What is over cannot be taken, renewed or found expired."""
    call = await acme.finished()
    leases = CallLeases(acme.database, "a", lease_s=EXPIRED_S)

    assert await leases.take(call.id) is None
    assert await leases.renew([call.id]) == 0
    assert await leases.list_expired() == []
