"""A call's audio over HTTP: whole, in part, sealed, missing, unreadable."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from gateway.api.envelope import Refusal
from gateway.api.recordings import RecordingStreams
from gateway.errors import RecordingError
from gateway.recording import wav
from gateway.recording.encryption import KeyRing
from gateway.recording.recordings import Recordings
from gateway.recording.store import LocalStore
from gateway.storage.rows import Call

KEYS = KeyRing("k", {"k": b"k" * 32})


@dataclass
class Player:
    """A player that asks for recordings. Lives as long as :func:`player` holds it."""

    http: aiohttp.ClientSession
    url: str
    recordings: Recordings
    folder: Path

    async def record(self, seconds: int = 1) -> str:
        """Record a call; return its id."""
        call_id = str(uuid4())
        recorder = self.recordings.begin(call_id, 1_000)
        for number in range(50 * seconds):
            recorder.caller(bytes([number % 200]) * 160, 20 * number, 0.02 * number)
        await self.recordings._writer.carry_all()
        await self.recordings.end(recorder, float(seconds))
        assert await self.recordings.finish(call_id) is not None
        return call_id

    async def play(self, call_id: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Ask for a recording; return status, headers and body."""
        async with self.http.get(f"{self.url}/{call_id}", headers=headers) as answer:
            return answer.status, {str(k): v for k, v in answer.headers.items()}, await answer.read()


@asynccontextmanager
async def player(folder: Path, keys: KeyRing | None = None) -> AsyncIterator[Player]:
    """Serve recordings of a folder."""
    recordings = Recordings(folder, LocalStore(folder / "kept"), keys=keys, now=lambda: 0.0)
    streams = RecordingStreams(recordings.archive)

    async def answer(request: web.Request) -> web.StreamResponse:
        fields: dict[str, Any] = dict.fromkeys(Call.__dataclass_fields__)
        call = Call(**(fields | {"id": request.match_info["id"]}))
        try:
            return await streams.stream(request, call, {"X-Own": "r"})
        except Refusal as refusal:
            return web.json_response(refusal.details, status=refusal.status)

    app = web.Application()
    app.add_routes([web.get("/{id}", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Player(http, f"http://127.0.0.1:{runner.addresses[0][1]}", recordings, folder)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("keys", [None, KEYS], ids=["clear", "sealed"])
async def test_whole_recording(tmp_path: Path, keys: KeyRing | None) -> None:
    """The WAV comes whole, with its length, its type, and what the API's answers carry."""
    async with player(tmp_path, keys) as playing:
        call_id = await playing.record(3)
        status, headers, body = await playing.play(call_id)

    assert status == 200
    assert headers | {"Date": "", "Server": ""} == {
        "Content-Type": "audio/wav",
        "Content-Length": str(len(body)),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'inline; filename="{call_id}.wav"',
        "X-Own": "r",
        "Date": "",
        "Server": "",
    }
    assert body[:4] == b"RIFF"
    assert len(body) == wav.HEADER_BYTES + 3 * 8_000 * 4


@pytest.mark.parametrize("keys", [None, KEYS], ids=["clear", "sealed"])
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=100-", 100, 96_044), ("bytes=-10", 96_034, 96_044), ("bytes=5-9", 5, 10)],
)
async def test_part_of_a_recording(
    tmp_path: Path, keys: KeyRing | None, asked: str, start: int, end: int
) -> None:
    """A single range is answered with 206 and exactly those bytes."""
    async with player(tmp_path, keys) as playing:
        call_id = await playing.record(3)
        _, _, whole = await playing.play(call_id)
        status, headers, body = await playing.play(call_id, Range=asked)

    assert status == 206
    assert body == whole[start:end]
    assert headers["Content-Range"] == f"bytes {start}-{end - 1}/96044"


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        ("bytes=96044-", 416, "beyond_the_end"),
        ("bytes=0-1,5-6", 416, "several_ranges"),
        ("items=0-1", 200, None),
    ],
)
async def test_ranges_that_cannot_be_served(
    tmp_path: Path, asked: str, status: int, reason: str | None
) -> None:
    """Beyond the end, or several at once, is refused; what is no range of bytes means the whole."""
    async with player(tmp_path) as playing:
        call_id = await playing.record(3)
        told, _, body = await playing.play(call_id, Range=asked)

    assert told == status
    assert reason is None or reason in body.decode()


async def test_call_that_was_not_recorded(tmp_path: Path) -> None:
    """Nothing was heard, nothing is there."""
    async with player(tmp_path) as playing:
        status, _, body = await playing.play(str(uuid4()))

    assert (status, body) == (404, b'{"reason": "not_found"}')


async def test_recording_whose_key_is_gone(tmp_path: Path) -> None:
    """A recording that cannot be opened is not missing: it is unavailable."""
    async with player(tmp_path, KEYS) as playing:
        call_id = await playing.record()
    async with player(tmp_path) as playing:
        status, _, body = await playing.play(call_id)

    assert (status, body) == (503, b'{"reason": "recording"}')


async def test_recording_that_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails half-way cuts the connection: half a recording never looks whole."""
    async with player(tmp_path) as playing:
        call_id = await playing.record(3)
        read, reads = LocalStore.read, []

        async def fail_later(store: LocalStore, name: str, start: int, count: int) -> bytes:
            reads.append(start)
            if start > wav.HEADER_BYTES:
                raise RecordingError("away", reason="unavailable")
            return await read(store, name, start, count)

        monkeypatch.setattr(LocalStore, "read", fail_later)
        with pytest.raises(aiohttp.ClientPayloadError):
            await playing.play(call_id, Range="bytes=100-")

    assert reads
