"""Liveness and readiness: a process that drains is alive, but wants no new calls."""

from aiohttp import web

from gateway.bridge.registry import Registry


class Health:
    """Lives as long as the process.

    Args:
        registry: the calls of this process.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def live(self, request: web.Request) -> web.Response:
        """Answer 200 as long as the process lives, also while it drains."""
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 when new calls are welcome, 503 while draining."""
        draining = self._registry.draining
        body = {"status": "draining" if draining else "ready", "calls": self._registry.live}
        return web.json_response(body, status=503 if draining else 200)
