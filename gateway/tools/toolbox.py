"""Where calls get their tools: each keeps those it began with, runs them once, has its answer in time.

A run is a task of the process, not of the call: an idempotent tool that is asked for again joins the run
that goes on, and a result that is too late for the agent still reaches the callback URL. A run that nobody
can use any more is cancelled.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.egress.client import Egress
from gateway.records import CallInfo
from gateway.tools.callback import Callbacks
from gateway.tools.calltools import CallTools
from gateway.tools.catalog import Catalog
from gateway.tools.generation import Generation
from gateway.tools.runner import Runner

_LINGER_S = 120.0  # a call whose stream broke may come back for its tools so long
_LAST_RESULTS_S = 5.0


class Toolbox:
    """Lives as long as :func:`opened` holds it.

    Args:
        catalog: the tools of calls that begin now.
        group: holds the runs.
    """

    def __init__(self, catalog: Catalog, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: dict[str, CallTools] = {}
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._current = self._make(catalog)

    @property
    def catalog(self) -> Catalog:
        """The tools of calls that begin now."""
        return self._current.catalog

    def replace(self, catalog: Catalog) -> None:
        """Give calls that begin from now on these tools; live ones keep theirs."""
        before, self._current = self._current, self._make(catalog)
        before.release()

    def _make(self, catalog: Catalog) -> Generation:
        egress = Egress(catalog.policy, per_host=catalog.per_host)
        return Generation(
            catalog,
            Runner(egress, catalog.signing, _today, random.random),
            Callbacks(egress, catalog.signing, _today),
            on_unused=lambda: self._spawn(egress.close()),
        )

    def enter(self, call: CallInfo) -> CallTools:
        """Return a call's tools, those it began with; each stream of the call enters, and leaves them."""
        call_id = call.call_id
        if (timer := self._leaving.pop(call_id, None)) is not None:
            timer.cancel()
        tools = self._calls.get(call_id)
        if tools is None:
            tools = CallTools(self._current, self._spawn, lambda: self._left(call_id))
            self._calls[call_id] = tools
        tools.streams += 1
        return tools

    def _left(self, call_id: str) -> None:
        if not self._calls[call_id].streams:
            loop = asyncio.get_running_loop()
            self._leaving[call_id] = loop.call_later(_LINGER_S, self._forget, call_id)

    def _forget(self, call_id: str) -> None:
        self._leaving.pop(call_id).cancel()
        self._calls.pop(call_id).close()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Let go of all calls, wait a moment for results that somebody may still get, close the sockets."""
        for call_id in list(self._leaving):
            self._forget(call_id)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_RESULTS_S)
        for task in self._tasks:
            task.cancel()
        self._current.release()


@asynccontextmanager
async def opened(catalog: Catalog) -> AsyncIterator[Toolbox]:
    """Hold a toolbox; leave it once no call is live."""
    async with asyncio.TaskGroup() as group:
        toolbox = Toolbox(catalog, group)
        try:
            yield toolbox
        finally:
            await toolbox.close()


def _today() -> datetime:
    return datetime.now(UTC)
