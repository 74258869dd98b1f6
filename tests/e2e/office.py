"""An office that uses a gateway by its API, over real HTTP, with a key of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.e2e.process import GatewayProcess
from tests.e2e.town import AGENT, Town

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Office:
    """Lives as long as :func:`office` holds it."""

    url: str
    http: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        """Ask the API; return the data of its answer, or with another status its details."""
        async with self.http.request(method, f"{self.url}/api/v1{path}", json=body) as answer:
            told = await answer.json()
            assert answer.status == status, told
            return told["data"] if told["success"] else told["details"]

    async def until(self, path: str, done: Callable[[Any], bool]) -> Any:
        """Ask for something until it is as it shall be; return it."""
        async with asyncio.timeout(_PATIENCE_S):
            while not done(found := await self.ask("GET", path)):  # noqa: ASYNC110 - an API is asked
                await asyncio.sleep(0.02)
        return found

    async def play(self, call_id: str) -> bytes:
        """Play a call's recording by its link, without a key, once it is made; return the WAV."""
        link = (await self.ask("GET", f"/calls/{call_id}/recording"))["recording_url"]
        async with asyncio.timeout(_PATIENCE_S), aiohttp.ClientSession() as http:
            while True:
                async with http.get(link) as answer:
                    if answer.status == 200:
                        return await answer.read()
                await asyncio.sleep(0.05)

    async def hire(self, place: Town | GatewayProcess, number: str, **fields: object) -> dict[str, Any]:
        """Create an agent that answers a number with the town's Vatel agent."""
        vatel_agent_id = place.sandbox.agent_id(AGENT)
        wanted = {"name": "Desk", "system_prompt": "Be kind.", "vatel_agent_id": vatel_agent_id} | fields
        agent: dict[str, Any] = await self.ask("POST", "/agents", wanted, 201)
        await self.ask("POST", "/numbers", {"number": number, "agent_id": agent["id"]}, 201)
        return agent

    async def live_call(self) -> dict[str, Any]:
        """Wait for the one call that is being talked on."""
        page = await self.until("/calls?status=in_progress", lambda page: page["total"] == 1)
        call: dict[str, Any] = page["items"][0]
        return call

    async def ended(self, call_id: str) -> dict[str, Any]:
        """Wait until a call is over; return it."""
        call: dict[str, Any] = await self.until(
            f"/calls/{call_id}", lambda call: call["ended_at"] is not None
        )
        return call


@asynccontextmanager
async def office(url: str, key: str) -> AsyncIterator[Office]:
    """Open an office with a key."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http:
        yield Office(url, http)
