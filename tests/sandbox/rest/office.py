"""Somebody who works with a sandbox's REST API, by hand: what is sent and what comes back, nothing hidden."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiohttp import ClientSession

from gateway.sandbox.server import Sandbox

NOBODY = "11111111-2222-4333-8444-555555555555"
KEY = "office-key"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        body: parsed when it is JSON, else as it is.
    """

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def error(self) -> str:
        """The text of an error body."""
        assert set(self.body) == {"error"}, self.body
        return str(self.body["error"])

    @property
    def plain(self) -> tuple[int, Any]:
        """Status and body alone."""
        return self.status, self.body


class Office:
    """Lives as long as :func:`opened` holds it."""

    def __init__(self, sandbox: Sandbox, http: ClientSession, key: str = KEY) -> None:
        self.sandbox = sandbox
        self._http = http
        self.key = key

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; a body that is no bytes is sent as JSON."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        all_headers = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        async with self._http.request(
            method, self.sandbox.url + path, data=data and BytesIO(data), headers=all_headers
        ) as answer:
            content = await answer.read()
            is_json = answer.content_type == "application/json"
            return Answer(answer.status, json.loads(content) if is_json else content, answer.headers)

    async def get(self, path: str, **headers: str) -> Answer:
        """Send a GET."""
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, body: Any = None) -> Answer:
        """Send a POST."""
        return await self.ask("POST", path, body)

    async def patch(self, path: str, body: Any) -> Answer:
        """Send a PATCH."""
        return await self.ask("PATCH", path, body)

    async def delete(self, path: str) -> Answer:
        """Send a DELETE."""
        return await self.ask("DELETE", path)

    async def agent(self, **fields: object) -> str:
        """Create an agent and return its id."""
        answer = await self.post("/v1/agents", {"name": "New", **fields})
        assert answer.status == 201, answer
        return str(answer.body["id"])

    async def published(self, **fields: object) -> str:
        """Create an agent that can be called and return its id."""
        agent_id = await self.agent(**fields)
        [version] = (await self.get(f"/v1/agents/{agent_id}/versions")).body
        published = await self.post(f"/v1/agents/{agent_id}/versions/{version['id']}/publish")
        assert published.status == 200, published
        return agent_id

    async def rival(self) -> "Office":
        """Return somebody of another organization."""
        made = await self.post("/sandbox/organizations", {"name": "Rival", "api_key": "rival-key"})
        assert made.status == 201, made
        return Office(self.sandbox, self._http, "rival-key")

    async def token(self, agent_id: str, **more: object) -> str:
        """Return a session token."""
        answer = await self.post("/v1/session-token", {"agent_id": agent_id, **more})
        assert answer.status == 200, answer
        return str(answer.body["token"])

    async def refused(self, token: str) -> Answer:
        """Ask for an upgrade that is not granted."""
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        return await self.ask("GET", f"/v1/connection?token={token}", headers=headers)


@asynccontextmanager
async def opened(sandbox: Sandbox | None = None) -> AsyncIterator[Office]:
    """Run a sandbox and open an office beside it."""
    sandbox = sandbox or Sandbox(api_key=KEY)
    await sandbox.start()
    try:
        async with ClientSession() as http:
            yield Office(sandbox, http, sandbox.api_key)
    finally:
        await sandbox.stop()
