"""Where the gateway's time goes under load, by part: `python -m tests.bench profile`.

py-spy, where it is installed beside the interpreter, looks at the process from outside, native frames
included, so that system calls and numpy are seen for what they are; it may need root. Without it cProfile
runs inside the gateway: it sees Python functions alone and makes small ones look dearer than they are.
"""

import asyncio
import pstats
import re
import signal
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
_SETTLE_S = 3.0
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
    ("agent socket: gateway", r"gateway/vatel/(connection|socket|inbox|assembly|keepalive|masking|writing)"),
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
        spy = Path(sys.executable).with_name("py-spy")
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "profile"
            if spy.exists():
                shares, how = await _spy(spy, bench.gateway, seconds, out), "py-spy, native frames"
            else:
                raise SystemExit("py-spy is not installed beside this interpreter")
    say(f"resampler {kind}, mix {mix}, {calls} calls: {row.cpu_us:.0f} µs per call-second ({how})")
    say("part                          share %   µs per call-s")
    total = sum(shares.values())
    for part, weight in shares.most_common():
        say(f"{part:28}{100 * weight / total:9.1f}{row.cpu_us * weight / total:16.0f}")


async def _spy(spy: Path, gateway: GatewayProcess, seconds: float, out: Path) -> Counter[str]:
    options = ["--native", "--format", "raw", "--rate", str(_HZ), "--duration", str(round(seconds))]
    command = [str(spy), "record", *options, "--output", str(out), "--pid", str(gateway.pid)]
    spying = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    if await spying.wait():
        raise SystemExit("py-spy could not look into the gateway: it needs root, or ptrace allowed")
    return shares_of(out.read_text().splitlines())


def shares_of(lines: Iterable[str]) -> Counter[str]:
    """Count the samples of each part in py-spy's raw format: frames by semicolons, outermost first; a count."""
    shares: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        shares[part_of(reversed(stack.split(";")))] += int(count)
    return shares
