"""A call is booked in time, or not taken."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace

import pytest

from gateway.errors import StorageError
from gateway.ledger import booking
from gateway.ledger.booking import Booking
from gateway.ledger.steady import safely
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call, NewCall
from tests.ledger.bookkeeping import Outage
from tests.tenants import Tenant, new_call

SID = "CA" + "7" * 32


class Desk:
    """A booking, and what it holds. Lives as long as a test."""

    def __init__(self, database: Database) -> None:
        self.held: dict[str, Call] = {}
        self.tasks: set[asyncio.Task[bool]] = set()
        self.booking = Booking(
            *(database, "node-1", CallLeases(database, "node-1"), 15.0),
            held=self.held,
            hold=lambda call: self.held.update({call.id: call}),
            spawn=self._spawn,
        )

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self.tasks.add(asyncio.get_running_loop().create_task(safely(work)))


async def test_new_call_is_held(database: Database, acme: Tenant) -> None:
    """With the first fence, in this node's name, whatever name was on it."""
    desk = Desk(database)
    call = await desk.booking.open(new_call(acme.id, call_sid=SID, node="somebody"))

    assert desk.held == {call.id: call}
    assert (call.node, call.fence) == ("node-1", 1)


async def test_call_told_again_is_held_as_it_is(database: Database, acme: Tenant) -> None:
    """Its fence does not grow: what is being written under it goes on."""
    desk = Desk(database)
    first = await desk.booking.open(new_call(acme.id, call_sid=SID))
    desk.held.clear()
    again = await desk.booking.open(new_call(acme.id, call_sid=SID))

    assert again == first
    assert desk.held == {first.id: first}


async def test_call_that_a_dead_node_held_is_taken(database: Database, acme: Tenant) -> None:
    """Once its lease has expired; with a fence of its own."""
    desk = Desk(database)
    dead = await Calls(database).begin(new_call(acme.id, call_sid=SID, node="dead"), hold_s=-1.0)
    taken = await desk.booking.open(new_call(acme.id, call_sid=SID))

    assert (taken.id, taken.node, taken.fence) == (dead.id, "node-1", 2)
    assert desk.held == {taken.id: taken}


async def test_refusal_of_the_database_is_passed_on(database: Database, acme: Tenant) -> None:
    """Nothing is held then."""
    outage = Outage(database)
    desk = Desk(outage)
    outage.away = True

    with pytest.raises(StorageError, match="away"):
        await desk.booking.open(new_call(acme.id))
    assert desk.held == {}


async def test_database_that_takes_too_long_is_not_waited_for(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is refused; its row, should it come to be, is held all the same, and let go of in time."""
    begin = Calls.begin
    answers = asyncio.Event()

    async def slowly(self: Calls, call: NewCall, *, hold_s: float | None = None) -> Call:
        await answers.wait()
        return await begin(self, call, hold_s=hold_s)

    monkeypatch.setattr(booking, "_WITHIN_S", 0.05)
    monkeypatch.setattr(Calls, "begin", slowly)
    desk = Desk(database)
    call = new_call(acme.id)
    with pytest.raises(StorageError, match="in time") as caught:
        await desk.booking.open(call)
    answers.set()
    await asyncio.wait(desk.tasks)

    assert caught.value.passing
    assert set(desk.held) == {call.id}
    assert replace(call, node="node-1").id == desk.held[call.id].id


async def test_bug_refuses_the_call_and_nothing_else(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits is told that it took too long."""

    async def breaks(self: Calls, call: NewCall, *, hold_s: float | None = None) -> Call:
        raise ValueError("a bug")

    monkeypatch.setattr(booking, "_WITHIN_S", 0.05)
    monkeypatch.setattr(Calls, "begin", breaks)

    with pytest.raises(StorageError, match="in time"):
        await Desk(database).booking.open(new_call(acme.id))
