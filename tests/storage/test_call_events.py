"""Events on both engines: in order, each once, for their tenant."""

import asyncio

import pytest

from gateway.errors import StorageError
from gateway.storage.call_events import CallEvents, events_of
from gateway.storage.erasure import erase_call
from tests.tenants import Tenant, after, an_id, event, said


async def test_events_come_back_in_order(acme: Tenant) -> None:
    """Whatever the batches, they are listed by their number, from any place on."""
    events, call = CallEvents(acme.database), await acme.talk()
    told = [event(call.id, seq, "state", state=f"s{seq}") for seq in range(1, 8)]
    await events.append(told[4:])
    await events.append(told[:4])

    assert await events.list_all(acme.id, call.id) == told
    assert await events.list_all(acme.id, call.id, after=5) == told[5:]
    page = await events.list_page(acme.id, call.id, 2, 3)
    assert (page.items, page.total) == (tuple(told[3:5]), 7)
    assert await events.last_seq(call.id) == 7


async def test_batch_sent_twice_is_stored_once(acme: Tenant) -> None:
    """A writer that did not hear the answer sends again; what is there stays as it is."""
    events, call = CallEvents(acme.database), await acme.talk()
    first = [event(call.id, 1), event(call.id, 2)]
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(events.append(first))
    await events.append([event(call.id, 2, "other"), event(call.id, 3)])

    assert await events.list_all(acme.id, call.id) == [*first, event(call.id, 3)]


async def test_text_of_any_kind_is_kept(acme: Tenant) -> None:
    """Emoji and quotes stay; what no engine stores costs its character, not the entry."""
    events, call = CallEvents(acme.database), await acme.talk()
    await events.append([said(call.id, 1, 0, "caller", "'; DROP TABLE calls; -- \U0001f600 a\0b \ud800")])
    [kept] = await events.list_all(acme.id, call.id)

    assert kept.data["text"] == "'; DROP TABLE calls; -- \U0001f600 a\ufffdb \ufffd"


async def test_rival_reads_nothing(acme: Tenant, rival: Tenant) -> None:
    """Events are their organization's."""
    events, call = CallEvents(acme.database), await acme.finished()

    assert await events.list_all(rival.id, call.id) == []
    assert (await events.list_page(rival.id, call.id, 10, 0)).total == 0
    async with acme.database.reading() as connection:
        assert await events_of(connection, call.id, rival.id) == []


async def test_nothing_is_added_to_what_is_not_there(acme: Tenant) -> None:
    """An unknown or erased call takes no events; an empty batch is nothing."""
    events, call = CallEvents(acme.database), await acme.finished()
    await erase_call(acme.database, acme.id, call.id, after(99))
    await events.append([])
    for call_id in (call.id, "absent"):
        with pytest.raises(StorageError) as refused:
            await events.append([event(call_id, 9)])
        assert refused.value.reason == "conflict"

    assert await events.last_seq(call.id) == 0


async def test_events_of_several_calls_are_stored_together(acme: Tenant) -> None:
    """Each under its own fence; a call that is not the writer's is named, and the others' are stored."""
    events = CallEvents(acme.database)
    calls = [await acme.ring() for _ in range(3)]
    batches = [
        ([event(call.id, 1), event(call.id, 2)], fence)
        for call, fence in zip(calls, (0, 7, None), strict=True)
    ]

    refused = await events.append_all([*batches, ([event(an_id(), 1)], 0)])

    stored = [[one.seq for one in await events.list_all(acme.id, call.id)] for call in calls]
    assert stored == [[1, 2], [], [1, 2]]
    assert calls[1].id in refused
    assert len(refused) == 2
    assert await events.append_all(batches[:1]) == set()
