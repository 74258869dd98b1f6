"""The acceptance runs of the sandbox that are too long for the suite, as commands that print their figures.

python -m tests.e2e.box_acceptance --dialogue 20    the demo's conversation, simulator to gateway to sandbox
python -m tests.e2e.box_acceptance --echo 200       so many echo sessions at once, the sandbox on one core
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gateway.demo import script as demo
from gateway.demo.desk import ReservationDesk
from gateway.records import TranscriptEntry
from gateway.sandbox.server import Sandbox
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from tests.e2e.acceptance import carry_out, say
from tests.e2e.crowd import crowd, keep_to
from tests.e2e.process import child, sandbox_listens
from tests.e2e.running import felt, run, run_all
from tests.e2e.town import Plan, town

AT_ONCE: Final = 4
STAGGER_S: Final = 2.0
BARGE_IN_MS: Final = 300
ECHO_MS: Final = 20.0
ECHO_S: Final = 30.0
KEY: Final = "acceptance"
UNDERSTOOD: Final = [
    line.lower().translate(str.maketrans("", "", ".,?")) for line in demo.TABLE_BOOKING.lines
]


async def converse() -> tuple[CallReport, list[str], list[dict[str, object]], float]:
    """Hold the demo's conversation once; return report, words understood, tool calls, our own lateness."""
    caller, desk = await asyncio.to_thread(demo.caller, demo.TABLE_BOOKING), ReservationDesk()
    await asyncio.to_thread(demo.TABLE_BOOKING.agent.warm_up)
    async with _served(desk.application()) as url:
        plan = Plan(demo.TABLE_BOOKING.agent, settings={"tools.url": f"{url}/tools"})
        async with town(plan) as place, felt() as pulse:
            options = CallOptions(max_seconds=90.0)
            report = await place.call(caller, options, demo.TABLE_BOOKING.limits)
            await place.ending(report)
            words = place.chronicle.of(report.call_sid, TranscriptEntry)
    understood = [word.text for word in words if word.role == "caller" and word.final and word.text]
    return report, understood, desk.asked, pulse.worst_late_s


def dialogue(calls: int) -> bool:
    """Hold the conversation so many times; print what was understood and how soon the agent fell silent."""
    right = 0
    barge_ins: list[float] = []
    for first in range(0, calls, AT_ONCE):
        numbers = range(first, min(calls, first + AT_ONCE))
        results = run_all(dict.fromkeys(numbers, converse), stagger_s=STAGGER_S)
        for number, (report, understood, asked, late_s) in results.items():
            arguments = [body["arguments"] for body in asked]
            good = understood == UNDERSTOOD and arguments == list(demo.TABLE_BOOKING.tool_arguments)
            right += good
            [barge_in_ms] = [one for one in report.streams[0].barge_in_ms if one is not None]
            barge_ins.append(barge_in_ms)
            say(
                f"{number + 1:3} {'right' if good else f'WRONG: {understood} {arguments}'}, silent "
                f"{barge_in_ms:.0f} ms after the caller's first sound, ourselves {late_s * 1_000:.0f} ms late"
            )
    say(f"{right} of {calls} right; barge-in worst {max(barge_ins):.0f} ms")
    return right == calls and max(barge_ins) < BARGE_IN_MS


async def echo(members: int) -> bool:
    """Let a crowd talk to the echo of a sandbox that has one core; print how soon frames came back."""
    cores = sorted(os.sched_getaffinity(0))
    async with child("sandbox", "--port", "0", "--api-key", KEY) as process:
        url = await sandbox_listens(process)
        keep_to(process.pid, cores[0])
        keep_to(0, cores[-1])
        used, waited = _cpu_s(process.pid)
        timing = await crowd(url, KEY, Sandbox().agent_id("echo"), members, ECHO_S)
        used, waited = (now - then for now, then in zip(_cpu_s(process.pid), (used, waited), strict=True))
    say(
        f"{members} sessions, {timing.frames} frames in {ECHO_S:.0f} s, {timing.missing} missing: p50 "
        f"{timing.p50_ms:.2f} ms, p99 {timing.p99_ms:.2f} ms, worst {timing.worst_ms:.1f} ms; "
        f"the sandbox used {used / ECHO_S * 100:.0f} % of its core and waited {waited:.2f} s for others"
    )
    return timing.missing == 0 and timing.p99_ms < ECHO_MS


def _cpu_s(pid: int) -> tuple[float, float]:
    """Return how long a process's main thread has run, and how long it was ready to and could not."""
    ran_ns, waited_ns, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(ran_ns) / 1e9, int(waited_ns) / 1e9


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


RUNS: Final[dict[str, Callable[[Any], bool]]] = {
    "dialogue": dialogue,
    "echo": lambda members: run(partial(echo, members)()),
}


def main() -> int:
    """Do the runs that were asked for; return 0 if everything in them held."""
    parser = argparse.ArgumentParser(description="Acceptance runs of the sandbox.")
    parser.add_argument("--dialogue", type=int, metavar="N")
    parser.add_argument("--echo", type=int, metavar="N")
    return carry_out(parser, RUNS)


if __name__ == "__main__":
    sys.exit(main())
