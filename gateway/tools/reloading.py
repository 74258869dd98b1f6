"""Keeps a toolbox equal to its file: looked at every second, and at once when asked (SIGHUP)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gateway.errors import ConfigError
from gateway.telemetry.log import get_logger
from gateway.telemetry.redact import Cleared
from gateway.tools.catalog import Catalog
from gateway.tools.groups import task_group
from gateway.tools.loading import Stamp, stamp

log = get_logger(__name__)

_LOOK_EVERY_S = 1.0


class Reloader:
    """Lives as long as the process.

    Args:
        path: the tools file.
        load: reads it whole.
        use: takes a good catalogue; a bad file changes nothing.
    """

    def __init__(self, path: Path, load: Callable[[], Catalog], use: Callable[[Catalog], None]) -> None:
        self._path = path
        self._load = load
        self._use = use
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read the file again even if it looks the same: a secret that it points to may have changed."""
        self._asked.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch for as long as the context is held."""
        async with task_group() as group:
            watching = group.create_task(self._watch())
            try:
                yield
            finally:
                watching.cancel()

    async def _watch(self) -> None:
        seen = await asyncio.to_thread(stamp, self._path)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._asked.wait()
            found = await asyncio.to_thread(stamp, self._path)
            if self._asked.is_set() or found != seen:
                self._asked.clear()
                seen = found
                await self._reload(found)

    async def _reload(self, found: Stamp | None) -> None:
        try:
            catalog = await asyncio.to_thread(self._load)
        except ConfigError as error:
            # Beside the loop: a file may have any number of faults.
            await asyncio.to_thread(self._refuse, str(error).split("\n"))
            return
        self._use(catalog)
        log.info("tools_loaded", path=str(self._path), tools=len(catalog.tools))

    def _refuse(self, faults: list[str]) -> None:
        for fault in faults:
            log.error("tools_fault", fault=Cleared(fault))
        log.error("tools_refused", path=str(self._path), faults=len(faults))
