"""The load: one process that plays Twilio and Vatel for any number of calls, and measures from outside.

Calls are set up one after the other, so that a session that arrives at the agent's side belongs to the call
being set up; caller frames begin once both sides stand, which makes matching by count exact.
"""

import asyncio
import gc
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import numpy as np

from gateway.audio.resample import Kind, make_resampler
from gateway.twilio.signature import sign
from tests.bench.agent import AgentPeer, Script
from tests.bench.caller import CallerPeer, Microphone
from tests.bench.gateway_process import ACCOUNT_SID, AUTH_TOKEN, LOAD_CORE
from tests.bench.measures import Board
from tests.bench.mix import FRAME_S, TURN_S, Mix
from tests.bench.talk import Talk
from tests.bench.wheel import Wheel

_TOKEN = re.compile(r'name="token" value="([^"]+)"')
_GOLDEN = 0.6180339887498949
_SETUP_S = 20.0
# Between the agent's 101 and the gateway having seen it, no caller frame may be early.
_SETTLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Call:
    """A call that runs."""

    caller: CallerPeer
    agent: AgentPeer
    microphone: Microphone


def silent_pushes(kind: Kind) -> int:
    """Return how many frames a fresh uplink resampler takes in before it gives anything."""
    resampler = make_resampler(kind, 8_000, 24_000)
    frames = 0
    while not len(resampler.push(np.zeros(160, dtype=np.int16))):
        frames += 1
    return frames


class Load:
    """Lives as long as the bench; at work while :func:`loading` is held."""

    def __init__(self, kind: Kind, mix: Mix) -> None:
        self._mix: Mix = mix
        self._skip = silent_pushes(kind)
        self._arrival: asyncio.Future[AgentPeer] | None = None
        self.board = Board()
        self.wheel = Wheel(self.board)
        self.calls: list[Call] = []
        self.made = 0
        self.strays = 0

    def agent_peer(self) -> AgentPeer:
        """Make the agent's side of a connection."""
        return AgentPeer(self.board, self._skip, self._arrived)

    def _arrived(self, peer: AgentPeer) -> None:
        if self._arrival is None or self._arrival.done():
            self.strays += 1
        else:
            self._arrival.set_result(peer)

    async def webhook(self, host: str, call_sid: str) -> str:
        """Ring at the voice webhook; return the stream token."""
        form = {
            "CallSid": call_sid,
            "AccountSid": ACCOUNT_SID,
            "From": "+441632960961",
            "To": "+441632960100",
            "CallStatus": "ringing",
            "ApiVersion": "2010-04-01",
            "Direction": "inbound",
        }
        body = urlencode(form).encode()
        signature = sign(AUTH_TOKEN, f"http://{host}/twilio/voice", form.items())
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write(
            f"POST /twilio/voice HTTP/1.1\r\nHost: {host}\r\nX-Twilio-Signature: {signature}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        answer = (await reader.read()).decode()
        self.board.webhook.add(time.monotonic() - began)
        writer.close()
        token = _TOKEN.search(answer)
        if token is None:
            raise SystemExit(f"no stream token in the TwiML:\n{answer}")
        return token[1]

    async def place_call(self, host: str) -> Call:
        """Set a call up, from the webhook to the open agent session; its audio has not begun."""
        self.made += 1
        call_sid, stream_sid = f"CA{uuid4().hex}", f"MZ{uuid4().hex}"
        token = await self.webhook(host, call_sid)
        talk = Talk(self.board)
        loop = asyncio.get_running_loop()
        name, port = host.split(":")
        _, caller = await loop.create_connection(lambda: CallerPeer(talk, self.wheel.at), name, int(port))
        caller.ask("/twilio/media", host, sign(AUTH_TOKEN, f"ws://{host}/twilio/media", []))
        await caller.upgraded.wait()
        if not caller.open:
            raise SystemExit(f"the media socket was refused with {caller.status}")
        self._arrival = loop.create_future()
        began = time.monotonic()
        caller.begin(ACCOUNT_SID, call_sid, stream_sid, token)
        async with asyncio.timeout(_SETUP_S):
            agent = await self._arrival
        self.board.setup.add(time.monotonic() - began)
        agent.talk = talk
        return Call(caller, agent, Microphone(caller, talk, self.board))

    def start_audio(self, call: Call, *, settle_s: float = _SETTLE_S) -> None:
        """Let both ends speak; phases are spread evenly over the frame and over the turn."""
        assert call.agent.talk is not None
        phase = self.made * _GOLDEN % 1
        begin = time.monotonic() + settle_s
        self.wheel.at(begin + phase * FRAME_S, call.microphone.fire)
        script = Script(self._mix, call.agent, call.agent.talk, self.board, first_turn=self.made)
        self.wheel.at(begin + (self.made * _GOLDEN * _GOLDEN % 1) * TURN_S, script.fire)

    async def grow(self, host: str, calls: int) -> None:
        """Add calls until there are so many."""
        while len(self.calls) < calls:
            call = await self.place_call(host)
            self.start_audio(call)
            self.calls.append(call)

    async def shrink(self) -> None:
        """End all calls as callers do; returns when the gateway has closed every socket."""
        for call in self.calls:
            call.caller.end()
        async with asyncio.timeout(_SETUP_S):
            for call in self.calls:
                await call.caller.gone.wait()
                await call.agent.gone.wait()
        self.calls.clear()

    def lost_frames(self) -> int:
        """Return how many caller frames never reached the agent, over the whole life of all calls.

        Frames under way count as lost: ask once the load has ended and the sockets are closed.
        """
        return sum(max(0, call.microphone.sent - self._skip - call.agent.heard) for call in self.calls)

    def broken(self) -> int:
        """Return how many calls the gateway has ended by itself."""
        return sum(not call.caller.open or not call.agent.open for call in self.calls)


L = TypeVar("L", bound=Load)


@asynccontextmanager
async def loading(load: L, port: int) -> AsyncIterator[L]:
    """Play Vatel on a port, and Twilio on demand, on the load's own core."""
    os.sched_setaffinity(0, {LOAD_CORE})
    gc.collect()
    gc.freeze()
    gc.disable()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(load.agent_peer, "127.0.0.1", port, backlog=1024)
    try:
        yield load
    finally:
        load.wheel.stop()
        server.close()
        gc.enable()
