"""A deploy in the middle of calls: a real process, real signals, and what its callers hear of it."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from gateway.sandbox.scripted import Echo, Silent
from gateway.simulator.caller import Caller, SilentCaller, ToneCaller
from gateway.simulator.codes import NOISE
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from tests.e2e.process import GatewayProcess, outpost
from tests.e2e.running import run_all
from tests.e2e.town import heard_clip

CALLS: Final = 5
TONE_S: Final = 4.0
GRACE_S: Final = 0.5
HURRY_S: Final = 2.0


@dataclass(slots=True)
class Evidence:
    """What a signal led to.

    Attributes:
        reports: of the calls that were live.
        late: of the call that came after the grace.
        healths: status of readiness and liveness while it drains.
        exit_after_s: from the last signal to the process's end.
        reasons: why the calls ended, from the gateway's log.
    """

    reports: list[CallReport] = field(default_factory=list)
    late: CallReport | None = None
    healths: dict[str, int] = field(default_factory=dict)
    exit_status: int = -1
    exit_after_s: float = 0.0
    reasons: list[str] = field(default_factory=list)


async def drain(caller: Caller, calls: int, gateway: GatewayProcess, signals: int) -> Evidence:
    """Send signals while calls are live, look at what it does, and wait for its end."""
    evidence, now = Evidence(), asyncio.get_running_loop().time
    async with asyncio.TaskGroup() as tasks:
        live = [tasks.create_task(gateway.call(caller, CallOptions(max_seconds=15.0))) for _ in range(calls)]
        await gateway.live(calls)
        gateway.terminate()
        await gateway.logged("draining")
        if signals == 1:
            evidence.healths = {path: await gateway.status(path) for path in ("/readyz", "/healthz")}
        else:
            gateway.terminate()
        signalled_at = now()
        exit_status = tasks.create_task(gateway.exit_status())
        exit_status.add_done_callback(lambda _: setattr(evidence, "exit_after_s", now() - signalled_at))
        if signals == 1 and calls == CALLS:
            await asyncio.sleep(GRACE_S + 0.2)  # new calls are still taken until the grace is over
            evidence.late = await gateway.call(SilentCaller(1.0))
    evidence.exit_status = exit_status.result()
    evidence.reports = [call.result() for call in live]
    evidence.reasons = [line["reason"] for line in gateway.events("call_ended")]
    return evidence


async def natural() -> Evidence:
    """Terminate while five tones go through it; there is time enough for all of them."""
    settings = {"CALLS__DRAIN_GRACE_S": GRACE_S, "CALLS__DRAIN_MAX_S": 60}
    async with outpost(Echo(), settings) as gateway:
        return await drain(ToneCaller(1_004.0, TONE_S), CALLS, gateway, signals=1)


async def twice() -> Evidence:
    """Terminate twice while calls are live that would never end."""
    async with outpost(Silent(), {"CALLS__DRAIN_GRACE_S": 5, "CALLS__DRAIN_MAX_S": 60}) as gateway:
        return await drain(SilentCaller(), 2, gateway, signals=2)


async def overdue() -> Evidence:
    """Terminate while calls are live that outlast the drain's limit."""
    async with outpost(Silent(), {"CALLS__DRAIN_GRACE_S": 0, "CALLS__DRAIN_MAX_S": 1}) as gateway:
        return await drain(SilentCaller(), 2, gateway, signals=1)


SCENES: Final[dict[str, Callable[[], Coroutine[Any, Any, Evidence]]]] = {
    "natural": natural,
    "twice": twice,
    "overdue": overdue,
}


@pytest.fixture(scope="module")
def drained() -> dict[str, Evidence]:
    """Three gateways that were told to leave."""
    return run_all(SCENES)


@pytest.mark.timeout(60)
def test_live_calls_end_naturally(drained: dict[str, Evidence]) -> None:
    """After SIGTERM every tone goes on both ways to its end, until its caller hangs up."""
    reports = drained["natural"].reports

    assert len(reports) == CALLS
    assert {report.ending for report in reports} == {"caller_hung_up"}
    for report in reports:
        assert report.tone is not None
        # The last of it is on its way back then.
        assert report.tone.samples == pytest.approx(TONE_S * 8_000, abs=800)
    assert drained["natural"].reasons == ["caller_hung_up"] * CALLS


def test_draining_process_is_unready_and_alive(drained: dict[str, Evidence]) -> None:
    """Readiness turns 503 at the signal, liveness stays 200."""
    assert drained["natural"].healths == {"/readyz": 503, "/healthz": 200}


def test_new_call_is_told_to_go_elsewhere(drained: dict[str, Evidence]) -> None:
    """After the grace, the voice webhook answers TwiML that rejects the call as busy."""
    late = drained["natural"].late

    assert late is not None
    assert (late.ending, late.verbs) == ("rejected", ("Reject",))


@pytest.mark.parametrize("scene", SCENES)
def test_drained_process_exits_with_success(drained: dict[str, Evidence], scene: str) -> None:
    """However it had to leave, it was asked to, and did."""
    assert drained[scene].exit_status == 0


def test_second_signal_hurries(drained: dict[str, Evidence]) -> None:
    """Asked twice, the process is gone within two seconds, its calls ended by name."""
    assert drained["twice"].exit_after_s <= HURRY_S
    assert drained["twice"].reasons == ["shutdown", "shutdown"]


def test_call_that_outlasts_the_limit_hears_goodbye(drained: dict[str, Evidence]) -> None:
    """A call that has to end hears the goodbye whole."""
    for report in drained["overdue"].reports:
        assert heard_clip(report, "goodbye") is not None
        assert report.streams[0].tail_lost_ms == 0


@pytest.mark.parametrize("scene", ["twice", "overdue"])
def test_call_that_has_to_end_is_hung_up(drained: dict[str, Evidence], scene: str) -> None:
    """Twilio is told to hang up, and of the stream its debugger shows nothing but a close that was meant."""
    for report in drained[scene].reports:
        assert report.ending == "rest_completed"
        assert [fault for fault in report.streams[0].faults if fault.code not in NOISE] == []


def test_drain_limit_is_kept(drained: dict[str, Evidence]) -> None:
    """The limit, the goodbye, and a clean end: nothing more."""
    assert 1.0 <= drained["overdue"].exit_after_s <= 4.0
    assert drained["overdue"].reasons == ["shutdown", "shutdown"]
