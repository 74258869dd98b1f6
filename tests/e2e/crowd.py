"""A crowd at a sandbox's echo: each member sends a frame every 20 ms and times how soon it comes back."""

import asyncio
import os
import struct
from dataclasses import dataclass, field
from time import perf_counter  # uvloop's own clock counts milliseconds
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from gateway.vatel.messages import ResponseAudio, dump_input_audio, dump_server

FRAME_S: Final = 0.020
_BEAT_S: Final = 0.001
_FRAME: Final = bytes(range(240)) * 4
_MASK: Final = b"\0\0\0\0"  # a mask of zeros leaves the payload as it is, and is one


def _masked(payload: bytes) -> bytes:
    return struct.pack("!BBH", 0x81, 0x80 | 126, len(payload)) + _MASK + payload


_ASKED: Final = _masked(dump_input_audio(_FRAME).encode())
_ECHO_BYTES: Final = 4 + len(dump_server(ResponseAudio("echo", _FRAME, False)))


@dataclass(slots=True)
class Member(asyncio.Protocol):
    """One of the crowd. Lives as long as its connection.

    Every echo has the same length, so counting bytes tells which frame has come back.
    """

    request: bytes
    started: asyncio.Event
    sent_at: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    _transport: asyncio.Transport | None = None
    _before: bytes = b""
    _echo_bytes: int = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = transport  # type: ignore[assignment]
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count what comes back."""
        if self._echo_bytes < 0:
            self._before += data
            if b"session_started" in self._before and self._before.endswith(b"}}"):
                self._echo_bytes = 0
                self.started.set()
            return
        self._echo_bytes += len(data)
        now = perf_counter()
        while (len(self.late_s) + 1) * _ECHO_BYTES <= self._echo_bytes:
            self.late_s.append(now - self.sent_at[len(self.late_s)])

    def speak(self, now: float) -> None:
        """Send a frame."""
        assert self._transport is not None
        self.sent_at.append(now)
        self._transport.write(_ASKED)

    def leave(self) -> None:
        """Close, by the protocol."""
        assert self._transport is not None
        self._transport.write(b"\x88\x82" + _MASK + struct.pack("!H", 1000))


@dataclass(frozen=True, slots=True)
class Timing:
    """How soon frames came back, and how many never did."""

    frames: int
    missing: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


async def join(url: str, key: str, agent_id: str) -> Member:
    """Get a token, and a session for it."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{url}/v1/session-token", json={"agent_id": agent_id}) as answer,
    ):
        token = (await answer.json())["token"]
    place = urlsplit(url)
    request = (
        f"GET /v1/connection?token={token} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    member = Member(request.encode(), asyncio.Event())
    await asyncio.get_running_loop().create_connection(lambda: member, place.hostname or "", place.port or 0)
    async with asyncio.timeout(10):
        await member.started.wait()
    return member


async def crowd(url: str, key: str, agent_id: str, members: int, seconds: float) -> Timing:
    """Let so many talk for so long, each at its own moment of the 20 ms."""
    people = [await join(url, key, agent_id) for _ in range(members)]
    began = perf_counter() + 0.5
    frames = round(seconds / FRAME_S) * members
    sent = 0
    while sent < frames:
        due = min(frames, int((perf_counter() - began) / FRAME_S * members))
        for number in range(sent, due):
            people[number % members].speak(perf_counter())
        sent = max(sent, due)
        await asyncio.sleep(_BEAT_S)
    await asyncio.sleep(1.0)
    for person in people:
        person.leave()
    late_ms = np.array([late for person in people for late in person.late_s]) * 1_000
    p50, p99 = np.percentile(late_ms, [50, 99])
    return Timing(sent, sent - len(late_ms), float(p50), float(p99), float(late_ms.max()))


def keep_to(pid: int, core: int) -> None:
    """Let a process run on one core only."""
    os.sched_setaffinity(pid, {core})
