"""A disk for recordings that is full in the middle of calls: the recordings end there, the calls do not."""

import asyncio
import os
import shutil

import pytest

from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.storage.call_events import CallEvents
from gateway.storage.transcript import transcript_of
from tests.e2e.kills import Verdict, campaign, judge

CALLS = 3
SECONDS = 4.0
DISK = 96 * 1024  # half of what the calls have to say, both sides


async def calls_on_a_small_disk() -> tuple[Verdict, list[CallReport], list[str | None], list[int]]:
    """Make calls that are recorded on a disk that is too small; return how they went."""
    async with campaign(1) as (now, database):
        small = now.folder / "small"
        small.mkdir()
        now.settings |= {"RECORDINGS__FOLDER": small}
        mounted = f'mount -t tmpfs -o size={DISK} none "$0" && exec "$@"'
        process, url = await now.node("unshare", "-m", "sh", "-c", mounted, str(small))
        caller, options = SilentCaller(seconds=SECONDS), CallOptions(max_seconds=20.0)
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(now.simulator.call(f"{url}/twilio/voice", caller, options=options))
                for _ in range(CALLS)
            ]
        reports = [call.result() for call in calls]
        await now.settle()
        verdict = await judge(now, database)
        rows = await now.watching.rows()
        told = [await CallEvents(database).list_all(row["organization_id"], row["id"]) for row in rows]
        cut = [row["truncated"] for row in await now.recordings()]
        process.kill()
    return verdict, reports, cut, [len(transcript_of(events)) for events in told]


@pytest.mark.timeout(90)
def test_full_disk_loses_no_call() -> None:
    """Every call goes on to the caller's end, with all of its words; its recording says why it is cut."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root and unshare")
    verdict, reports, cut, words = asyncio.run(calls_on_a_small_disk())

    assert verdict.faults == []
    assert [report.ending for report in reports] == ["caller_hung_up"] * CALLS
    assert all(report.duration_s == pytest.approx(SECONDS, abs=1.0) for report in reports)
    assert "disk_full" in cut
    assert min(words) > 2 * SECONDS
    assert verdict.calls == CALLS
    assert verdict.cut == 0
