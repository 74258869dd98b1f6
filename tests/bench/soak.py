"""Whether calls leave anything behind: `python -m tests.bench soak`.

Two thousand short calls, one after the other, over real sockets: what the gateway's process holds before and
after, and the slope between. The registry remembers its last thousand calls on purpose, so the slope is
taken over the second half, when it is full.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gateway.audio.resample import Kind
from tests.bench.calls import Bench, benching

_TALK_S = 0.05
_EVERY = 100
_LINGER_S = 1.5  # aiohttp keeps the connection that fetched a token for the next call
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class State:
    """What the process holds after so many calls."""

    calls: int
    rss_mb: float
    fds: int
    threads: int
    tasks: int
    objects: int

    def line(self) -> str:
        """Return the row of the table."""
        return f"{self.calls:7}{self.rss_mb:10.2f}{self.fds:6}{self.threads:9}{self.tasks:7}{self.objects:10}"


async def soak(kind: Kind, calls: int, say: Say) -> None:
    """Make calls one after the other and tell what stays."""
    async with benching(kind, "half") as bench:
        say(f"resampler {kind}: {calls} calls one after the other, {_TALK_S} s of audio each")
        say("  calls    RSS MB   fds  threads  tasks   objects")
        states = [await _state(bench, 0)]
        say(states[0].line())
        began = time.monotonic()
        for done in range(1, calls + 1):
            await _one(bench)
            if done % _EVERY == 0:
                states.append(await _state(bench, done))
                say(states[-1].line())
        late = states[len(states) // 2 :]
        slope = np.polyfit([s.calls for s in late], [s.rss_mb * 1e3 for s in late], 1)[0]
        say(
            f"slope of the second half  {slope:.2f} kB a call;"
            f" {(time.monotonic() - began) / calls:.3f} s a call"
        )
        ends = bench.gateway.events("call_ended")
        results = {f"{end['result']}/{end['reason']}" for end in ends}
        say(f"calls ended               {len(ends)}, all as {', '.join(sorted(results))}")


async def _one(bench: Bench) -> None:
    load = bench.load
    call = await load.place_call(bench.gateway.host)
    load.calls.append(call)
    load.start_audio(call, settle_s=0.0)
    await asyncio.sleep(_TALK_S)
    await load.shrink()


async def _state(bench: Bench, calls: int) -> State:
    await asyncio.sleep(_LINGER_S)
    told = len(bench.gateway.events("bench_state"))
    bench.gateway.signal(signal.SIGUSR1)
    # What it writes into its log tells us; there is nothing to wait on.
    while len(states := bench.gateway.events("bench_state")) == told:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    usage, inside = bench.gateway.usage(), states[-1]
    return State(
        calls,
        usage.rss_bytes / 1e6,
        usage.fds,
        usage.threads,
        int(str(inside["tasks"])),
        int(str(inside["objects"])),
    )
