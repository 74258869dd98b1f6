"""The hands that write the books: one at a time for each call, and none stops for another's trouble."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cluster.inprocess import InProcessCluster
from gateway.errors import StorageError
from gateway.ledger.held import Held
from gateway.ledger.page import Page
from gateway.ledger.writer import Writer, ending_in
from gateway.storage.call_events import CallEvents
from gateway.storage.call_leases import CallLeases
from gateway.storage.database import Database
from gateway.storage.rows import CallEvent
from tests.ledger.bookkeeping import ENDED, JOINED, Outage, call_info, said, until
from tests.tenants import HUNG_UP, Tenant


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A database on one engine: what is particular to the other is tested with the ledger."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path / 'test.db'}"


class Desk:
    """A writer at work. Lives as long as :func:`writing` holds it."""

    def __init__(self, database: Database) -> None:
        self.cluster = InProcessCluster("node-1")
        self.over: list[Held] = []
        leases = CallLeases(database, "node-1")
        self.writer = Writer(database, leases, self.cluster.events, self.over.append)

    async def held(self, acme: Tenant, *happenings: object) -> Held:
        """Return a call in which this has happened and is not stored."""
        held = Held(call_info(acme.id, call_id=(await acme.ring()).id), 0.0)
        for happening in happenings:
            held.page.take(happening, datetime.now(UTC))  # type: ignore[arg-type]  # happenings they are
        return held


@asynccontextmanager
async def writing(database: Database) -> AsyncIterator[Desk]:
    """Let a writer work until the context is left."""
    desk = Desk(database)
    running = asyncio.get_running_loop().create_task(desk.writer.run())
    try:
        yield desk
    finally:
        running.cancel()


async def test_call_that_is_asked_for_often_is_written_once(database: Database, acme: Tenant) -> None:
    """Asking again before its turn comes changes nothing; the end is told once."""
    async with writing(database) as desk:
        held = await desk.held(acme, JOINED, ENDED)
        for _ in range(10):
            desk.writer.ask(held)
        await until(lambda: desk.over)
        await asyncio.sleep(0.05)

        assert desk.over == [held]
        assert not held.due


async def test_what_happens_while_a_call_is_written_is_written_next(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call is never in two hands, and nothing that came meanwhile is left lying."""
    hands = {"now": 0, "most": 0}
    append = CallEvents.append

    async def slowly(self: CallEvents, events: list[CallEvent], fence: int | None = None) -> None:
        hands["now"] += 1
        hands["most"] = max(hands["most"], hands["now"])
        await asyncio.sleep(0.02)
        await append(self, events, fence)
        hands["now"] -= 1

    monkeypatch.setattr(CallEvents, "append", slowly)
    async with writing(database) as desk:
        held = await desk.held(acme, JOINED)
        for index in range(10):
            held.page.take(said(index), datetime.now(UTC))
            desk.writer.ask(held)
            await asyncio.sleep(0.008)
        await until(lambda: not len(held.page))
        stored = await CallEvents(database).list_all(acme.id, held.call.call_id)

    assert hands["most"] == 1
    assert [event.seq for event in stored] == list(range(1, 12))


async def test_bug_costs_one_call_its_books(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks with one call's event is said, and the next call is written all the same."""
    batch = Page.next_batch
    broken, fine = await Desk(database).held(acme, JOINED), await Desk(database).held(acme, JOINED)

    def breaks(self: Page) -> tuple[CallEvent, ...]:
        if self.call is broken.call:
            raise ValueError("a bug")
        return batch(self)

    monkeypatch.setattr(Page, "next_batch", breaks)
    async with writing(database) as desk:
        for held in (broken, fine):
            desk.writer.ask(held)
        await until(lambda: broken.lost and not len(fine.page))

    assert not fine.lost


async def test_database_that_is_away_is_asked_again(database: Database, acme: Tenant) -> None:
    """The writer says that it does not store, and does so as soon as it can."""
    outage = Outage(database)
    async with writing(outage) as desk:
        held = await desk.held(acme, JOINED)
        outage.away = True
        desk.writer.ask(held)
        await until(lambda: not desk.writer.storing)
        outage.away = False
        await until(lambda: not len(held.page))

        assert desk.writer.storing


async def test_two_leases_of_one_node_lose_no_event(database: Database, acme: Tenant) -> None:
    """A fence that this very node has overtaken is refused; the call is taken again, and written."""
    desk = Desk(database)
    held = await desk.held(acme, JOINED)
    leases = CallLeases(database, "node-1")
    first = await leases.take(held.call.call_id)
    assert first is not None
    held.holds(first.fence)
    await leases.take(held.call.call_id)
    await desk.writer.write(held)

    assert (held.lost, len(held.page), held.fence) == (False, 0, 3)


async def test_call_held_elsewhere_waits_for_its_lease(database: Database, acme: Tenant) -> None:
    """It may be a call of a node that has just died: nothing is given up."""
    desk = Desk(database)
    held = await desk.held(acme, JOINED)
    await CallLeases(database, "node-2").take(held.call.call_id)

    with pytest.raises(StorageError, match="another node") as caught:
        await desk.writer.write(held)
    assert caught.value.passing
    assert len(held.page) == 1


async def test_end_that_another_gave_is_left(database: Database, acme: Tenant) -> None:
    """Ending a call twice changes nothing, and says so."""
    desk = Desk(database)
    held = await desk.held(acme, ENDED)
    held.page.last_seq = 0
    (event,) = held.page.next_batch()

    assert ending_in(event) == HUNG_UP
    assert [await desk.writer.end(event, None) for _ in range(2)] == [True, False]


async def together(desk: Desk, acme: Tenant, count: int) -> list[Held]:
    """Return calls that are held and have something to write."""
    calls = []
    for _ in range(count):
        held = await desk.held(acme, JOINED)
        await desk.writer.write(held)
        held.page.take(said(0, final=False), datetime.now(UTC))
        calls.append(held)
    return calls


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return of how many calls events are stored at once, as it comes."""
    append, sizes = CallEvents.append_all, list[int]()

    async def count(self: CallEvents, batches: list[tuple[list[CallEvent], int]]) -> set[str]:
        sizes.append(len(batches))
        return await append(self, batches)

    monkeypatch.setattr(CallEvents, "append_all", count)
    return sizes


async def test_many_calls_are_written_together(database: Database, acme: Tenant) -> None:
    """Each has its own events and numbers, and its watchers are told."""
    desk = Desk(database)
    calls = await together(desk, acme, 25)
    await desk.writer.write_together(calls)

    for held in calls:
        stored = await CallEvents(database).list_all(acme.id, held.call.call_id)
        assert [(event.seq, event.kind) for event in stored] == [(1, "agent_joined"), (2, "transcript")]
        assert await desk.cluster.events.last_seq(held.call.call_id) == 2
        assert (len(held.page), held.due, held.writing) == (0, False, False)


async def test_what_comes_while_calls_are_written_together_is_written_at_once(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Final words that come at that very moment do not wait for the next batch."""
    append = CallEvents.append_all

    async def meanwhile(self: CallEvents, batches: list[tuple[list[CallEvent], int]]) -> set[str]:
        held.page.take(said(0), datetime.now(UTC))
        desk.writer.ask(held)
        return await append(self, batches)

    async with writing(database) as desk:
        (held,) = await together(desk, acme, 1)
        monkeypatch.setattr(CallEvents, "append_all", meanwhile)
        await desk.writer.write_together([held])
        monkeypatch.undo()
        await until(lambda: not len(held.page))


async def test_trouble_of_one_call_is_found_out_by_a_hand(database: Database, acme: Tenant) -> None:
    """A call that is another node's by now, and a database that is away, cost the others nothing."""
    outage = Outage(database)
    async with writing(outage) as desk:
        calls = await together(desk, acme, 3)
        calls[0].fence = 99
        await desk.writer.write_together(calls)
        await until(lambda: not any(len(held.page) for held in calls))
        assert calls[0].fence not in (None, 99)
        for held in calls:
            held.page.take(said(1, final=False), datetime.now(UTC))
        outage.away = True
        await desk.writer.write_together(calls)
        await until(lambda: not desk.writer.storing)
        outage.away = False
        await until(lambda: not any(len(held.page) for held in calls))

        for held in calls:
            stored = await CallEvents(database).list_all(acme.id, held.call.call_id)
            assert [event.seq for event in stored] == [1, 2, 3]


async def test_bug_in_a_batch_costs_one_call_its_books(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch breaks, and the hands find out whose fault it was."""
    async with writing(database) as desk:
        calls = await together(desk, acme, 3)
        next_batch = Page.next_batch

        def breaks(self: Page) -> tuple[CallEvent, ...]:
            if self.call is calls[1].call:
                raise ValueError("a bug")
            return next_batch(self)

        monkeypatch.setattr(Page, "next_batch", breaks)
        with pytest.raises(ValueError, match="a bug"):
            await desk.writer.write_together(calls)
        await until(lambda: calls[1].lost and not len(calls[0].page) and not len(calls[2].page))


async def test_call_that_is_not_held_is_left_to_the_hands(database: Database, acme: Tenant) -> None:
    """Nothing is found out on the way: it stays as it is."""
    desk = Desk(database)
    held = await desk.held(acme, JOINED)
    await desk.writer.write_together([held])

    assert (len(held.page), held.fence) == (1, None)


async def test_calls_whose_turn_comes_at_once_share_a_transaction(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many want to be stored at once, each waits for few transactions, and keeps its order."""
    desk = Desk(database)
    calls = await together(desk, acme, 60)
    sizes = counted(monkeypatch)
    for held in calls:
        desk.writer.ask(held)
    running = asyncio.get_running_loop().create_task(desk.writer.run())
    await until(lambda: not any(len(held.page) or held.writing for held in calls))
    running.cancel()

    assert sizes == [25, 25, 10]
    for held in calls:
        stored = await CallEvents(database).list_all(acme.id, held.call.call_id)
        assert [event.seq for event in stored] == [1, 2]
        assert not held.due


async def test_trouble_of_one_call_spares_those_whose_turn_came_with_it(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that another node holds is taken anew, one with a bug loses its books; the others are stored."""
    desk = Desk(database)
    refused, broken, *fine = await together(desk, acme, 5)
    refused.fence = 99
    next_batch = Page.next_batch

    def breaks(self: Page) -> tuple[CallEvent, ...]:
        if self.call is broken.call:
            raise ValueError("a bug")
        return next_batch(self)

    monkeypatch.setattr(Page, "next_batch", breaks)
    for held in (refused, broken, *fine):
        desk.writer.ask(held)
    running = asyncio.get_running_loop().create_task(desk.writer.run())
    await until(lambda: broken.lost and not any(len(held.page) for held in (refused, *fine)))
    running.cancel()

    for held in (refused, *fine):
        stored = await CallEvents(database).list_all(acme.id, held.call.call_id)
        assert [event.seq for event in stored] == [1, 2]
    assert not any(held.lost for held in fine)
