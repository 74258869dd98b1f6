"""The control plane put together by its settings: what is served, what goes on behind it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.api.server import server
from gateway.bridge.registry import Registry
from gateway.control_plane import Plane, control_plane, dial_config, dial_policy, utc_now
from gateway.dialling.outbound import Outbound
from gateway.egress.client import Outgoing
from gateway.errors import EgressError
from gateway.foundations import Foundations, at_work, foundations
from gateway.settings import Settings
from gateway.storage.calls import Calls
from gateway.storage.outbox import Outbox
from gateway.vatel.rest import VatelClient
from gateway.webhooks import deliveries
from tests.databases import held
from tests.tenants import HUNG_UP, tenant
from tests.test_foundations import settings


@asynccontextmanager
async def built(wanted: Settings) -> AsyncIterator[tuple[Plane, Foundations]]:
    """Put a control plane together; nothing is reached from it."""
    async with foundations(wanted, lambda: 0.0) as ground, aiohttp.ClientSession() as http:
        outbound = Outbound(ground.database, None, dial_config(wanted), node=ground.cluster.node, now=utc_now)
        vatel = VatelClient(http, "http://127.0.0.1:9", "key")
        plane = control_plane(wanted, ground, Registry(max_active=1), outbound, vatel)
        yield plane, ground
        await plane.egress.close()


@asynccontextmanager
async def served(wanted: Settings) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Serve a control plane; yield a client that shows the first key, and the address."""
    async with built(wanted) as (plane, ground):
        runner = server([*plane.routes, web.get("/readyz", plane.health.ready)])
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listener).start()
        assert ground.first is not None
        headers = {"Authorization": f"Bearer {ground.first.key}"}
        try:
            async with aiohttp.ClientSession(headers=headers) as http:
                yield http, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            plane.dismiss()
            await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/agents", 200),
        ("/api/v1/capacity", 200),
        ("/api/v1/api-keys", 403),
        ("/openapi.json", 200),
        ("/docs", 200),
        ("/ws/calls/3f0c2b1a-0000-4000-8000-00000000abcd", 404),
        ("/readyz", 200),
        ("/api/v2/agents", 404),
    ],
)
async def test_what_is_served(tmp_path: Path, path: str, status: int) -> None:
    """The API, its description, the live sockets and readiness answer on one port."""
    async with served(settings(tmp_path)) as (http, url), http.get(url + path) as answer:
        assert answer.status == status, await answer.text()


async def test_settings_reach_the_api(tmp_path: Path) -> None:
    """Rate limit and capacity are those of the settings."""
    wanted = settings(tmp_path, api={"requests_per_minute": 2}, calls={"max_active": 7})
    async with served(wanted) as (http, url):
        async with http.get(f"{url}/api/v1/capacity") as answer:
            told = await answer.json()
            limit = answer.headers["X-RateLimit-Limit"]
        async with http.get(f"{url}/api/v1/capacity"), http.get(f"{url}/api/v1/capacity") as answer:
            last = answer.status

    assert told["data"] == {"active": 0, "limit": 7, "available": 7}
    assert (limit, last) == ("2", 429)


@pytest.mark.parametrize(
    ("cidr", "saved", "sent"), [("", 400, "refused_url"), ("127.0.0.0/8", 404, "connect")]
)
async def test_networks_of_webhooks_reach_the_api_and_the_way_out(
    tmp_path: Path, cidr: str, saved: int, sent: str
) -> None:
    """What is not allowed is refused when it is saved and when it is sent; what is allowed is gone to."""
    hook, wanted = "https://127.0.0.1:1/hook", settings(tmp_path, webhooks={"allow_private": cidr})
    task = {"agent_id": "0" * 32, "name": "Call", "to_number": "+15550100", "webhook_url": hook}
    async with served(wanted) as (http, url), http.post(f"{url}/api/v1/tasks", json=task) as answer:
        assert answer.status == saved, await answer.text()
    async with built(wanted) as (plane, _):
        with pytest.raises(EgressError) as caught:
            await plane.egress.send(Outgoing("POST", hook, {}, b""), connect_s=5)
        assert caught.value.reason == sent


async def test_all_that_goes_on_behind_it(tmp_path: Path) -> None:
    """Calls are placed, webhooks delivered, records fetched, recordings removed, watchers looked after."""
    async with built(settings(tmp_path)) as (plane, _):
        names = {getattr(work, "__qualname__", "") for work in plane.works}

    assert names == {"Outbound.run", "Deliveries.run", "PostCall.run", "Retention.run", "Live.run"}


async def test_event_webhook_waits_for_no_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put into the outbox here is tried at once, though the outbox is looked at but rarely."""
    monkeypatch.setattr(deliveries, "_POLL_S", 3_600.0)
    hook = "https://127.0.0.1:1/hook"
    async with built(settings(tmp_path, webhooks={"allow_private": "127.0.0.0/8"})) as (plane, ground):
        [works] = [work for work in plane.works if getattr(work, "__qualname__", "") == "Deliveries.run"]
        outbox = Outbox(ground.database)
        async with at_work(works):
            await asyncio.sleep(0)  # it has begun, with a look at an empty outbox
            acme = await tenant(ground.database)
            _, call = await acme.executed(webhook_url=hook)
            await Calls(ground.database.for_calls).end(call.id, HUNG_UP, utc_now())
            async with asyncio.timeout(10):
                while not (tried := (await outbox.list_page(acme.id, 10, 0)).items[0]).attempts:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    assert (tried.call_id, tried.attempts, tried.state) == (call.id, 1, "pending")


def put_a_folder_in_its_place(database: Path) -> None:
    """Make a SQLite file something that cannot be opened."""
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    database.mkdir()


async def test_database_that_goes_away_makes_it_unready(tmp_path: Path) -> None:
    """Readiness asks the database that calls are written to."""
    async with built(settings(tmp_path)) as (plane, ground):
        await ground.database.close()
        put_a_folder_in_its_place(tmp_path / "gateway.db")
        async with asyncio.timeout(5):
            assert await plane.health._status() == "no_database"


async def test_readers_that_hold_every_connection_leave_it_ready(tmp_path: Path) -> None:
    """Readiness asks over the connections that calls are written down by: they are what new calls need."""
    async with built(settings(tmp_path)) as (plane, ground), held(ground.database):
        assert await plane.health._status() == "ready"


def test_dial_settings_reach_dialling() -> None:
    """Each outbound setting has its place in what dialling knows."""
    outbound: dict[str, Any] = {
        "from_number": "+15005550006",
        "calls_per_second": 2.5,
        "max_active": 3,
        "ring_timeout_s": 20,
        "allowed_prefixes": "+49, +43",
        "quiet_from": "21:30",
        "quiet_until": "08:00",
        "time_zone": "Europe/Berlin",
        "max_attempts": 2,
        "attempt_window_s": 3_600,
        "with_variables": True,
    }
    agent_id = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"
    wanted = Settings.model_validate(
        {"public_url": "https://voice.example.com", "outbound": outbound, "vatel": {"agent_id": agent_id}}
    )
    config, policy = dial_config(wanted), dial_policy(wanted)

    assert (config.public_url, config.from_number) == ("https://voice.example.com", "+15005550006")
    assert (config.calls_per_second, config.max_active, config.ring_timeout_s) == (2.5, 3, 20)
    assert (config.default_vatel_agent_id, config.with_variables) == (agent_id, True)
    assert config.fill("Hello {{name}}", {"name": "Ada"}) == "Hello Ada"
    assert config.policy == policy
    assert policy.allowed_prefixes == ("+49", "+43")
    assert (policy.quiet_from, policy.quiet_until) == (time(21, 30), time(8, 0))
    assert (policy.time_zone, policy.max_attempts, policy.attempt_window_s) == ("Europe/Berlin", 2, 3_600)
