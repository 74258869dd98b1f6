"""Liveness and readiness over real HTTP."""

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
