"""The acceptance runs that are too long for the suite, as commands that print their figures.

python -m tests.e2e.acceptance --tone 60          a tone through each resampler
python -m tests.e2e.acceptance --barge-in         interruption to silence, at every burst size
python -m tests.e2e.acceptance --calls 50         so many demo calls at once, one gateway process
python -m tests.e2e.acceptance --sequential 1000  one short call after the other, memory and sockets
python -m tests.e2e.acceptance --drain            SIGTERM in the middle of calls
python -m tests.e2e.acceptance --tools 200        so many calls, each with four tools at once
"""

import argparse
import asyncio
import statistics
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from aiohttp import web

from gateway.demo import script as demo
from gateway.demo.desk import ReservationDesk
from gateway.sandbox.scripted import Echo, Silent
from gateway.sandbox.server import Sandbox
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.telemetry import log
from tests.e2e.asking import Asking
from tests.e2e.process import GatewayProcess, child, outpost, sandbox_listens, tools_file
from tests.e2e.running import felt, run, run_all
from tests.e2e.test_barge_in import BURSTS, listen
from tests.e2e.test_drain import SCENES as DRAINS
from tests.e2e.test_tone import send_tones
from tests.tools.workshop import says, serving

RAMP_S: Final = 0.4  # between two calls of a crowd
TOOLS_RAMP_S: Final = 0.15  # between two calls that ask for tools
TOOLS_ROUNDS: Final = 8
TOOLS_FILLING: Final = 5  # rounds until all is full that keeps something of calls that are over
BEAT: Final = 100  # calls between two looks at memory
SETTLE_S: Final = 2.0  # a connection's last timer runs for a second after its call
IDLE_S: Final = 16.0  # connections to tools are kept for fifteen seconds
FLAT_KB: Final = 1_024  # growth of memory that is none
API_KEY: Final = "acceptance"


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tone(seconds: float) -> bool:
    """Send tones through both resamplers; print what came back."""
    kept = True
    for (resampler, hz), report in send_tones(seconds).items():
        found = report.tone
        assert found is not None, "no tone came back"
        kept &= report.kept
        say(
            f"{resampler:9} {hz:4.0f} Hz, {seconds:.0f} s: SINAD {found.sinad_db:.1f} dB, "
            f"{found.dbfs:.2f} dBFS, {found.samples - round(seconds * 8_000):+d} samples, "
            f"{len(report.streams[0].gaps_ms)} gaps, {found.holes} holes, {found.clicks} clicks, "
            f"{found.phase_jumps} jumps"
        )
    return kept


def barge_in() -> bool:
    """Interrupt agents at every burst size; print how soon each was silent."""
    worst_s = 0.0
    for name, evidence in run_all(
        {name: partial(listen, plan, 4.5) for name, plan in BURSTS.items()}
    ).items():
        worst_s = max(worst_s, evidence.silent_after_s)
        dropped = evidence.ended.counters["cleared_ms"]
        say(f"{name:32} silent after {evidence.silent_after_s * 1_000:5.1f} ms, {dropped} ms dropped unheard")
    return worst_s <= 0.060


def drain() -> bool:
    """Terminate gateways in the middle of calls; print what their callers heard."""
    kept = True
    for name, evidence in run_all(DRAINS).items():
        kept &= evidence.exit_status == 0
        heard = [report.tone.samples for report in evidence.reports if report.tone is not None]
        say(
            f"{name:8} {len(evidence.reports)} calls, reasons {dict(Counter(evidence.reasons))}, exit status "
            f"{evidence.exit_status} {evidence.exit_after_s:.2f} s after the signal, {evidence.healths}"
            + (f", tones of {heard} samples" if heard else "")
            + (f", new call {evidence.late.ending}" if evidence.late else "")
        )
    return kept


async def crowd(calls: int) -> bool:
    """Make so many demo calls at once, with gateway and sandbox in processes of their own."""
    caller, desk = await asyncio.to_thread(demo.caller, demo.TABLE_BOOKING), ReservationDesk()
    agent_id = Sandbox().agent_id("table_booking")
    async with (
        _served(desk.application()) as tools_url,
        _sandbox() as sandbox_url,
        _folder() as folder,
    ):
        settings = {
            "VATEL__BASE_URL": sandbox_url,
            "VATEL__API_KEY": API_KEY,
            "VATEL__AGENT_ID": agent_id,
            "TOOLS__FILE": tools_file(folder, f"{tools_url}/tools"),
            "CALLS__MAX_ACTIVE": calls,
        }
        async with outpost(Silent(), settings) as gateway, felt() as pulse, asyncio.TaskGroup() as tasks:
            making = []
            for _ in range(calls):
                options = CallOptions(max_seconds=120.0)
                making.append(tasks.create_task(gateway.call(caller, options, demo.TABLE_BOOKING.limits)))
                await asyncio.sleep(RAMP_S)
        return _judge_crowd([call.result() for call in making], gateway, desk, pulse.worst_late_s)


def _judge_crowd(
    reports: list[CallReport], gateway: GatewayProcess, desk: ReservationDesk, late_s: float
) -> bool:
    broken = Counter(promise.name for report in reports for promise in report.promises if not promise.held)
    gaps = [gap for report in reports for stream in report.streams for gap in stream.gaps_ms]
    ended = gateway.events("call_ended")
    lost = {
        name: sum(call[name] for call in ended) for name in ("caller_gaps", "pieces_dropped", "overflow_ms")
    }
    say(f"calls      {len(reports)}, {sum(report.kept for report in reports)} kept every promise of the demo")
    say(f"endings    {dict(Counter(report.ending for report in reports))}")
    say(f"reasons    {dict(Counter(call['reason'] for call in ended))}")
    say(f"lost       {lost}, frames not sent {sum(s.frames_dropped for r in reports for s in r.streams)}")
    say(f"gaps       {len(gaps)}, worst {max(gaps, default=0.0):.0f} ms")
    say(f"tools      {len(desk.asked)} asked, {sum(call['tools_failed'] for call in ended)} failed")
    say(f"set-up     worst {max(report.setup_ms or 0.0 for report in reports):.0f} ms")
    say(f"broken     {dict(broken) or 'nothing'}")
    say(f"ourselves  at worst {late_s * 1_000:.0f} ms late")
    return not any(lost.values()) and not broken and len(desk.asked) == len(reports)


async def sequence(calls: int) -> bool:
    """Make one short call after the other; print memory and open files of the gateway's process."""
    async with outpost(Echo()) as gateway:
        looks: list[tuple[int, int]] = []
        setups: list[float] = []
        for number in range(1, calls + 1):
            report = await gateway.call(SilentCaller(0.1))
            setups.append(report.setup_ms or 0.0)
            if number % BEAT == 0 or number == calls:
                await asyncio.sleep(SETTLE_S)
                looks.append((gateway.rss_kb(), gateway.open_files()))
                rss_mb, files = looks[-1][0] / 1024, looks[-1][1]
                say(f"{number:5} calls: RSS {rss_mb:.1f} MB, {files} files and sockets open")
        # The first half fills what is kept of calls that are over, which is bounded.
        middle = looks[(len(looks) - 1) // 2]
        grown_kb, more_files = looks[-1][0] - middle[0], looks[-1][1] - middle[1]
        reasons = Counter(call["reason"] for call in gateway.events("call_ended"))
        say(f"grown by {grown_kb} kB and {more_files} files in the second half; reasons {dict(reasons)}")
        say(f"set-up p50 {statistics.median(setups):.1f} ms, worst {max(setups):.1f} ms")
        say(f"live sessions at the agent's end: {gateway.sandbox.live_sessions}")
        return grown_kb < FLAT_KB and more_files <= 0


async def tools(calls: int) -> bool:
    """Make calls whose agents ask four tools at once; print how long the answers took, and memory."""
    script = Asking([("look_up",) * 4])
    async with serving(says('{"free": true}')) as endpoint, _folder() as folder:
        settings = {"TOOLS__FILE": tools_file(folder, endpoint.url), "CALLS__MAX_ACTIVE": calls}
        async with outpost(script, settings) as gateway:
            flat = await _rounds(gateway, calls)
            runs = [line["latency_ms"] for line in gateway.events("tool_ran")]
    answered = [len(session.answers) for session in script.sessions]
    seen_ms = [session.latency_s(one) * 1000 for session in script.sessions for one in session.asked_at]
    say(f"tools      {len(endpoint.seen)} requests, {sum(answered)} answers to {4 * len(answered)} questions")
    say(
        f"gateway    p50 {statistics.median(runs)} ms, p99 {_p99(runs)} ms, worst {max(runs)} ms per tool;"
        " the endpoint's time is in it, and it shares a process with callers and agents: what the gateway"
        " adds is measured by `python -m tests.bench tools`"
    )
    say(f"agent      p50 {statistics.median(seen_ms):.1f} ms, p99 {_p99(seen_ms):.1f} ms, all four at once")
    return flat and answered == [4] * len(answered) and len(endpoint.seen) == sum(answered)


async def _rounds(gateway: GatewayProcess, calls: int) -> bool:
    """Make so many calls, again and again; print what each round leaves behind, return whether that is none.

    The first rounds fill what is kept of calls that are over, which is bounded.
    """
    looks: list[tuple[int, int]] = []

    def look(when: str) -> None:
        looks.append((gateway.rss_kb(), gateway.open_files()))
        more_kb = (looks[-1][0] - looks[-2][0]) / calls if looks[1:] else 0.0
        rss_mb, files = looks[-1][0] / 1024, looks[-1][1]
        say(f"{when:10} RSS {rss_mb:.1f} MB, {more_kb:+.1f} kB a call; {files} files and sockets open")

    look("at first")
    for number in range(1, TOOLS_ROUNDS + 1):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(calls):
                tasks.create_task(gateway.call(SilentCaller(), CallOptions(max_seconds=60.0)))
                await asyncio.sleep(TOOLS_RAMP_S)
        await asyncio.sleep(SETTLE_S)
        look(f"round {number}")
    await asyncio.sleep(IDLE_S)
    look("at rest")
    # Now and then it takes 2 MB more, and gives them back a round or two later.
    before, since = looks[TOOLS_FILLING - 2 : TOOLS_FILLING + 1], looks[TOOLS_FILLING + 1 : -1]
    grown_kb = min(rss_kb for rss_kb, _ in since) - min(rss_kb for rss_kb, _ in before)
    more_files = looks[-1][1] - looks[TOOLS_FILLING][1]
    say(f"grown by {grown_kb} kB (the least of three) and {more_files} files since round {TOOLS_FILLING}")
    return grown_kb < FLAT_KB and more_files <= 0


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _sandbox() -> AsyncIterator[str]:
    async with child("sandbox", "--port", "0", "--api-key", API_KEY) as process:
        yield await sandbox_listens(process)


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


RUNS: Final[dict[str, Callable[[Any], bool]]] = {
    "tone": tone,
    "barge_in": lambda _: barge_in(),
    "calls": lambda calls: run(crowd(calls)),
    "sequential": lambda calls: run(sequence(calls)),
    "drain": lambda _: drain(),
    "tools": lambda calls: run(tools(calls)),
}


def main() -> int:
    """Do the runs that were asked for; return 0 if everything in them held."""
    parser = argparse.ArgumentParser(description="Acceptance runs.")
    parser.add_argument("--tone", type=float, metavar="SECONDS")
    parser.add_argument("--barge-in", action="store_true")
    parser.add_argument("--calls", type=int, metavar="N")
    parser.add_argument("--sequential", type=int, metavar="N")
    parser.add_argument("--drain", action="store_true")
    parser.add_argument("--tools", type=int, metavar="N")
    return carry_out(parser, RUNS)


def carry_out(parser: argparse.ArgumentParser, runs: Mapping[str, Callable[[Any], bool]]) -> int:
    """Do those of the runs that the command line asks for; return 0 if everything in them held."""
    log.configure("error", "console")
    asked = {name: value for name, value in vars(parser.parse_args()).items() if value}
    held = True
    for name, value in asked.items():
        say(f"--- {name.replace('_', ' ')}")
        held &= runs[name](value)
    say("everything held" if held else "NOT everything held")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
