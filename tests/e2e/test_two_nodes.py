"""Two gateways on one PostgreSQL and one Valkey: what happens on one, the other knows, shows and ends."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway import settings
from gateway.app import Gateway, serving
from gateway.sandbox.server import Sandbox
from gateway.simulator.caller import SilentCaller
from gateway.simulator.report import CallReport
from gateway.simulator.simulator import GATEWAY_NUMBER, Simulator
from tests.databases import PostgresServer
from tests.e2e.office import Office, office
from tests.e2e.test_control import GREETING, TALK, WISH, watched
from tests.e2e.town import ACCOUNT_SID, AGENT, AUTH_TOKEN
from tests.live_room import statuses, texts
from tests.valkeys import Valkey, own_valkey

__all__ = ["own_valkey"]

REQUESTS = int(os.environ.get("REQUESTS_PER_MINUTE", "60"))
"""What one key may ask in a minute; the gateway's own limit of 1000 can be asked for."""

ASKERS = 8
Scene = Callable[["Pair"], Awaitable[None]]


class Pair:
    """Two gateways, A and B, with a key that both know. Lives as long as :func:`pair` holds it."""

    def __init__(self, simulator: Simulator, sandbox: Sandbox, a: Office, b: Office) -> None:
        self.simulator = simulator
        self.sandbox = sandbox
        self.a = a
        self.b = b

    async def call_a(self) -> CallReport:
        """Call A and stay until it ends the call."""
        return await self.simulator.call(f"{self.a.url}/twilio/voice", SilentCaller())


@asynccontextmanager
async def pair(database_url: str, cluster_url: str, folder: Path) -> AsyncIterator[Pair]:
    """Run two gateways in this process: two of everything but the database and the server between them."""
    async with Simulator(ACCOUNT_SID, AUTH_TOKEN) as simulator:
        sandbox = Sandbox()
        sandbox.add(AGENT, TALK)
        await sandbox.start()
        try:
            place = partial(gateway, simulator, sandbox, database_url, cluster_url)
            async with place(folder / "a") as (first, a_url), place(folder / "b") as (_, b_url):
                assert first.first is not None
                async with office(a_url, first.first.key) as a, office(b_url, first.first.key) as b:
                    yield Pair(simulator, sandbox, a, b)
        finally:
            await sandbox.stop()


@asynccontextmanager
async def gateway(
    simulator: Simulator, sandbox: Sandbox, database_url: str, cluster_url: str, folder: Path
) -> AsyncIterator[tuple[Gateway, str]]:
    """Run one node; yield it and its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "public_url": url,
        "vatel.base_url": sandbox.url,
        "vatel.api_key": sandbox.api_key,
        "vatel.agent_id": sandbox.agent_id(AGENT),
        "twilio.account_sid": ACCOUNT_SID,
        "twilio.auth_token": AUTH_TOKEN,
        "twilio.api_base_url": simulator.rest_url,
        "recordings.folder": str(folder),
        "api.requests_per_minute": str(REQUESTS),
    }
    secrets = {"GATEWAY_DATABASE__URL": database_url, "GATEWAY_CLUSTER__URL": cluster_url}
    async with serving(settings.load(values, env=secrets), listener) as running:
        yield running, url


async def node_b_has_the_call(nodes: Pair) -> None:
    """List, watch and end through B a call that lives on A."""
    agent = await nodes.b.ask("POST", "/agents", {"name": "Desk", "system_prompt": "Be kind."}, 201)
    await nodes.b.ask("POST", "/numbers", {"number": GATEWAY_NUMBER, "agent_id": agent["id"]}, 201)
    async with asyncio.TaskGroup() as group:
        calling = group.create_task(nodes.call_a())
        call = await nodes.b.live_call()
        watching = group.create_task(watched(nodes.b, call["id"]))
        await nodes.b.until(f"/calls/{call['id']}/transcript", lambda told: len(told["transcript"]) == 2)
        assert (await nodes.b.ask("GET", "/capacity"))["limit"] == 400
        await nodes.b.ask("POST", f"/calls/{call['id']}/end")
        report = await calling
        told = await watching
        over = await nodes.b.ended(call["id"])

    assert report.ended_by == "gateway"
    assert (over["status"], over["reason"]) == ("completed", "operator_ended")
    assert set(texts(told)) == {GREETING, WISH}
    assert statuses(told)[-1] == "completed"


async def requests_are_counted_together(nodes: Pair) -> None:
    """Ask both nodes at once until the key's requests are used up; not one more is let in, on either."""
    began_s = asyncio.get_running_loop().time()
    desks = iter([nodes.a, nodes.b] * (REQUESTS // 2))
    answers: list[tuple[int, int]] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(ASKERS):
            group.create_task(ask_all(desks, answers))
    over = [await asked(desk) for desk in (nodes.a, nodes.b, nodes.b, nodes.a)]

    assert asyncio.get_running_loop().time() - began_s < 60, "the first request has left the window"
    # What is left is counted down over both nodes without a step left out or taken twice.
    assert sorted(answers) == [(200, left) for left in range(REQUESTS)]
    assert over == [(429, 0)] * 4


async def ask_all(desks: Iterator[Office], answers: list[tuple[int, int]]) -> None:
    """Ask one desk after the other; note what they answer."""
    answers += [await asked(desk) for desk in desks]


async def asked(desk: Office) -> tuple[int, int]:
    """Ask for something; return the status, and how many requests are left."""
    async with desk.http.get(f"{desk.url}/api/v1/agents") as answer:
        return answer.status, int(answer.headers["X-RateLimit-Remaining"])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("scene", [node_b_has_the_call, requests_are_counted_together])
async def test_two_nodes(postgres: PostgresServer, own_valkey: Valkey, tmp_path: Path, scene: Scene) -> None:
    """A call on A is listed, watched and ended through B; one key's requests count over both."""
    async with pair(await postgres.create(), own_valkey.url, tmp_path) as nodes, asyncio.timeout(40):
        await scene(nodes)
