"""Erasure on both engines: all that was said is gone, the call and its times are not."""

from datetime import timedelta

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.api_keys import AccessTokens
from gateway.storage.call_events import CallEvents
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.erasure import erase_call
from gateway.storage.outbox import Outbox
from gateway.storage.reports import Recordings, Reports
from gateway.storage.rows import AccessToken, Recording
from tests.tenants import HUNG_UP, NOW, Tenant, after, said

CANARY = "my card is canary"


async def everything(database: Database) -> str:
    """Return all that the calls' tables hold."""
    async with database.reading() as connection:
        return " ".join(
            [
                str((await connection.execute(sa.select(table))).all())
                for table in schema.metadata.sorted_tables
                if table.name not in {"tasks", "organizations", "agents"}
            ]
        )


async def test_nothing_said_is_left(acme: Tenant) -> None:
    """Transcript, report, recording row, numbers and webhook bodies are gone; id, times and ending stay."""
    task, call = await acme.executed(webhook_url="https://example.com/hook")
    await CallEvents(acme.database).append([said(call.id, 1, 0, "caller", CANARY)])
    await Calls(acme.database).note_sid(call.id, "CAcanary")
    await Calls(acme.database).end(call.id, HUNG_UP, after(60))
    await Reports(acme.database).store(acme.id, call.id, after(61), report={"summary": CANARY})
    recording = Recording(
        call_id=call.id,
        organization_id=acme.id,
        state="finished",
        location="canary.wav",
        size_bytes=1,
        duration_ms=1,
        truncated=None,
        created_at=NOW,
        finished_at=NOW,
        expires_at=None,
    )
    await Recordings(acme.database).begin(recording)
    token = AccessToken(
        organization_id=acme.id, call_id=call.id, purpose="live", api_key_id=None, expires_at=after(900)
    )
    await AccessTokens(acme.database).add(token, "hash", NOW)
    before = await everything(acme.database)
    tombstone = await erase_call(acme.database, acme.id, call.id, after(70))
    left = await everything(acme.database)

    assert "canary" in before
    assert task.to_number in before
    assert "canary" not in left
    assert task.to_number not in left
    assert tombstone is not None
    assert (tombstone.id, tombstone.created_at, tombstone.ended_at) == (call.id, NOW, after(60))
    assert (tombstone.erased_at, tombstone.result) == (after(70), "completed")
    [told] = (await Outbox(acme.database).list_page(acme.id, 10, 0)).items
    assert told.body["data"] == {}
    assert told.state == "pending"
    assert await AccessTokens(acme.database).find("hash", "live", call.id, NOW) is None


async def test_erasing_again_keeps_the_first_time(acme: Tenant) -> None:
    """It can be asked for twice."""
    call = await acme.finished()
    await erase_call(acme.database, acme.id, call.id, after(70))
    again = await erase_call(acme.database, acme.id, call.id, after(70) + timedelta(days=1))

    assert again is not None
    assert again.erased_at == after(70)


async def test_live_and_foreign_calls_are_not_erased(acme: Tenant, rival: Tenant) -> None:
    """A call must be over, and one's own."""
    live, done = await acme.talk(), await acme.finished()

    assert await erase_call(acme.database, acme.id, live.id, NOW) is None
    assert await erase_call(acme.database, rival.id, done.id, NOW) is None
    assert await CallEvents(acme.database).last_seq(done.id) == 2
    assert not await Reports(acme.database).store(rival.id, done.id, NOW, report={})
