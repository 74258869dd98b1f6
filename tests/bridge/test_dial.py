"""Reaching an agent over real HTTP and a real socket: the token, the prompt, and one deadline for it all."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.backlog import Backlog
from gateway.bridge.conversation import with_failed_transfer
from gateway.bridge.dial import Dialer
from gateway.errors import AgentConnectError, VatelApiError
from gateway.records import CallInfo, Opening
from gateway.vatel.addresses import Addresses
from gateway.vatel.rest import VatelClient
from tests.vatel.hearing import HeldBacklog, full, receive

AGENT = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"


def call(agent_id: str = "other-agent", **opening: Any) -> CallInfo:
    """Return a call that its agent is to begin so."""
    return CallInfo("id", "CA1", "AC1", "+1", "+2", agent_id, opening=Opening(**opening))


OWN = call(AGENT)


@dataclass
class Vatel:
    """A stand-in for Vatel that does what the test says."""

    token_status: int = 200
    token_wait_s: float = 0.0
    agent_status: int = 200
    prompt: str | None = "Book tables."
    upgrade_status: int = 101
    asked: list[dict[str, object]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    url: str = ""

    async def token(self, request: web.Request) -> web.Response:
        """Mint a token."""
        self.asked.append(await request.json())
        await asyncio.sleep(self.token_wait_s)
        if self.token_status != 200:
            return web.Response(status=self.token_status, headers={"Retry-After": "2"})
        return web.json_response({"token": f"token-{len(self.asked)}"})

    async def agent(self, request: web.Request) -> web.Response:
        """Describe the agent."""
        if self.agent_status != 200:
            return web.Response(status=self.agent_status)
        return web.json_response({"id": request.match_info["id"], "name": "Tables", "prompt": self.prompt})

    async def connection(self, request: web.Request) -> web.StreamResponse:
        """Open the socket."""
        self.shown.append(request.query["token"])
        if self.upgrade_status != 101:
            return web.Response(status=self.upgrade_status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('{"type":"session_started","data":{"id":"s-1"}}')
        async for message in socket:
            await socket.send_str(message.data)
        return socket


@asynccontextmanager
async def dialer(
    vatel: Vatel, timeout_s: float = 3.0, backlog: Backlog | None = None
) -> AsyncIterator[Dialer]:
    """Return a dialer for a stand-in that listens on a free port."""
    app = web.Application()
    app.router.add_post("/v1/session-token", vatel.token)
    app.router.add_get("/v1/agents/{id}", vatel.agent)
    app.router.add_get("/v1/connection", vatel.connection)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vatel.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as http:
            yield Dialer(
                VatelClient(http, vatel.url, "key", timeout_s),
                socket_url=vatel.url.replace("http", "ws") + "/v1/connection",
                timeout_s=timeout_s,
                resume_message="Sorry, please go on.",
                addresses=Addresses(),
                backlog=backlog or Backlog(),
            )
    finally:
        await runner.cleanup()


async def test_new_session() -> None:
    """A new session is asked for by the agent's id alone; its token opens one socket."""
    vatel = Vatel()
    async with dialer(vatel) as dial:
        socket = await dial.to(OWN)("")
        assert json.loads(str(await receive(socket)))["type"] == "session_started"
        await socket.close()

    assert vatel.asked[0]["agent_id"] == AGENT
    assert not {"prompt", "first_message"} & vatel.asked[0].keys()
    assert vatel.shown == ["token-1"]


async def test_what_is_long_waits_for_its_turn() -> None:
    """In the backlog that all sockets share."""
    backlog = HeldBacklog()
    async with dialer(Vatel(), backlog=backlog) as dial:
        socket = await dial.to(OWN)("")
        taken: list[str] = []
        socket.listen(lambda text: taken.append(str(text)))
        socket.send("x" * 1_000)
        async with asyncio.timeout(5):
            await full(socket)
        backlog.pass_by()
        assert taken[-1] == "x" * 1_000
        await socket.close()


async def test_each_socket_has_its_own_token() -> None:
    """No token is shown twice."""
    vatel = Vatel()
    async with dialer(vatel) as dial:
        for _ in range(3):
            await (await dial.to(OWN)("")).close()

    assert vatel.shown == ["token-1", "token-2", "token-3"]


async def test_takeover_knows_prompt_and_story() -> None:
    """A session that takes over gets the agent's own prompt, the story so far, and words to begin with."""
    vatel = Vatel(prompt="Book {tables}.")
    async with dialer(vatel) as dial:
        await (await dial.to(OWN)("Caller: {Hello}?\nYou: Hi.")).close()

    prompt = str(vatel.asked[0]["prompt"])
    assert prompt.startswith("Book {tables}.\n")
    assert prompt.endswith("Caller: {Hello}?\nYou: Hi.")
    assert vatel.asked[0]["first_message"] == "Sorry, please go on."


async def test_agent_whose_transfer_failed_is_told_so() -> None:
    """A session that gets a caller back knows that its transfer failed and why, and begins with that."""
    vatel = Vatel(prompt="Book tables.")
    so_far = with_failed_transfer("You: I will put you through.", "no-answer")
    async with dialer(vatel) as dial:
        await (await dial.to(OWN)(so_far)).close()
        await (await dial.to(OWN)(so_far + "\nYou: Nobody is there.")).close()

    prompts = [str(asked["prompt"]) for asked in vatel.asked]
    assert prompts[0].startswith("Book tables.\n\nYou were putting the caller through to somebody else")
    assert prompts[0].endswith("failed: no-answer. The caller is back with you.]")
    assert "phone line broke" in prompts[1]
    words = [asked["first_message"] for asked in vatel.asked]
    assert words == ["I am sorry, I could not put you through.", "Sorry, please go on."]


async def test_takeover_of_an_agent_without_a_prompt() -> None:
    """An agent without a prompt of its own gets the story alone."""
    vatel = Vatel(prompt=None)
    async with dialer(vatel) as dial:
        await (await dial.to(OWN)("You: Hi.")).close()

    assert str(vatel.asked[0]["prompt"]).startswith("The phone line broke")


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_takeover_keeps_its_instructions(status: int) -> None:
    """An agent that cannot be looked up keeps its own prompt, rather than none but ours."""
    vatel = Vatel(agent_status=status)
    async with dialer(vatel) as dial:
        await (await dial.to(OWN)("You: Hi.")).close()

    assert "prompt" not in vatel.asked[0]
    assert vatel.asked[0]["first_message"] == "Sorry, please go on."


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (429, "rate_limited"),
        (503, "unavailable"),
    ],
)
async def test_no_token(status: int, reason: str) -> None:
    """A refused token is Vatel's error, with how long it asks us to wait; no socket is tried."""
    vatel = Vatel(token_status=status)
    async with dialer(vatel) as dial:
        with pytest.raises(VatelApiError) as caught:
            await dial.to(OWN)("")

    assert (caught.value.reason, caught.value.status) == (reason, status)
    assert getattr(caught.value, "retry_after_s", None) == 2.0
    assert vatel.shown == []
    assert len(vatel.asked) == 1


@pytest.mark.parametrize(("status", "reason"), [(401, "unauthorized"), (500, "server_error")])
async def test_no_socket(status: int, reason: str) -> None:
    """A refused upgrade is an error of the connect; the token is not shown again."""
    vatel = Vatel(upgrade_status=status)
    async with dialer(vatel) as dial:
        with pytest.raises(AgentConnectError) as caught:
            await dial.to(OWN)("")

    assert (caught.value.reason, caught.value.status) == (reason, status)
    assert vatel.shown == ["token-1"]


@pytest.mark.parametrize("so_far", ["", "You: Hi."])
async def test_token_that_never_comes(so_far: str) -> None:
    """Token and socket share one deadline; when it passes, that is a timeout."""
    vatel = Vatel(token_wait_s=30)
    async with dialer(vatel, timeout_s=0.2) as dial:
        started = time.monotonic()
        with pytest.raises((AgentConnectError, VatelApiError)) as caught:
            await dial.to(OWN)(so_far)

    assert caught.value.reason == "timeout"
    assert time.monotonic() - started < 5


async def test_nobody_there() -> None:
    """A host that takes no connection is named as unreachable."""
    vatel = Vatel()
    async with dialer(vatel) as dial:
        pass
    async with aiohttp.ClientSession() as http:
        dial = Dialer(
            VatelClient(http, vatel.url, "key", 1.0),
            socket_url="ws://127.0.0.1:9/v1/connection",
            timeout_s=1.0,
            resume_message="",
            addresses=Addresses(),
            backlog=Backlog(),
        )
        with pytest.raises(VatelApiError) as caught:
            await dial.to(OWN)("")

    assert caught.value.reason == "unreachable"


async def test_call_has_its_own_agent_and_opening() -> None:
    """Version, prompt, first words and variables go with the token; what is not given is not sent."""
    vatel = Vatel()
    variables = (("name", "Ada"), ("count", "3"))
    async with dialer(vatel) as dial:
        full = call(
            vatel_version_id="v7", prompt="Help Ada.", first_message="Hello Ada.", variables=variables
        )
        await (await dial.to(full)("")).close()
        await (await dial.to(call())("")).close()

    first, second = vatel.asked
    assert (first["agent_id"], first["version_id"]) == ("other-agent", "v7")
    assert (first["prompt"], first["first_message"]) == ("Help Ada.", "Hello Ada.")
    assert first["variables"] == [{"key": "name", "value": "Ada"}, {"key": "count", "value": "3"}]
    assert not {"version_id", "prompt", "first_message", "variables"} & second.keys()


async def test_takeover_goes_on_with_the_calls_own_prompt() -> None:
    """It is not looked up; the first words are those of a takeover, the variables stay."""
    vatel = Vatel(prompt="The platform's own.")
    async with dialer(vatel) as dial:
        opened = call(prompt="Help Ada.", first_message="Hello Ada.", variables=(("name", "Ada"),))
        await (await dial.to(opened)("Caller: Hello?")).close()

    prompt = str(vatel.asked[0]["prompt"])
    assert prompt.startswith("Help Ada.\n")
    assert prompt.endswith("Caller: Hello?")
    assert vatel.asked[0]["first_message"] == "Sorry, please go on."
    assert "variables" in vatel.asked[0]
