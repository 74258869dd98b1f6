"""A sandbox that is killed outright: what had ended by then is there at the next start."""

import asyncio
import base64
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from gateway.audio import wav
from gateway.sandbox.signals import sine
from tests.e2e.process import child, sandbox_listens

KEY: Final = "killed-key"
ECHO: Final = "00000000-0000-4000-8000-000000000001"
SESSIONS: Final = 5


class Client:
    """Somebody with the sandbox's key. Lives as long as the sandbox."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def get(self, path: str) -> Any:
        """Return an answer's JSON."""
        async with self._http.get(self._url + path) as answer:
            assert answer.status == 200, (path, answer.status)
            return await answer.json()

    async def recording(self, call_id: str) -> bytes:
        """Return a recording."""
        async with self._http.get(f"{self._url}/v1/calls/{call_id}/recording") as answer:
            assert answer.status == 200, (call_id, answer.status)
            return await answer.read()

    async def post(self, path: str, body: object) -> Any:
        """Send JSON and return the answer's."""
        async with self._http.post(self._url + path, json=body) as answer:
            assert answer.status in (200, 201), (path, answer.status)
            return await answer.json()

    async def session(self) -> tuple[aiohttp.ClientWebSocketResponse, str]:
        """Open a session with the echo; return its socket and id."""
        token = (await self.post("/v1/session-token", {"agent_id": ECHO}))["token"]
        socket = await self._http.ws_connect(f"{self._url}/v1/connection?token={token}")
        return socket, (await socket.receive()).json()["data"]["id"]


async def talk(client: Client) -> str:
    """Hold a short session to its end; return its id."""
    socket, call_id = await client.session()
    for _ in range(10):
        audio = base64.b64encode(sine(300.0, 0.02, -12.0)).decode()
        await socket.send_json({"type": "input_audio", "data": {"audio": audio}})
        await socket.receive()
    await socket.close()
    return call_id


@asynccontextmanager
async def sandbox(database: Path, *words: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Client]]:
    """Run a sandbox with a database in a process of its own."""
    async with (
        child("sandbox", "--port", "0", "--database", str(database), *words) as process,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as http,
    ):
        yield process, Client(http, await sandbox_listens(process))


async def ended(client: Client, calls: list[str]) -> None:
    """Wait until calls have ended, as a client sees it."""
    async with asyncio.timeout(10):
        for call_id in calls:
            for _ in range(1_000):
                if (await client.get(f"/v1/calls/{call_id}"))["status"] == "ended":
                    break
                await asyncio.sleep(0.005)


@pytest.mark.timeout(60)
async def test_killed_sandbox_loses_no_finished_call(tmp_path: Path) -> None:
    """Calls and recordings, an agent and a key outlive kill -9; a call that was going on is closed."""
    database = tmp_path / "box.db"
    async with sandbox(database, "--api-key", KEY) as (process, client):
        agent = await client.post("/v1/agents", {"name": "Ada"})
        finished = [await talk(client) for _ in range(SESSIONS)]
        await ended(client, finished)
        before = [await client.get(f"/v1/calls/{call_id}") for call_id in finished]
        recordings = [await client.recording(call_id) for call_id in finished]
        _, going_on = await client.session()
        assert (await client.get(f"/v1/calls/{going_on}"))["status"] == "in_progress"
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL

    async with sandbox(database) as (_, client):  # the key is the database's
        assert [await client.get(f"/v1/calls/{call_id}") for call_id in finished] == before
        assert [await client.recording(call_id) for call_id in finished] == recordings
        assert all(len(wav.read(recording)[0]) > 1_000 for recording in recordings)
        closed = await client.get(f"/v1/calls/{going_on}")
        assert (closed["status"], closed["termination_reason"]) == ("ended", "server_stopped")
        assert await client.get(f"/v1/agents/{agent['id']}") == agent
        total = (await client.get("/v1/calls"))["pagination"]["total"]

    async with sandbox(database, "--api-key", KEY, "--reset") as (_, client):
        assert (await client.get("/v1/calls"))["pagination"]["total"] == total - SESSIONS - 1
