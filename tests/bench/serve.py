"""Serve a gateway with the settings of the environment: `python -m tests.bench.serve [CORE]`.

SIGUSR1 starts cProfile, SIGUSR2 stops it and writes to the path in BENCH_PROFILE: for machines without py-spy.
SIGUSR2 without it writes nothing.
"""

import asyncio
import cProfile
import os
import signal
import sys

import uvloop

from gateway.app import serve
from gateway.settings import load
from gateway.telemetry import log


async def _main() -> int:
    settings = load()
    log.configure(settings.log.level, "json", secrets=settings.secrets())
    loop, profile = asyncio.get_running_loop(), cProfile.Profile()
    loop.add_signal_handler(signal.SIGUSR1, profile.enable)
    loop.add_signal_handler(signal.SIGUSR2, _stop, profile)
    return await serve(settings)


def _stop(profile: cProfile.Profile) -> None:
    profile.disable()
    if path := os.environ.get("BENCH_PROFILE"):
        profile.dump_stats(path)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_main()))
