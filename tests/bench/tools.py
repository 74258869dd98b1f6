"""What the gateway adds to a tool call, measured on the wire: `python -m tests.bench tools`.

Every call of the load talks, and its agent asks four tools at once, again and again, each call at its own
moments. Added is what lies between the agent's question leaving and its answer arriving, less what the
endpoint took: the way out ends with the request's last byte, the way back begins with the answer's first.

The threads of the gateway's database may use both cores here: beside a loop that is hard at work they would
wait for its one core.
"""

import asyncio
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import numpy as np

from gateway.audio.resample import Kind
from gateway.vatel.messages import ToolCall, dump_server
from tests.bench.agent import AgentPeer
from tests.bench.calls import Bench, Row, Say
from tests.bench.gateway_process import GatewayProcess, free_port
from tests.bench.histogram import Histogram
from tests.bench.load import Load, loading
from tests.bench.mix import Mix
from tests.bench.wire import Peer, frame, unmask

AT_ONCE = 4
EVERY_S = 20.0
_RAMP_S = 0.08  # between two calls
_GOLDEN = 0.6180339887498949
_SMALLEST_AUDIO_BYTES = 400
_KEY_BYTES = 4
_ASKED_FOR = re.compile(rb'"tool_call_id":"([^"]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"free":true}'


@dataclass(slots=True)
class Asked:
    """One tool call, as both of the gateway's peers see it."""

    at: float
    requested_at: float = 0.0
    served_at: float = 0.0


@dataclass(slots=True)
class Figures:
    """What a window of tool calls showed; wiped at its begin.

    Attributes:
        out: from the question to the endpoint's request.
        back: from the endpoint's answer to the agent's.
        added: both together.
        open: asked and not answered yet.
        strays: answers that nobody asked for, or had before.
    """

    out: Histogram = field(default_factory=Histogram)
    back: Histogram = field(default_factory=Histogram)
    added: Histogram = field(default_factory=Histogram)
    open: dict[bytes, Asked] = field(default_factory=dict)
    strays: int = 0

    def requested(self, tool_call_id: bytes) -> Asked | None:
        """Note that the endpoint has a request."""
        asked = self.open.get(tool_call_id)
        if asked is not None:
            asked.requested_at = monotonic()
        return asked

    def answered(self, tool_call_id: bytes) -> None:
        """Note that the agent has its answer."""
        now, asked = monotonic(), self.open.pop(tool_call_id, None)
        if asked is None or not asked.served_at:
            self.strays += 1
            return
        out_s, back_s = asked.requested_at - asked.at, now - asked.served_at
        self.out.add(out_s)
        self.back.add(back_s)
        self.added.add(out_s + back_s)


class Endpoint(Peer):
    """One connection of the gateway to the tools' endpoint, which answers at once."""

    def __init__(self, load: "ToolLoad") -> None:
        super().__init__()
        self._load = load

    def http(self, head: bytes, size: int) -> None:
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if self.received < size + length:
            return
        name = _ASKED_FOR.search(self.taken(size + length), size)
        asked = self._load.figures.requested(name[1]) if name else None
        if asked is not None:
            asked.served_at = monotonic()
        self.write(_ANSWER)


class ToolAgent(AgentPeer):
    """An agent's session that gets answers beside audio."""

    figures: Figures

    def text_frame(self, data: bytearray, start: int, end: int) -> None:
        if end - start >= _SMALLEST_AUDIO_BYTES:
            super().text_frame(data, start, end)
            return
        message = json.loads(unmask(bytes(data[start:end]), bytes(data[start - _KEY_BYTES : start])))
        if message["type"] == "tool_call_output":
            self.figures.answered(message["data"]["toolCallId"].encode())


class Asker:
    """Asks on behalf of one agent. Lives as long as its call."""

    def __init__(self, peer: AgentPeer, number: int, load: "ToolLoad", every_s: float) -> None:
        self._peer = peer
        self._number = number
        self._load = load
        self._every_s = every_s
        self._asked = 0

    def fire(self, due: float) -> float | None:
        """Ask for some tools; return when to ask again."""
        if self._peer.fd < 0:
            return None
        for _ in range(AT_ONCE):
            self._asked += 1
            tool_call_id = f"c{self._number}-{self._asked}"
            self._load.figures.open[tool_call_id.encode()] = Asked(monotonic())
            self._peer.write(frame(dump_server(ToolCall(tool_call_id, "look_up", ())).encode()))
        return due + self._every_s


class ToolLoad(Load):
    """A load whose agents ask for tools; lives as the one without."""

    def __init__(self, kind: Kind, mix: Mix) -> None:
        super().__init__(kind, mix)
        self.figures = Figures()

    def agent_peer(self) -> AgentPeer:
        peer = ToolAgent(self.board, self._skip, self._arrived)
        peer.figures = self.figures
        return peer

    def ask(self, every_s: float) -> None:
        """Let every agent ask from now on, each at its own moments."""
        begin = monotonic() + 0.1
        for number, call in enumerate(self.calls):
            asker = Asker(call.agent, number, self, every_s)
            self.wheel.at(begin + number * _GOLDEN % 1 * every_s, asker.fire)

    def wipe(self) -> None:
        """Begin a new window; what is open stays so."""
        self.figures.out, self.figures.back, self.figures.added = Histogram(), Histogram(), Histogram()


@asynccontextmanager
async def tooled(kind: Kind, mix: Mix) -> AsyncIterator[tuple[ToolLoad, Bench]]:
    """Start a gateway with a tools file, a load, and the endpoint."""
    port, tools_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder) / "tools.toml"
        tools.write_text(
            f'[default]\nurl = "http://127.0.0.1:{tools_port}/"\n\n'
            '[egress]\nallow_private = ["127.0.0.0/8"]\nallow_http = true\n'
        )
        async with loading(ToolLoad(kind, mix), port) as load:
            loop = asyncio.get_running_loop()
            endpoint = await loop.create_server(lambda: Endpoint(load), "127.0.0.1", tools_port, backlog=1024)
            settings = {"GATEWAY_TOOLS__FILE": str(tools)}
            with GatewayProcess(port, kind, settings=settings) as gateway:
                yield load, Bench(load, gateway, gateway.usage())
            endpoint.close()


async def _place_calls(load: ToolLoad, host: str, calls: int) -> None:
    while len(load.calls) < calls:
        await load.grow(host, len(load.calls) + 1)
        await asyncio.sleep(_RAMP_S)


async def tools(kind: Kind, mix: Mix, calls: int, seconds: float, say: Say, *, windows: int = 5) -> float:
    """Hold a number of calls that ask for tools; tell what was added, and return the median p99 in ms.

    The median of several windows, since other users of the machine can spoil one.
    """
    p99s = list[float]()
    async with tooled(kind, mix) as (load, bench):
        await _place_calls(load, bench.gateway.host, calls)
        load.ask(EVERY_S)

        def begins() -> None:
            bench.gateway.unpin_threads()
            load.wipe()

        say(
            f"resampler {kind}, mix {mix}: {calls} calls, {AT_ONCE} tools at once every {EVERY_S:g} s in each"
        )
        for _ in range(windows):
            row = await bench.window(calls, seconds, begins)
            p99s.append(load.figures.added.quantile_ms(0.99))
            say(_told(row, load))
        p99_ms = float(np.median(p99s))
        say(f"median of the p99         {p99_ms:.2f} ms; answers without a request {load.figures.strays}")
        await load.shrink()
    return p99_ms


def _told(row: Row, load: ToolLoad) -> str:
    figures, board = load.figures, load.board
    return "\n".join(
        [
            f"added to a tool call      {figures.added.line()}",
            f"  question to request     {figures.out.line()}",
            f"  answer to answer        {figures.back.line()}",
            f"  beside it               gateway {100 * row.core:.0f} % of a core,"
            f" generator {100 * row.load:.0f} %; the machine's load {os.getloadavg()[0]:.1f}",
            f"  generator's own slip    {board.slip.line()}",
            f"  uplink added            {board.uplink.line()}",
        ]
    )
