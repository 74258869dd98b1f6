"""Liveness and readiness: a process that drains is alive, but wants no new calls; nor without a database."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.bridge.registry import Registry
from gateway.errors import StorageError

_ANSWER_WITHIN_S = 1.0


async def _no_database() -> bool:
    return True


class Health:
    """Lives as long as the process.

    Args:
        registry: the calls of this process.
        database_answers: whether calls can be written down; may raise StorageError.
    """

    def __init__(
        self, registry: Registry, database_answers: Callable[[], Awaitable[bool]] = _no_database
    ) -> None:
        self._registry = registry
        self._database_answers = database_answers

    async def live(self, request: web.Request) -> web.Response:
        """Answer 200 as long as the process lives, also while it drains."""
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 when new calls are welcome, 503 while draining or while none can be written down."""
        status = "draining" if self._registry.draining else await self._status()
        body = {"status": status, "calls": self._registry.live}
        return web.json_response(body, status=200 if status == "ready" else 503)

    async def _status(self) -> str:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return "ready" if await self._database_answers() else "no_database"
        except (StorageError, TimeoutError):
            return "no_database"
