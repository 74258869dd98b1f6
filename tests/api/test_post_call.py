"""The agent platform's record of a call: asked for until it is there, then merged into the report."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from gateway.api.post_call import PostCall, VatelRecords, record_of
from gateway.cluster.inprocess import LocalLeases
from gateway.cluster.interface import Lease
from gateway.errors import ClusterError, VatelApiError
from gateway.storage.calls import Calls
from gateway.storage.reports import Reports
from gateway.storage.rows import Call, StoredReport
from gateway.vatel import models
from gateway.vatel.rest import VatelClient
from tests.tenants import HUNG_UP, NOW, Tenant, after

RECORD = {"summary": "A room was booked.", "extracted_data": {"nights": 2}, "transcript": []}


class Platform:
    """An agent platform that has records, or not yet. Lives as long as a test."""

    def __init__(self, *answers: Mapping[str, Any] | VatelApiError | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def fetch(self, call: Call) -> Mapping[str, Any] | None:
        """Return the next answer; the last one again and again."""
        self.asked.append(call.id)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, VatelApiError):
            raise answer
        return answer


class Clock:
    """The wall clock, turned by hand."""

    def __init__(self) -> None:
        self.now = after(60)

    def __call__(self) -> datetime:
        return self.now


async def over(tenant: Tenant, session_id: str = "session") -> Call:
    """Return a call that has reached the platform and is over."""
    call = await tenant.talk()
    await Calls(tenant.database).note_agent(call.id, session_id, NOW)
    ended = await Calls(tenant.database).end(call.id, HUNG_UP, after(60))
    assert ended is not None
    return ended


async def stored(acme: Tenant, call: Call) -> StoredReport | None:
    """Return what is kept of a call."""
    found = await Reports(acme.database).find_with_call(acme.id, call.id)
    assert found is not None
    return found[1]


async def test_record_is_merged_into_the_report(acme: Tenant) -> None:
    """What the platform knows stands in the report, and the record itself is kept."""
    call, platform = await over(acme), Platform(RECORD)
    post_call = PostCall(acme.database, platform.fetch, LocalLeases("n"), Clock())
    fetched = await post_call.sweep()
    kept = await stored(acme, call)

    assert fetched == 1
    assert kept is not None
    assert kept.platform == RECORD
    assert kept.report is not None
    assert kept.report["summary"] == "A room was booked."
    assert kept.report["extracted_data"] == {"nights": 2}
    assert kept.report["outcome"] == "completed"
    assert await post_call.sweep() == 0
    assert platform.asked == [call.id]


async def test_record_that_is_not_there_yet_is_asked_for_with_back_off(acme: Tenant) -> None:
    """Nothing yet, a failure, nothing again, then the record: each wait is longer than the one before."""
    call, clock = await over(acme), Clock()
    failure = VatelApiError("no", reason="unavailable", status=503)
    platform = Platform(None, failure, None, RECORD)
    post_call = PostCall(acme.database, platform.fetch, LocalLeases("n"), clock)
    asked_at, start = [], clock.now
    for _ in range(40):
        before = len(platform.asked)
        await post_call.sweep()
        if len(platform.asked) > before:
            asked_at.append((clock.now - start).total_seconds())
        clock.now += timedelta(seconds=0.5)

    assert asked_at == [0.0, 1.0, 3.0, 7.0]
    assert await stored(acme, call) is not None


async def test_record_that_never_comes_is_given_up(acme: Tenant) -> None:
    """After an hour nobody asks any more, and nothing of it is remembered."""
    await over(acme)
    clock, platform = Clock(), Platform(None)
    post_call = PostCall(acme.database, platform.fetch, LocalLeases("n"), clock)
    for _ in range(400):
        await post_call.sweep()
        clock.now += timedelta(seconds=20)

    assert 10 < len(platform.asked) < 30
    assert post_call._tries == {}


async def test_many_records_are_asked_for_a_few_at_a_time(acme: Tenant) -> None:
    """A crowd of calls that end together does not become a crowd of requests."""
    for number in range(20):
        await over(acme, f"session {number}")
    platform = Platform(RECORD)
    post_call = PostCall(acme.database, platform.fetch, LocalLeases("n"), Clock())

    assert [await post_call.sweep() for _ in range(4)] == [8, 8, 4, 0]
    assert len(set(platform.asked)) == 20


async def test_of_two_nodes_one_asks(acme: Tenant) -> None:
    """Who does not hold the lease does not ask."""
    await over(acme)
    leases = LocalLeases("n")
    held = await leases.acquire("post-call")
    platform = Platform(RECORD)
    working = asyncio.get_running_loop().create_task(
        PostCall(acme.database, platform.fetch, leases, Clock()).run(0.005)
    )
    await asyncio.sleep(0.05)
    asked_meanwhile = list(platform.asked)
    assert isinstance(held, Lease)
    await leases.release(held)
    async with asyncio.timeout(5):
        while not platform.asked:  # noqa: ASYNC110 - until it has been asked
            await asyncio.sleep(0.005)
    working.cancel()
    await asyncio.wait({working})

    assert asked_meanwhile == []
    assert len(platform.asked) == 1


async def test_cluster_that_is_away_is_waited_for(acme: Tenant) -> None:
    """A server that does not answer is told in the log, and tried again."""

    class Away(LocalLeases):
        async def acquire(self, name: str, *, ttl_s: float = 1.0) -> Lease | None:
            raise ClusterError("away", reason="unavailable")

    post_call = PostCall(acme.database, Platform(RECORD).fetch, Away("n"), Clock())
    with structlog.testing.capture_logs() as logs:
        working = asyncio.get_running_loop().create_task(post_call.run(0.001))
        async with asyncio.timeout(5):
            while len(logs) < 2:  # noqa: ASYNC110 - until it has tried twice
                await asyncio.sleep(0.001)
        working.cancel()
        await asyncio.wait({working})

    assert {(entry["event"], entry["reason"]) for entry in logs} == {("post_call_waits", "unavailable")}


def test_record_of_a_call() -> None:
    """Summary, extracted variables by name, tags, cost, and what was said by either side."""
    found = models.Call(
        id="c",
        status="ended",
        summary="Booked.",
        cost=0.25,
        tags=("vip",),
        duration_seconds=12.5,
        termination_reason="user_hangup",
        extracted_variables=(
            models.ContextVariable(name="nights", value=2),
            models.ContextVariable(name="beds", type="extracted", value=1),
            models.ContextVariable(name="name", type="input", value="given"),
            models.ContextVariable(name="today", type="system", value="known"),
            models.ContextVariable(value="nameless"),
        ),
        transcript=models.Transcript(
            entries=(
                models.TranscriptEntry(role="assistant", message="Hello."),
                models.TranscriptEntry(role="user", message="A room."),
                models.TranscriptEntry(role="", type="interruption"),
                models.TranscriptEntry(role="agent", message=""),
            )
        ),
    )

    assert record_of(found) == {
        "summary": "Booked.",
        "extracted_data": {"nights": 2, "beds": 1},
        "tags": ["vip"],
        "cost": 0.25,
        "duration_s": 12.5,
        "termination_reason": "user_hangup",
        "transcript": [{"role": "agent", "text": "Hello."}, {"role": "caller", "text": "A room."}],
    }


class Calls404:
    """Vatel's calls, as one test wants them."""

    def __init__(self, answer: models.Call | VatelApiError) -> None:
        self.answer = answer

    async def get(self, call_id: str) -> models.Call:
        """Return the call, or fail."""
        if isinstance(self.answer, VatelApiError):
            raise self.answer
        return self.answer


class Vatel(VatelClient):
    """A client whose calls are given."""

    def __init__(self, answer: models.Call | VatelApiError) -> None:
        self.calls = Calls404(answer)  # type: ignore[assignment]  # its one method is asked for


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        (models.Call(status="ended"), True),
        (models.Call(status="failed"), True),
        (models.Call(ended_at="2026-11-26T12:00:00Z"), True),
        (models.Call(status="in_progress"), False),
        (models.Call(), False),
        (VatelApiError("no", reason="not_found", status=404), False),
        (VatelApiError("no", reason="bad_id"), False),
    ],
)
async def test_record_counts_once_the_call_has_ended_there(
    acme: Tenant, answer: models.Call | VatelApiError, there: bool
) -> None:
    """A call that goes on there, or is not known there (yet), has no record."""
    record = await VatelRecords(Vatel(answer)).fetch(await over(acme))

    assert (record is not None) is there


async def test_other_failures_of_the_platform_are_told(acme: Tenant) -> None:
    """What is no answer at all is no empty record."""
    vatel = VatelRecords(Vatel(VatelApiError("no", reason="unauthorized", status=401)))

    with pytest.raises(VatelApiError, match="no"):
        await vatel.fetch(await over(acme))
    assert await vatel.fetch(await acme.talk()) is None
