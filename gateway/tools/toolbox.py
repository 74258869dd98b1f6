"""Where calls get their tools: each keeps those it began with, runs them once, has its answer in time.

A run whose result somebody may still use is a task of the process, not of the call: an idempotent tool that
is asked for again joins the run that goes on, and a result that is too late for the agent still reaches the
callback URL. Any other run is part of the question, and ends with the call.
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
from gateway.tools.groups import task_group
from gateway.tools.runner import Runner

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
        self._generations: set[Generation] = set()
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
        generation = Generation(
            catalog,
            egress,
            Runner(egress, catalog.signing, _today, random.random),
            Callbacks(egress, catalog.signing, _today),
            self._retire,
        )
        self._generations.add(generation)
        return generation

    def _retire(self, generation: Generation) -> None:
        self._generations.discard(generation)
        self._spawn(generation.egress.close())

    def enter(self, call: CallInfo) -> CallTools:
        """Return a call's tools: those it began with, until it leaves them at its end."""
        tools = self._calls.get(call.call_id)
        if tools is None:
            tools = CallTools(self._current, self._spawn, lambda: self._left(call.call_id))
            self._calls[call.call_id] = tools
        return tools

    def _left(self, call_id: str) -> None:
        if (tools := self._calls.pop(call_id, None)) is not None:
            tools.close()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Wait a moment for results that somebody may still get, then close the sockets."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_RESULTS_S)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        for generation in self._generations:
            await generation.egress.close()


@asynccontextmanager
async def opened(catalog: Catalog) -> AsyncIterator[Toolbox]:
    """Hold a toolbox; leave it once no call is live."""
    async with task_group() as group:
        toolbox = Toolbox(catalog, group)
        try:
            yield toolbox
        finally:
            await toolbox.close()


def _today() -> datetime:
    return datetime.now(UTC)
