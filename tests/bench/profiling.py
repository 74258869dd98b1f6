"""Where the gateway's time goes under load, by part: `python -m tests.bench profile`.

Linux perf samples the process from outside, by the clock, kernel included; Python 3.13 or newer tells it the
names of Python functions (`-X perf_jit`). Samplers that stop the process to look at it (py-spy) were tried
and see system calls three times as often as they are; cProfile sees small functions alone.
"""

import asyncio
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gateway.audio.resample import Kind
from tests.bench.calls import benching
from tests.bench.mix import Mix

_HZ = 499
_STACK_BYTES = 16_384
_OLDEST = (3, 13)
_FRAME = re.compile(r"\s+[0-9a-f]+ (.*) \(([^()]*)\)")
_KERNEL = "kernel"

# A sample belongs to the first part whose pattern is found in one of its frames, the innermost frames first.
_PARTS = (
    ("resampler", r"audio/resample|/soxr"),
    ("level meter", r"audio/level"),
    ("µ-law, bytes", r"audio/(ulaw|pcm)"),
    ("playout, what was heard", r"audio/"),
    ("caller socket", r"twilio/socket|/aiohttp/|reader_c|relay.py"),
    ("caller messages", r"twilio/"),
    ("agent socket", r"vatel/(connection|socket|inbox|assembly|keepalive|masking|handshake)|/websockets/"),
    ("agent messages", r"vatel/"),
    ("bridge: clock", r"bridge/clock"),
    ("bridge: chains", r"bridge/media"),
    ("bridge: session and legs", r"bridge/"),
    ("journal, log", r"gateway/(journal|telemetry)|structlog"),
    ("event loop", r"."),
)
_PATTERNS = [(part, re.compile(pattern)) for part, pattern in _PARTS]
_SYSTEM_CALLS = (
    ("kernel: send", re.compile(r"write|send")),
    ("kernel: receive", re.compile(r"read|recv")),
    ("kernel: wait for events", re.compile(r"epoll")),
)
_ENTRY = re.compile(r"(?:__x64_sys|ksys|do)_(\w+)")

Stack = list[tuple[str, str]]
"""Frames as (symbol, file), innermost first."""
Say = Callable[[str], None]


async def profile(kind: Kind, mix: Mix, calls: int, seconds: float, say: Say) -> None:
    """Profile a steady load and print each part's share and its µs per call-second."""
    perf = shutil.which("perf")
    if perf is None or sys.version_info < _OLDEST:
        say("profile left out: it takes Linux perf, and Python 3.13 or newer")
        return
    async with benching(kind, mix, options=("-X", "perf_jit")) as bench:
        await bench.load.grow(bench.gateway.host, calls)
        await asyncio.sleep(2.0)
        before = bench.gateway.usage()
        shares = await _sampled(perf, bench.gateway.pid, seconds)
        after = bench.gateway.usage()
    cpu_us = (after.cpu_s - before.cpu_s) / (after.at - before.at) / calls * 1e6
    total = sum(shares.values())
    say(f"resampler {kind}, mix {mix}, {calls} calls, {total} samples; the sampled gateway took")
    say(f"{cpu_us:.0f} µs per call-second, more than one that nobody looks at")
    say("part                          share %   µs per call-s")
    for part, weight in shares.most_common():
        say(f"{part:28}{100 * weight / total:9.1f}{cpu_us * weight / total:16.0f}")


async def _sampled(perf: str, pid: int, seconds: float) -> Counter[str]:
    with tempfile.TemporaryDirectory() as folder:
        raw, named = f"{folder}/raw", f"{folder}/named"
        graph = ("--call-graph", f"dwarf,{_STACK_BYTES}")
        options = ("-F", str(_HZ), "-e", "cpu-clock", "-k", "1", *graph, "-p", str(pid), "-o", raw)
        await _run(perf, "record", *options, "sleep", str(seconds))
        await _run(perf, "inject", "--jit", "-i", raw, "-o", named)
        text = await _run(perf, "script", "-i", named, "-F", "comm,ip,sym,dso")
    for left in Path("/tmp").glob(f"jit*-{pid}[-.]*"):  # noqa: ASYNC240  perf's choice of place
        left.unlink()
    return Counter(part_of(stack) for stack in stacks(text.splitlines()))


async def _run(*command: str) -> str:
    running = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await running.communicate()
    if running.returncode:
        raise SystemExit(f"{' '.join(command[:2])} failed; sampling may need root")
    return out.decode(errors="replace")


def stacks(lines: Iterable[str]) -> Iterator[Stack]:
    """Read what `perf script` writes: stacks with empty lines between them."""
    stack: Stack = []
    for line in lines:
        if found := _FRAME.fullmatch(line):
            stack.append((found[1], found[2]))
        elif not line.strip() and stack:
            yield stack
            stack = []
    if stack:
        yield stack


def part_of(stack: Stack) -> str:
    """Name the part a stack belongs to."""
    if _KERNEL in stack[0][1]:
        return _system_call(stack)
    for symbol, file in stack:
        # Of the interpreter's own frames only those of Python functions say whose work it is.
        if symbol.startswith("py::") or "site-packages" in file:
            frame = symbol if symbol.startswith("py::") else file
            for part, pattern in _PATTERNS[:-1]:
                if pattern.search(frame):
                    return part
    return "event loop"


def _system_call(stack: Stack) -> str:
    names = [found[1] for symbol, _ in stack if (found := _ENTRY.match(symbol))]
    for part, pattern in _SYSTEM_CALLS:
        if any(pattern.search(name) for name in names):
            return part
    return "kernel: other"
