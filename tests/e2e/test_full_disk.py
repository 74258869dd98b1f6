"""A disk for recordings that is full in the middle of calls: the recordings end there, the calls do not.

What was written by then is kept until there is room for it, and no longer called lost or empty.
"""

import asyncio
import os
import shutil
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.api.first_start import ALL_SCOPES, create_key
from gateway.audio import wav
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.storage.call_events import CallEvents
from gateway.storage.transcript import transcript_of
from tests.e2e.kills import Verdict, campaign, judge
from tests.e2e.office import office
from tests.tenants import NOW

CALLS = 3
SECONDS = 4.0
DISK = 96 * 1024  # half of what the calls have to say, both sides
ROOM = 1024 * 1024


@dataclass
class Evidence:
    """How the calls went.

    Attributes:
        words: final transcript entries, by call.
        without_room: what the API says of the recordings while the disk is full.
        with_room: likewise, some time after it is larger.
        played_s: how long the recordings play then.
    """

    verdict: Verdict
    reports: list[CallReport]
    words: list[int]
    without_room: list[dict[str, Any]] = field(default_factory=list)
    with_room: list[dict[str, Any]] = field(default_factory=list)
    played_s: list[float] = field(default_factory=list)


async def calls_on_a_small_disk() -> Evidence:
    """Make calls that are recorded on a disk that is too small; make it larger when they are over."""
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
        await now.settle()
        rows = await now.watching.rows()
        told = [await CallEvents(database).list_all(row["organization_id"], row["id"]) for row in rows]
        words = [len(transcript_of(events)) for events in told]
        evidence = Evidence(await judge(now, database), [call.result() for call in calls], words)
        _, key = await create_key(database, rows[0]["organization_id"], "desk", ALL_SCOPES, NOW)
        async with office(url, key) as desk:
            paths = [f"/calls/{row['id']}/recording" for row in rows]
            evidence.without_room = [await desk.ask("GET", path) for path in paths]
            await desk.ask("GET", f"{paths[0]}/stream", status=503)
            await grow(process.pid, str(small))
            evidence.with_room = [await desk.until(path, is_available) for path in paths]
            evidence.played_s = [wav.read(await desk.play(row["id"]))[0].size / 8_000 for row in rows]
        process.kill()
    return evidence


async def grow(pid: int, folder: str) -> None:
    """Make the disk larger that a process, and nobody else, sees in a folder."""
    words = ("-t", str(pid), "-m", "mount", "-o", f"remount,size={ROOM}", folder)
    assert await (await asyncio.create_subprocess_exec("nsenter", *words)).wait() == 0


def is_available(recording: dict[str, Any]) -> bool:
    """Tell whether a recording can be played."""
    return bool(recording["state"] == "available")


@pytest.mark.timeout(90)
def test_full_disk_loses_no_call() -> None:
    """Every call goes on to its end, with all its words; its recording is cut, and waits for room."""
    if not all(map(shutil.which, ("unshare", "nsenter"))) or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root, unshare and nsenter")
    found = asyncio.run(calls_on_a_small_disk())

    assert found.verdict.faults == []
    assert [report.ending for report in found.reports] == ["caller_hung_up"] * CALLS
    assert all(report.duration_s == pytest.approx(SECONDS, abs=1.0) for report in found.reports)
    assert min(found.words) > 2 * SECONDS
    assert (found.verdict.calls, found.verdict.cut) == (CALLS, 0)
    assert {told["state"] for told in found.without_room} == {"processing"}
    assert {told["truncated"] for told in found.with_room} == {"disk_full"}
    assert found.played_s == pytest.approx(
        [told["duration_ms"] / 1_000 for told in found.with_room], abs=0.01
    )
    assert min(found.played_s) > 1.0
