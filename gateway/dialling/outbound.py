"""Outbound calls as the control plane uses them: make, place, stop, and what runs beside it."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from gateway.dialling.callbacks import Callbacks
from gateway.dialling.config import DialConfig
from gateway.dialling.outcomes import STOPPED
from gateway.dialling.placing import Placer
from gateway.dialling.scheduler import Scheduler
from gateway.dialling.settling import Settler
from gateway.dialling.sids import CallSids
from gateway.errors import TwilioApiError
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Agent, Call, NewCall, Task
from gateway.twilio.rest import TwilioClient


class Outbound:
    """Lives as long as the process.

    Args:
        twilio: None without credentials: no calls are placed.
        node: this process's name.
        now: the wall clock.
        draining: whether this process is about to leave: it places no scheduled calls then.

    Attributes:
        sids: for the switchboard.
        callbacks: for Twilio's requests.
    """

    def __init__(
        self,
        database: Database,
        twilio: TwilioClient | None,
        config: DialConfig,
        *,
        node: str,
        now: Callable[[], datetime],
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        clock = asyncio.get_running_loop().time
        self._calls = Calls(database)
        self._twilio = twilio
        self._now = now
        self.sids = CallSids(database, twilio)
        self.callbacks = Callbacks(database, twilio, self.sids, config, node=node, now=now)
        self._placer = Placer(database, twilio, self.sids, config, node=node, now=now)
        self._settler = Settler(database, twilio, self.sids, now=now, clock=clock)
        able = twilio is not None and config.from_number is not None
        self._scheduler = (
            Scheduler(database, self._placer, config, now=now, clock=clock, draining=draining)
            if able
            else None
        )

    def new_call(self, task: Task) -> NewCall:
        """Make the call of a task: ``NewCallOf`` of the control plane."""
        return self._placer.new_call(task)

    async def place_call(self, call: Call, task: Task, agent: Agent) -> None:
        """Ask Twilio for a call whose row has begun: ``PlaceCall`` of the control plane.

        Raises:
            TwilioApiError: Twilio refused; the call's row has ended.
            ConfigError: this gateway places no calls; likewise.
            StorageError: the database is away.
        """
        await self._placer.place(call, task)

    async def stop(self, call: Call) -> None:
        """End a call that no node hosts, be it queued, ringing, or not asked for yet; over or not.

        For end and cancel alike, once no node takes a command for it (ClusterError ``no_owner``).

        Raises:
            TwilioApiError: Twilio could not be told.
            StorageError: the database is away.
        """
        now = self._now()
        await self._calls.note_step(call.id, "stop_asked_at", now)
        seen = await self._calls.find_by_id(call.id) or call
        if seen.call_sid is not None:
            await self._hang_up(seen.call_sid)
        elif seen.asked_at is None:
            # Whoever was about to ask for it finds that it is over, and does not.
            await self._calls.end(call.id, STOPPED, now)

    async def run(self) -> None:
        """Place what is due and settle what Twilio did not tell of; ends by being cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settler.run())
            if self._scheduler is not None:
                group.create_task(self._scheduler.run())

    async def _hang_up(self, call_sid: str) -> None:
        if self._twilio is None:
            raise TwilioApiError("this gateway has no phone account", reason="no_account")
        await self._twilio.hang_up(call_sid)
