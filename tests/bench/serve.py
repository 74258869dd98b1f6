"""Serve a gateway with the settings of the environment: `python -m tests.bench.serve [CORE]`.

On SIGUSR1 it collects garbage and logs, as `bench_state`, how many tasks and objects there are; at its end,
as `bench_gc`, how long the garbage collector held everybody up.
"""

import asyncio
import gc
import os
import signal
import sys
from time import perf_counter

import structlog
import uvloop

from gateway.app import serve
from gateway.settings import load
from gateway.telemetry import log


class Pauses:
    """Collects how often, and how long, the garbage collector ran. Lives as long as the process."""

    def __init__(self) -> None:
        self._began = 0.0
        self.counts = [0, 0, 0]
        self.total_s = 0.0
        self.longest_s = [0.0, 0.0, 0.0]

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = perf_counter()
            return
        took_s, generation = perf_counter() - self._began, info["generation"]
        self.counts[generation] += 1
        self.total_s += took_s
        self.longest_s[generation] = max(self.longest_s[generation], took_s)


async def _main() -> int:
    settings, pauses = load(), Pauses()
    log.configure(settings.log.level, "json", secrets=settings.secrets())
    gc.callbacks.append(pauses)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell)
    status = await serve(settings)
    structlog.get_logger().info(
        "bench_gc",
        counts=pauses.counts,
        total_ms=round(pauses.total_s * 1000, 1),
        longest_ms=[round(pause_s * 1000, 2) for pause_s in pauses.longest_s],
    )
    return status


def _tell() -> None:
    gc.collect()
    structlog.get_logger().info("bench_state", tasks=len(asyncio.all_tasks()), objects=len(gc.get_objects()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_main()))
