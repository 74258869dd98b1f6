"""Learning by which SID Twilio knows a call that we placed."""

import pytest

from gateway.dialling.outcomes import STOPPED
from gateway.dialling.sids import CallSids
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from tests.dialling.exchange import call_sid, exchange
from tests.tenants import NOW, Tenant, an_id


async def test_first_telling_is_remembered(database: Database, acme: Tenant) -> None:
    """Later ones of the same SID return the call; another SID's do not."""
    sids = CallSids(database, None)
    _, call = await acme.executed()

    learned = [await sids.learn(call.id, call_sid()) for _ in range(2)]

    assert [one and one.call_sid for one in learned] == [call_sid()] * 2
    assert await sids.learn(call.id, call_sid(2)) is None


async def test_call_that_is_none_of_ours(database: Database, acme: Tenant) -> None:
    """An unknown id, and a call that rang here, are not for Twilio to name."""
    sids = CallSids(database, None)
    inbound = await acme.ring()

    assert await sids.learn(an_id(), call_sid()) is None
    assert await sids.learn(inbound.id, call_sid()) is None


async def test_taken_sid_is_no_second_calls(database: Database, acme: Tenant) -> None:
    """The call that has it keeps it."""
    sids = CallSids(database, None)
    _, first = await acme.executed()
    _, second = await acme.executed()
    await sids.learn(first.id, call_sid())

    assert await sids.learn(second.id, call_sid()) is None


@pytest.mark.parametrize("how", ["stopped", "over"])
async def test_call_that_is_to_be_no_more_is_hung_up(database: Database, acme: Tenant, how: str) -> None:
    """Somebody ended it while Twilio was being asked: it is hung up as soon as it can be named, once."""
    calls = Calls(database)
    _, call = await acme.executed()
    if how == "stopped":
        await calls.note_step(call.id, "stop_asked_at", NOW)
    else:
        await calls.end(call.id, STOPPED, NOW)

    async with exchange() as twilio:
        sids = CallSids(database, twilio.client)
        await sids.learn(call.id, call_sid())
        await sids.learn(call.id, call_sid())

    assert twilio.hung_up == [call_sid()]


async def test_hang_up_that_fails_is_no_error(database: Database) -> None:
    """Twilio away, or no account to ask with: whoever asked goes on."""
    async with exchange() as twilio:
        twilio.refuse_all = 500
        assert not await CallSids(database, twilio.client).hang_up(call_sid())
        twilio.refuse_all = 0
        assert await CallSids(database, twilio.client).hang_up(call_sid())

    assert not await CallSids(database, None).hang_up(call_sid())


async def test_conflict_alone_is_forgiven(database: Database, acme: Tenant) -> None:
    """A database that is away is told to who asked."""
    sids = CallSids(database, None)
    _, call = await acme.executed()
    async with database.writing() as connection:
        await connection.exec_driver_sql("ALTER TABLE calls RENAME TO elsewhere")

    with pytest.raises(Exception, match="the database refused"):
        await sids.learn(call.id, call_sid())
