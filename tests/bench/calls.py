"""How many calls one core carries, at what cost, how late it makes them: `python -m tests.bench calls`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.audio.resample import Kind
from tests.bench.gateway_process import GatewayProcess, Usage, free_port
from tests.bench.load import Load, loading
from tests.bench.mix import FRAME_S, Mix

_LATE_MS = 20.0
_FULL_CORE = 0.97
_WARM_UP_S = 3.0
_WEBHOOKS = 100
_CHUNK_BYTES = 800

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One window at a steady number of calls; times in ms.

    Attributes:
        core: share of its core the gateway used.
        system: share of its CPU time spent in the kernel.
        others: share of the gateway's core that other processes of the machine used.
        load: share of its own core the generator was busy.
    """

    calls: int
    seconds: float
    cpu_us: float
    core: float
    system: float
    others: float
    load: float
    up_p50: float
    up_p99: float
    late_p99: float
    rss_mb: float

    @property
    def passes(self) -> bool:
        """True while the gateway keeps up."""
        return self.up_p99 <= _LATE_MS and self.core < _FULL_CORE

    def line(self) -> str:
        """Return the row of the ramp's table."""
        return (
            f"{self.calls:6}{self.cpu_us:10.0f}{100 * self.core:8.1f}{100 * self.others:9.1f}"
            f"{100 * self.load:8.1f}{self.up_p50:9.2f}{self.up_p99:8.2f}{self.late_p99:9.2f}"
            f"{self.rss_mb:9.1f}"
        )


HEAD = (
    " calls  µs/call-s  core %  others %  load %   up p50     p99  late p99   RSS MB\n"
    "                                             added, ms        ms"
)


class Bench:
    """A gateway and a load on it. Lives as long as one command; made by :func:`benching`."""

    def __init__(self, load: Load, gateway: GatewayProcess, base: Usage) -> None:
        self.load = load
        self.gateway = gateway
        self.base = base

    async def window(self, calls: int, seconds: float, begins: Callable[[], None] = lambda: None) -> Row:
        """Bring the load to so many calls, let it settle, and measure for a while; say when that begins."""
        load, gateway = self.load, self.gateway
        await load.grow(gateway.host, calls)
        await asyncio.sleep(_WARM_UP_S)
        webhook, setup = load.board.webhook, load.board.setup
        load.board.wipe()
        load.board.webhook, load.board.setup = webhook, setup
        begins()
        before, own, spun = gateway.usage(), time.process_time(), load.wheel.spun_s
        await asyncio.sleep(seconds)
        after, board = gateway.usage(), load.board
        took = after.at - before.at
        cpu_s = after.cpu_s - before.cpu_s
        return Row(
            calls=calls,
            seconds=took,
            cpu_us=cpu_s / took / calls * 1e6,
            core=cpu_s / took,
            system=(after.system_s - before.system_s) / cpu_s,
            others=max(0.0, after.core_busy_s - before.core_busy_s - cpu_s) / took,
            load=(time.process_time() - own - (load.wheel.spun_s - spun)) / took,
            up_p50=board.uplink.quantile_ms(0.5),
            up_p99=board.uplink.quantile_ms(0.99),
            late_p99=board.late.quantile_ms(0.99),
            rss_mb=after.rss_bytes / 1e6,
        )

    async def webhooks(self) -> str:
        """Ring at the webhook beside the running calls; return the line of its times."""
        self.load.board.webhook = type(self.load.board.webhook)()
        for number in range(_WEBHOOKS):
            await self.load.webhook(self.gateway.host, f"CA{number:032x}")
            await asyncio.sleep(0.03)
        return self.load.board.webhook.line()

    def details(self, row: Row) -> str:
        """Return all that a window showed."""
        board, base = self.load.board, self.base
        per_second = row.calls * row.seconds
        in_flight_ms = (board.frames_down - board.frames_up) / max(1, row.calls) * FRAME_S * 1000
        return "\n".join(
            [
                f"calls                     {row.calls} for {row.seconds:.1f} s",
                f"CPU per call-second       {row.cpu_us:.0f} µs ({100 * row.core:.1f} % of the core,"
                f" {100 * row.system:.0f} % of it in the kernel;"
                f" others on it {100 * row.others:.1f} %; generator {100 * row.load:.1f} % of its own)",
                f"calls per full core       {1e6 / row.cpu_us:.0f} by CPU",
                f"one call-second was       {board.frames_down / per_second:.1f} caller frames in,"
                f" {board.frames_up / per_second:.1f} input_audio out,"
                f" {board.chunks / per_second:.2f} response_audio in,"
                f" {board.pieces / per_second:.2f} media out",
                f"uplink added              {board.uplink.line()}",
                f"agent → caller first byte {board.first_byte.line()}",
                f"interruption → clear      {board.clear.line()}",
                f"audio lateness            mean {board.late.mean_ms:.3f}  {board.late.line()}",
                f"generator's own slip      {board.slip.line()}",
                f"start → agent socket      {board.setup.line()}",
                f"lost: frames in the window {board.frames_down - board.frames_up}"
                f" ({in_flight_ms:.1f} ms per call, under way included),"
                f" agent audio {board.lost_bytes} B, pieces after a clear {board.stray_pieces},"
                f" calls broken {self.load.broken()}",
                f"memory                    {base.rss_bytes / 1e6:.1f} MB base,"
                f" {(row.rss_mb * 1e6 - base.rss_bytes) / row.calls / 1000:.0f} kB per call",
            ]
        )


@asynccontextmanager
async def benching(
    kind: Kind, mix: Mix, *, module: str = "serve", options: tuple[str, ...] = ()
) -> AsyncIterator[Bench]:
    """Start a gateway and a load; one call comes and goes before the base is taken."""
    port = free_port()
    async with loading(Load(kind, mix), port) as load:
        with GatewayProcess(port, kind, module=module, options=options) as gateway:
            await load.grow(gateway.host, 1)
            await asyncio.sleep(1.0)
            await load.shrink()
            yield Bench(load, gateway, gateway.usage())


async def floor(mix: Mix, calls: int, seconds: float, say: Say) -> Row:
    """Hold a number of calls on a relay that does nothing with what it carries."""
    async with benching("low_delay", mix, module="relay") as bench:
        row = await bench.window(calls, seconds)
        say(f"floor, mix {mix}: {row.cpu_us:.0f} µs per call-second at {calls} calls")
        say(HEAD)
        say(row.line())
        await bench.load.shrink()
    return row


async def steady(kind: Kind, mix: Mix, calls: int, seconds: float, say: Say) -> Row:
    """Hold a number of calls and tell everything about them."""
    async with benching(kind, mix) as bench:
        row = await bench.window(calls, seconds)
        say(f"resampler {kind}, mix {mix}")
        say(bench.details(row))
        say(f"voice webhook             {await bench.webhooks()}")
        await _leave(bench, say)
    for pauses in bench.gateway.events("bench_gc"):
        say(
            f"garbage collector         {pauses['total_ms']} ms in all,"
            f" runs by generation {pauses['counts']}, longest {pauses['longest_ms']} ms"
        )
    return row


async def ramp(kind: Kind, mix: Mix, seconds: float, say: Say, *, first: int = 100, step: int = 50) -> int:
    """Add calls until one core has enough; return how many it carried.

    A window that fails is measured once more, since other users of the machine can spoil one.
    """
    carried, calls = 0, first
    async with benching(kind, mix) as bench:
        say(f"resampler {kind}, mix {mix}: calls on one core until p99 added uplink latency passes 20 ms")
        say(HEAD)
        while True:
            row = await bench.window(calls, seconds)
            say(row.line())
            if not row.passes:
                row = await bench.window(calls, seconds)
                say(row.line() + "  (again)")
            if not row.passes:
                break
            carried = calls
            calls += step if row.core < 0.8 else step // 2 or 1
        say(f"calls per core            {carried}")
    return carried


async def _leave(bench: Bench, say: Say) -> None:
    load, gateway = bench.load, bench.gateway
    calls = list(load.calls)
    await load.shrink()
    load.calls = calls
    await asyncio.sleep(0.2)
    say(f"caller frames lost        {load.lost_frames()} of {sum(c.microphone.sent for c in calls)}")
    load.calls = []
    ends = gateway.events("call_ended")
    for name in ("unsent_frames", "dropped_frames", "pieces_dropped", "caller_gaps", "underruns"):
        total = sum(int(str(end.get(name, 0))) for end in ends)
        say(f"gateway counted           {name} {total}") if total else None
    for line in gateway.complaints()[:5]:
        say(f"gateway said              {line[:2000]}")
