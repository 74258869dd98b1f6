"""Questions about the calls of all organizations together."""

import pytest

from gateway.errors import StorageError
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.erasure import erase_call
from gateway.storage.overview import Overview
from gateway.storage.reports import Reports
from tests.tenants import HUNG_UP, NOW, Tenant, after


async def test_live_calls_are_counted_over_all_organizations(acme: Tenant, rival: Tenant) -> None:
    """Ringing and talking calls count, whoever's they are; those that are over do not."""
    overview = Overview(acme.database)
    before = await overview.count_live()
    await acme.ring()
    await rival.talk()
    await acme.finished()

    assert (before, await overview.count_live()) == (0, 2)


async def test_database_that_answers(database: Database) -> None:
    """A database that can be read says so."""
    assert await Overview(database).answers()


async def test_database_that_does_not_answer() -> None:
    """One that cannot be read is told as a fault of the storage."""
    with pytest.raises(StorageError):
        await Overview(Database.open("sqlite:////nowhere/at/all.db")).answers()


async def test_unfetched_records(acme: Tenant, rival: Tenant) -> None:
    """Calls that ended lately, reached the platform, and whose record is not here: nobody else's matter."""
    calls, reports = Calls(acme.database), Reports(acme.database)
    wanted = [await acme.talk(), await rival.talk(), await acme.talk()]
    fetched, erased, unheard, live = [await acme.talk() for _ in range(4)]
    for number, call in enumerate([*wanted, fetched, erased, live]):
        await calls.note_agent(call.id, f"session {number}", NOW)
    for second, call in enumerate([*wanted, fetched, erased, unheard]):
        await calls.end(call.id, HUNG_UP, after(second))
    await reports.store(acme.id, wanted[2].id, NOW, report={})
    await reports.store(acme.id, fetched.id, NOW, report={}, platform={"summary": None})
    await erase_call(acme.database, acme.id, erased.id, NOW)
    overview = Overview(acme.database)

    assert [call.id for call in await overview.list_unfetched(NOW)] == [call.id for call in wanted]
    assert [call.id for call in await overview.list_unfetched(after(1))] == [call.id for call in wanted[1:]]
    assert len(await overview.list_unfetched(NOW, limit=2)) == 2
    assert await overview.list_unfetched(after(60)) == []
