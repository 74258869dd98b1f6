"""Placing what is due: highest priority first, within the rate, the room and the rules, each task once.

Every node runs one. The rules are asked before a task is claimed: one that must wait for the end of the
quiet hours is postponed, with nothing dialled and nothing counted; one that may never be dialled fails.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from gateway.dialling.config import DialConfig
from gateway.dialling.opening import vatel_agent_id
from gateway.dialling.placing import Placer
from gateway.errors import GatewayError, StorageError
from gateway.storage.agents import Agents
from gateway.storage.database import Database
from gateway.storage.dial_policy import Block, blocks
from gateway.storage.dial_queue import DialQueue
from gateway.storage.rows import Call, Task
from gateway.storage.tasks import Tasks

log = structlog.get_logger()

_POLL_S = 0.25
_AFTER_FAILURE_S = 1.0
_BATCH = 50
_SIDE_BY_SIDE = 16  # requests under way; more would keep each other from the database
_TRIES = 30  # at the database, a second apart: less than a call may wait to be asked for
_SPARE = 150  # other nodes may be claiming the first ones


class Scheduler:
    """Lives as long as the process.

    Args:
        now: the wall clock.
        clock: the monotonic one.
        draining: whether this process is about to leave: it places nothing then.
    """

    def __init__(
        self,
        database: Database,
        placer: Placer,
        config: DialConfig,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self._draining = draining
        self._queue = DialQueue(database)
        self._tasks = Tasks(database)
        self._agents = Agents(database)
        self._placer = placer
        self._config = config
        self._now = now
        self._clock = clock
        self._permits = 1.0
        self._counted_at = clock()
        self._places = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def run(self) -> None:
        """Place what is due, when it is due; ends by being cancelled."""
        async with asyncio.TaskGroup() as placing:
            while True:
                try:
                    started = await self.claim()
                except StorageError as error:
                    log.warning("tasks_not_claimed", reason=error.reason)
                    await asyncio.sleep(_AFTER_FAILURE_S)
                    continue
                for task, call in started:
                    placing.create_task(self.place(task, call))
                if not started:
                    await asyncio.sleep(_POLL_S)

    async def claim(self) -> list[tuple[Task, Call]]:
        """Claim what is due and may be dialled now, as much as rate and room allow.

        Raises:
            StorageError: the database is away.
        """
        limit = 0 if self._draining() else await self._room()
        if limit == 0:
            return []
        now = self._now()
        allowed: dict[str, Task] = {}
        for task, found in await self._judged(now, limit + _SPARE):
            if not found:
                allowed[task.id] = task
            else:
                await self._held_back(task, found, now)
        if not allowed:
            return []
        started = await self._tasks.claim_due(
            # Only as it was judged: a task may be given another number at any time.
            now,
            limit,
            self._placer.new_call,
            only=lambda task: allowed.get(task.id) == task,
            most_live=self._config.max_active,
        )
        self._permits -= len(started)
        return started

    async def place(self, task: Task, call: Call) -> None:
        """Place a claimed task's call; whatever fails is told by the call's row.

        A database that is away is waited for: Twilio was not asked by then.
        """
        for _ in range(_TRIES):
            try:
                async with self._places:
                    return await self._place(task, call)
            except StorageError as error:
                log.warning("call_waits", call_id=call.id, task_id=task.id, reason=error.reason)
                await asyncio.sleep(_AFTER_FAILURE_S)
            except GatewayError as error:
                log.warning("call_not_placed", call_id=call.id, task_id=task.id, reason=error.reason)
                return

    async def _place(self, task: Task, call: Call) -> None:
        agent = await self._agents.find(task.organization_id, task.agent_id)
        if agent is None or not agent.enabled:
            await self._placer.give_up(call, "agent_disabled")
        elif vatel_agent_id(agent, self._config) is None:
            await self._placer.give_up(call, "no_vatel_agent")
        else:
            await self._placer.place(call, task)

    async def _room(self) -> int:
        """Return how many calls may be placed now, by the rate of this process and the calls of all.

        Other nodes look at the same moment: the room is looked at again with the claim.
        """
        now, rate = self._clock(), self._config.calls_per_second
        self._permits = min(max(1.0, rate), self._permits + (now - self._counted_at) * rate)
        self._counted_at = now
        if self._permits < 1.0:
            return 0
        free = self._config.max_active - await self._queue.count_live()
        return max(0, min(_BATCH, int(self._permits), free))

    async def _judged(self, now: datetime, limit: int) -> list[tuple[Task, list[Block]]]:
        """Return tasks that are due, each with the rules that forbid to dial it now."""
        due = await self._queue.list_due(now, limit)
        if not due:
            return []
        policy = self._config.policy
        facts = await self._queue.facts(due, now - timedelta(seconds=policy.attempt_window_s))
        return [
            (task, blocks(task.to_number, now, known, policy, task.time_zone))
            for task, known in zip(due, facts, strict=True)
        ]

    async def _held_back(self, task: Task, found: list[Block], now: datetime) -> None:
        """Postpone a task that only has to wait; fail one that may not be dialled at all."""
        until = [block.until for block in found]
        if all(until):
            await self._queue.postpone(task, max(moment for moment in until if moment), now)
            return
        rule = next(block.rule for block in found if block.until is None)
        call = await self._tasks.start(self._placer.new_call(task))
        if call is not None:
            await self._placer.give_up(call, f"blocked_{rule}")
