"""Many calls, one report."""

import asyncio
import json

import pytest

from gateway.simulator import load
from gateway.simulator.caller import SilentCaller
from gateway.simulator.codes import Fault
from gateway.simulator.load import human, summarise
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.simulator.simulator import Simulator
from tests.simulator.answering import ACCOUNT_SID, AUTH_TOKEN, answering, listen
from tests.simulator.stories import report_of


class TestRun:
    """Real calls."""

    async def test_every_call_is_made_and_reported(self) -> None:
        """Ten, a hundred a second, none with audio kept."""
        numbers: list[int] = []

        async def note(number: int, report: CallReport) -> None:
            assert report.record.streams[0].heard == b""
            numbers.append(number)

        async with answering(listen) as gateway, Simulator(ACCOUNT_SID, AUTH_TOKEN) as twilio:
            report = await load.run(
                twilio,
                gateway.url + "/twilio/voice",
                SilentCaller(0.1),
                calls=10,
                calls_per_s=100,
                on_report=note,
            )

        assert (report.calls, report.kept, report.endings) == (10, 10, {"caller_hung_up": 10})
        assert sorted(numbers) == list(range(10))
        assert report.frames_sent == 60
        late_s = report.worst_late_ms / 1000  # a call that begins late ends in time
        assert report.call_seconds >= 10 * (0.1 - late_s)
        assert report.call_seconds > 0
        assert report.cpu_us_per_call_s > 0

    async def test_the_ramp_spreads_the_starts(self) -> None:
        """Five calls at fifty a second take at least 80 ms to start."""
        async with answering(listen) as gateway, Simulator(ACCOUNT_SID, AUTH_TOKEN) as twilio:
            reports: list[CallReport] = []

            async def note(_: int, report: CallReport) -> None:
                reports.append(report)

            await load.run(
                twilio,
                gateway.url + "/twilio/voice",
                SilentCaller(0.1),
                calls=5,
                calls_per_s=50,
                options=CallOptions(keep_audio=False),
                on_report=note,
            )
        starts = sorted(report.streams[0].origin_s for report in reports)

        assert starts[-1] - starts[0] > 0.06

    async def test_a_stopped_load_begins_no_more_calls(self) -> None:
        """The report tells of those that were made."""
        stopped = asyncio.Event()

        async def stop(_number: int, _report: CallReport) -> None:
            stopped.set()

        async with answering(listen) as gateway, Simulator(ACCOUNT_SID, AUTH_TOKEN) as twilio:
            report = await load.run(
                twilio,
                gateway.url + "/twilio/voice",
                SilentCaller(0.02),
                calls=1_000,
                calls_per_s=0.1,
                on_report=stop,
                stopped=stopped,
            )

        assert report.calls == 1


class TestSummary:
    """Reports put together."""

    def test_broken_promises_are_counted_by_name(self) -> None:
        """A call may break more than one."""
        reports = [report_of(), report_of(setup_ms=9e9), report_of(setup_ms=9e9, missed=("step 1: say",))]
        report = summarise(reports, cpu_s=0.009, worst_late_ms=1.5)

        assert (report.calls, report.kept) == (3, 1)
        assert report.broken == {"set-up": 2, "script kept": 1}
        assert report.call_seconds == 9
        assert report.cpu_us_per_call_s == 1_000

    def test_figures_are_spread_over_the_calls_that_have_them(self) -> None:
        """A call without a stream has no set-up time."""
        reports = [report_of(setup_ms=float(ms)) for ms in range(1, 101)]
        reports.append(report_of(streams=(), setup_ms=None))
        report = summarise(reports, 0.0, 0.0)

        assert report.setup_ms is not None
        assert (report.setup_ms.count, report.setup_ms.p50, report.setup_ms.worst) == (100, 50.5, 100.0)
        assert report.setup_ms.p95 == pytest.approx(95.05)
        assert report.setup_ms.p99 == pytest.approx(99.01)
        assert report.barge_in_ms is None

    def test_no_calls_make_an_empty_report(self) -> None:
        """And no division by zero."""
        report = summarise([], 0.0, 0.0)

        assert (report.calls, report.cpu_us_per_call_s, report.setup_ms) == (0, 0.0, None)

    def test_it_survives_json(self) -> None:
        """Spreads are objects, and doubt is told."""
        plain = json.loads(json.dumps(summarise([report_of()], 0.0, 61.0).as_dict()))

        assert plain["setup_ms"]["p50"] == 8.0
        assert plain["untrusted"] is True

    def test_what_is_proved_is_told_from_what_is_doubted(self) -> None:
        """A late machine explains times, not bad messages."""
        late = report_of(setup_ms=9e9, stream={"late_ms": 80.0})
        bad = report_of(stream={"late_ms": 80.0, "faults": (Fault(31951),)})
        report = summarise([late, bad, report_of()], 0.0, 80.0)

        assert (report.kept, report.proved, report.untrusted) == (1, 1, True)

    def test_faults_are_counted_over_all_calls(self) -> None:
        """Each with its words."""
        faults = (Fault(11200, "HTTP 403"),)
        report = summarise([report_of(faults=faults), report_of(faults=faults)], 0.0, 0.0)

        assert report.faults == {str(faults[0]): 2}
        assert "HTTP 403 (2 times)" in human(report)

    def test_people_read_one_thing_a_line(self) -> None:
        """What broke stands out."""
        text = human(summarise([report_of(), report_of(setup_ms=9e9)], 0.006, 0.5))

        assert "calls     2, 1 kept every promise" in text
        assert "endings   2 caller_hung_up" in text
        assert "BROKEN    set-up: 1 calls" in text
        assert "audio     p50 1000 ms, p95 1000, p99 1000, worst 1000 (2 calls)" in text
        assert "barge-in" not in text
        assert "ourselves 1000 µs CPU per call-second, clock at worst 0.5 ms late" in text

    def test_a_late_clock_of_our_own_is_confessed(self) -> None:
        """What was measured then is no measure of the gateway."""
        assert "WE were late" in human(summarise([report_of()], 0.0, 61.0))
        assert "WE were late" not in human(summarise([report_of()], 0.0, 59.0))
