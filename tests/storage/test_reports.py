"""Stored reports and recording rows on both engines."""

from datetime import datetime

from gateway.storage.erasure import erase_call
from gateway.storage.reports import Recordings, Reports
from gateway.storage.rows import Recording
from tests.tenants import NOW, Tenant, after


def recording(tenant: Tenant, call_id: str, expires_at: datetime | None = None) -> Recording:
    """Return a recording that has begun."""
    return Recording(
        call_id=call_id,
        organization_id=tenant.id,
        state="recording",
        location=None,
        size_bytes=0,
        duration_ms=0,
        truncated=None,
        created_at=NOW,
        finished_at=None,
        expires_at=expires_at,
    )


async def test_report_is_replaced_and_the_platforms_record_kept(acme: Tenant, rival: Tenant) -> None:
    """A new report takes the old one's place; what was fetched stays until it is fetched again."""
    reports, call = Reports(acme.database), await acme.finished()
    await reports.store(acme.id, call.id, after(1), report={"n": 1}, platform={"summary": "ok"})
    assert await reports.store(acme.id, call.id, after(2), report={"n": 2})
    found = await reports.find_with_call(acme.id, call.id)

    assert found is not None
    assert found[0].id == call.id
    stored = found[1]
    assert stored is not None
    assert (stored.report, stored.platform) == ({"n": 2}, {"summary": "ok"})
    assert (stored.fetched_at, stored.updated_at) == (after(1), after(2))
    assert await reports.find_with_call(rival.id, call.id) is None


async def test_no_report_for_what_is_not_there(acme: Tenant) -> None:
    """Unknown and erased calls get none, however late a poller comes."""
    reports, call = Reports(acme.database), await acme.finished()
    await erase_call(acme.database, acme.id, call.id, NOW)

    assert not await reports.store(acme.id, call.id, NOW, report={})
    assert not await reports.store(acme.id, "absent", NOW, report={})
    found = await reports.find_with_call(acme.id, call.id)
    assert found is not None
    assert (found[0].erased_at, found[1]) == (NOW, None)


async def test_call_has_one_recording(acme: Tenant, rival: Tenant) -> None:
    """A second stream of a call finds the first's row; changes are seen; a rival sees none."""
    recordings, call = Recordings(acme.database), await acme.talk()
    first = recording(acme, call.id)
    await recordings.begin(first)
    await recordings.begin(recording(acme, call.id, after(5)))
    found = await recordings.find(acme.id, call.id)
    done = await recordings.update(call.id, state="finished", size_bytes=44, finished_at=after(60))

    assert found == first
    assert done is not None
    assert (done.state, done.size_bytes, done.finished_at) == ("finished", 44, after(60))
    assert await recordings.update("absent", state="finished") is None
    assert await recordings.find(rival.id, call.id) is None


async def test_recordings_expire(acme: Tenant) -> None:
    """Those whose time is over are listed, the oldest first, until they are forgotten."""
    recordings = Recordings(acme.database)
    ids = []
    for expires_at in (after(20), after(10), after(99), None):
        call = await acme.talk()
        ids.append(call.id)
        await recordings.begin(recording(acme, call.id, expires_at))

    assert [one.call_id for one in await recordings.list_expired(after(20))] == [ids[1], ids[0]]
    assert await recordings.forget(ids[1])
    assert not await recordings.forget(ids[1])
    assert [one.call_id for one in await recordings.list_expired(after(20))] == [ids[0]]
