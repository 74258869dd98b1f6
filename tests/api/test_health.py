"""Liveness and readiness over real HTTP."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.api import health
from gateway.bridge.registry import Registry
from gateway.errors import StorageError
from tests.front_door import FrontDoor, front_door


async def ask(door: FrontDoor, path: str) -> tuple[int, object]:
    """Return status and JSON of a probe."""
    async with door.http.get(f"http://127.0.0.1:{door.port}{path}") as answer:
        return answer.status, await answer.json()


async def test_ready_and_alive() -> None:
    """A gateway that serves is alive and ready, and says how many calls it has."""
    async with front_door() as door:
        assert await ask(door, "/healthz") == (200, {"status": "ok"})
        assert await ask(door, "/readyz") == (200, {"status": "ready", "calls": 0})


async def test_live_calls_are_counted() -> None:
    """Readiness tells the number of live calls."""
    async with front_door() as door, door.call() as line:
        assert await ask(door, "/readyz") == (200, {"status": "ready", "calls": 1})
        await line.hang_up()


async def test_draining_is_alive_but_not_ready() -> None:
    """A gateway that drains wants no new calls, and must not be restarted for that."""
    async with front_door() as door:
        door.registry.draining = True
        assert await ask(door, "/healthz") == (200, {"status": "ok"})
        assert await ask(door, "/readyz") == (503, {"status": "draining", "calls": 0})


async def _away() -> bool:
    raise StorageError("away", reason="unavailable")


async def _silent() -> bool:
    await asyncio.Event().wait()
    return True


async def _empty() -> bool:
    return False


@pytest.mark.parametrize("database", [_away, _silent, _empty])
async def test_gateway_without_its_database_is_not_ready(
    database: Callable[[], Awaitable[bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that cannot be written down is not taken; the process need not be restarted for that."""
    monkeypatch.setattr(health, "_ANSWER_WITHIN_S", 0.05)
    parts = health.Health(Registry(max_active=1), database)
    request = make_mocked_request("GET", "/readyz")
    ready, alive = await parts.ready(request), await parts.live(request)

    assert (ready.status, alive.status) == (503, 200)
    assert ready.text == '{"status": "no_database", "calls": 0}'
