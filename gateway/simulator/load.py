"""Many calls at once: a ramp of calls a second, and what became of them all."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gateway.simulator.caller import Caller
from gateway.simulator.options import CallOptions
from gateway.simulator.promises import TRUSTED_LATE_MS, Limits
from gateway.simulator.report import CallReport
from gateway.simulator.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Spread:
    """How a figure is distributed over the calls that have it."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of a load.

    Attributes:
        kept: calls that kept every promise.
        broken: how many calls broke each promise.
        endings: how many calls ended how.
        call_seconds: seconds of media, all calls together.
        cpu_us_per_call_s: this process's CPU per call-second; it holds whatever else ran in the process.
        proved: calls that broke a promise which our own lateness does not explain.
        faults: how often each of Twilio's codes came, with what it was about.
        worst_late_ms: how late our own clock ran at worst: over a few ms the figures say little.
    """

    calls: int
    kept: int
    proved: int
    broken: Mapping[str, int]
    faults: Mapping[str, int]
    endings: Mapping[str, int]
    setup_ms: Spread | None
    first_audio_ms: Spread | None
    barge_in_ms: Spread | None
    gaps: int
    frames_sent: int
    frames_dropped: int
    call_seconds: float
    cpu_us_per_call_s: float
    worst_late_ms: float

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self) | {"untrusted": self.untrusted}

    @property
    def untrusted(self) -> bool:
        """Whether our own clock was too late for the figures to be a measure of the gateway."""
        return self.worst_late_ms > TRUSTED_LATE_MS


async def run(
    simulator: Simulator,
    voice_url: str,
    caller: Caller,
    *,
    calls: int,
    calls_per_s: float,
    options: CallOptions | None = None,
    limits: Limits | None = None,
    on_report: Callable[[int, CallReport], Awaitable[None]] | None = None,
    stopped: asyncio.Event | None = None,
) -> LoadReport:
    """Start ``calls`` calls, ``calls_per_s`` a second, and wait for the last to end.

    Args:
        caller: makes every call; one object serves all.
        options: by default without audio kept, which is what load needs.
        on_report: told each call's number, from 0, and report.
        stopped: once it is set no more calls are made.
    """
    reports: list[CallReport] = []
    used_s = time.process_time()

    async def one(number: int) -> None:
        report = await simulator.call(
            voice_url, caller, options=options or CallOptions(keep_audio=False), limits=limits
        )
        reports.append(report)
        if on_report is not None:
            await on_report(number, report)

    loop = asyncio.get_running_loop()
    start_s = loop.time()
    async with asyncio.TaskGroup() as tasks:
        for number in range(calls):
            if await _set_within(stopped, start_s + number / calls_per_s - loop.time()):
                break
            tasks.create_task(one(number))
    return summarise(reports, time.process_time() - used_s, simulator.pacer.counters.worst_late_ms)


async def _set_within(stopped: asyncio.Event | None, seconds: float) -> bool:
    stopped = stopped or asyncio.Event()
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await stopped.wait()
    except TimeoutError:
        pass
    return stopped.is_set()


def summarise(reports: list[CallReport], cpu_s: float, worst_late_ms: float) -> LoadReport:
    """Put the reports of many calls into one."""
    streams = [stream for report in reports for stream in report.streams]
    call_seconds = sum(stream.length_ms for stream in streams) / 1_000
    broken = Counter(promise.name for report in reports for promise in report.promises if not promise.held)
    return LoadReport(
        calls=len(reports),
        kept=sum(report.kept for report in reports),
        proved=sum(not report.kept and not report.untrusted for report in reports),
        broken=dict(broken),
        faults=_faults(reports),
        endings=dict(Counter(report.ending for report in reports)),
        setup_ms=_spread([report.setup_ms for report in reports]),
        first_audio_ms=_spread([stream.first_audio_ms for stream in streams]),
        barge_in_ms=_spread([value for stream in streams for value in stream.barge_in_ms]),
        gaps=sum(len(stream.gaps_ms) for stream in streams),
        frames_sent=sum(stream.frames_sent for stream in streams),
        frames_dropped=sum(stream.frames_dropped for stream in streams),
        call_seconds=call_seconds,
        cpu_us_per_call_s=cpu_s * 1e6 / call_seconds if call_seconds else 0.0,
        worst_late_ms=worst_late_ms,
    )


def _faults(reports: list[CallReport]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for report in reports:
        for fault in report.faults:
            found[str(replace(fault, count=1))] += fault.count
    return dict(found)


def _spread(values: list[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    p50, p95, p99 = np.percentile(known, [50, 95, 99]).tolist()
    return Spread(len(known), p50, p95, p99, float(max(known)))


def human(report: LoadReport) -> str:
    """Write the report for people: one thing a line."""
    lines = [
        f"calls     {report.calls}, {report.kept} kept every promise",
        f"endings   {', '.join(f'{count} {name}' for name, count in report.endings.items())}",
        *(f"BROKEN    {name}: {count} calls" for name, count in report.broken.items()),
        *(f"twilio    {fault} ({count} times)" for fault, count in report.faults.items()),
        _line("set-up", report.setup_ms),
        _line("audio", report.first_audio_ms),
        _line("barge-in", report.barge_in_ms),
        f"media     {report.call_seconds:.0f} call-seconds, {report.frames_sent} frames sent, "
        f"{report.frames_dropped} dropped, {report.gaps} gaps heard",
        f"ourselves {report.cpu_us_per_call_s:.0f} µs CPU per call-second, "
        f"clock at worst {report.worst_late_ms:.1f} ms late",
        "ourselves WE were late: too little CPU here, so the figures above are no measure of the gateway"
        if report.untrusted
        else "",
    ]
    return "\n".join(line for line in lines if line)


def _line(name: str, spread: Spread | None) -> str:
    if spread is None:
        return ""
    return (
        f"{name:9} p50 {spread.p50:.0f} ms, p95 {spread.p95:.0f}, p99 {spread.p99:.0f}, "
        f"worst {spread.worst:.0f} ({spread.count} calls)"
    )
