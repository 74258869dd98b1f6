"""Where the gateway's time goes under load, by part: `python -m tests.bench profile`.

py-spy, installed beside the interpreter, looks at the process from outside, native frames included, so that
system calls and numpy are seen for what they are; it may need root.
"""

import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from gateway.audio.resample import Kind
from tests.bench.calls import benching
from tests.bench.gateway_process import GatewayProcess
from tests.bench.mix import Mix

_HZ = 200
Say = Callable[[str], None]

# A sample belongs to the first part one of whose patterns matches a frame, the innermost frames asked first.
# Frames are "function (file:line)".
_PARTS = (
    ("kernel: send", r"^(write|writev|send|sendmsg) \(libc"),
    ("kernel: receive", r"^(read|recv|recvfrom|recvmsg) \(libc"),
    ("kernel: wait for events", r"^epoll_p?wait"),
    ("kernel: random masks", r"^getrandom"),
    ("garbage collector", r"^gc_collect"),
    ("resampler", r"gateway/audio/resample|\(soxr"),
    ("level meter", r"gateway/audio/level"),
    ("µ-law, bytes", r"gateway/audio/(ulaw|pcm)"),
    ("playout", r"gateway/audio/"),
    ("caller socket: gateway", r"gateway/twilio/socket"),
    ("caller messages", r"gateway/twilio/"),
    ("caller socket: aiohttp", r"aiohttp|_websocket|_http_parser"),
    (
        "agent socket: gateway",
        r"gateway/vatel/(connection|socket|inbox|assembly|keepalive|masking|handshake)",
    ),
    ("agent messages", r"gateway/vatel/"),
    ("agent socket: websockets", r"websockets/"),
    ("bridge: clock", r"gateway/bridge/clock"),
    ("bridge: chains", r"gateway/bridge/media"),
    ("bridge: session and legs", r"gateway/bridge/"),
    ("journal, log", r"gateway/(journal|telemetry)|structlog"),
    ("event loop", r"uvloop|loop\.c|asyncio/|libuv|uv__"),
)
_PATTERNS = [(part, re.compile(pattern)) for part, pattern in _PARTS]


def part_of(frames: Iterable[str]) -> str:
    """Name the part of a stack, innermost frame first."""
    for frame in frames:
        for part, pattern in _PATTERNS:
            if pattern.search(frame):
                return part
    return "event loop"


async def profile(kind: Kind, mix: Mix, calls: int, seconds: float, say: Say) -> None:
    """Profile a steady load and print each part's share and its µs per call-second."""
    async with benching(kind, mix) as bench:
        row = await bench.window(calls, seconds)
        with tempfile.NamedTemporaryFile(prefix="gateway-profile-") as raw:
            await _spy(bench.gateway, seconds, raw.name)
            shares = shares_of(raw.read().decode().splitlines())
    say(f"resampler {kind}, mix {mix}, {calls} calls: {row.cpu_us:.0f} µs per call-second")
    say("part                          share %   µs per call-s")
    total = sum(shares.values())
    for part, weight in shares.most_common():
        say(f"{part:28}{100 * weight / total:9.1f}{row.cpu_us * weight / total:16.0f}")


async def _spy(gateway: GatewayProcess, seconds: float, out: str) -> None:
    """Let py-spy write stacks to a file, in its raw format."""
    spy = Path(sys.executable).with_name("py-spy")
    options = ["--native", "--format", "raw", "--rate", str(_HZ), "--duration", str(round(seconds))]
    spying = await asyncio.create_subprocess_exec(
        *(str(spy), "record", *options, "--output", out, "--pid", str(gateway.pid)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await spying.wait():
        raise SystemExit("py-spy failed: it has to be installed (pip install py-spy), and may need root")


def shares_of(lines: Iterable[str]) -> Counter[str]:
    """Count the samples of each part; a line is a stack, outermost frame first, and how often it was seen."""
    shares: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        shares[part_of(reversed(stack.split(";")))] += int(count)
    return shares
