"""An object store that is away while a call is recorded: nothing is lost, and it gets it all afterwards."""

import asyncio
from dataclasses import dataclass

import pytest

from gateway.simulator.report import CallReport
from gateway.simulator.simulator import GATEWAY_NUMBER
from tests.e2e import tapes
from tests.e2e.office import office
from tests.e2e.process import GatewayProcess, outpost
from tests.e2e.running import run
from tests.recording.bucket import Bucket, serving

SECONDS = 2.5
SEALED = {"RECORDINGS__URL": "s3://bucket/calls", "RECORDINGS__KEYS": "k:" + "A" * 43 + "="}
_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Evidence:
    """What came of a call whose recording had nowhere to go.

    Attributes:
        status: how the books have the call.
        waited: whether the store had nothing while it was away.
        during: the recording as it was played meanwhile.
        kept: what the store has of it in the end.
        after: the recording as it was played then.
    """

    report: CallReport
    status: str
    waited: bool
    during: bytes
    kept: bytes
    after: bytes


async def call_during_an_outage(environment: pytest.MonkeyPatch) -> Evidence:
    """Record a call with a gateway whose store is away; play it, let the store come back, play it again."""
    async with serving() as bucket:
        bucket.away = True
        for name, value in bucket.options.items():
            environment.setenv(f"AWS_{name.upper()}", value)
        async with (
            outpost(tapes.rounds(SECONDS - 1.0), SEALED) as gateway,
            office(gateway.url, await first_key(gateway)) as desk,
        ):
            await desk.hire(gateway, GATEWAY_NUMBER, record=True)
            report = await gateway.call(tapes.voice(SECONDS - 1.0))
            (call,) = (await desk.until("/calls", lambda page: page["total"] == 1))["items"]
            over = await desk.ended(call["id"])
            during, waited = await desk.play(call["id"]), not bucket.objects
            bucket.away = False
            kept = await arrived(bucket)
            after = await desk.play(call["id"])
    return Evidence(report, over["status"], waited, during, kept, after)


async def first_key(gateway: GatewayProcess) -> str:
    """Return the key that a gateway shows at its first start."""
    assert gateway.process.stdout is not None
    return (await gateway.process.stdout.readline()).decode().split()[-1]


async def arrived(bucket: Bucket) -> bytes:
    """Wait until the store has the one recording; return what it has."""
    async with asyncio.timeout(_PATIENCE_S):
        while not bucket.objects:  # noqa: ASYNC110 - a store does not tell
            await asyncio.sleep(0.02)
    (kept,) = bucket.objects.values()
    return kept


@pytest.mark.timeout(60)
def test_store_that_is_away_loses_no_call_and_no_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is as any other; its recording can be played meanwhile and afterwards, whole and the same."""
    found = run(call_during_an_outage(monkeypatch))
    heard = tapes.compared(*tapes.sides(found.during), found.report)

    assert (found.report.ending, found.status) == ("caller_hung_up", "completed")
    assert found.waited
    assert heard.said_wrong_ms == 0
    assert heard.turns[0] == heard.turns[1] > 0
    assert heard.seconds == pytest.approx(found.report.duration_s, abs=0.5)
    assert found.after == found.during
    assert len(found.kept) > len(found.after)  # sealed: the same, and a seal for each piece
    assert b"RIFF" not in found.kept
