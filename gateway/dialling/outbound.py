"""Outbound calls as the control plane uses them: make, place, stop, and what runs beside it."""

from collections.abc import Callable
from datetime import datetime

from gateway.dialling.config import DialConfig
from gateway.storage.database import Database
from gateway.storage.rows import Agent, Call, NewCall, Task
from gateway.twilio.rest import TwilioClient


class Outbound:
    """Lives as long as the process.

    Args:
        twilio: None without credentials: no calls are placed.
        node: this process's name.
        now: the wall clock.
    """

    def __init__(
        self,
        database: Database,
        twilio: TwilioClient | None,
        config: DialConfig,
        *,
        node: str,
        now: Callable[[], datetime],
    ) -> None:
        raise NotImplementedError

    def new_call(self, task: Task) -> NewCall:
        """Make the call of a task: ``NewCallOf`` of the control plane."""
        raise NotImplementedError

    async def place_call(self, call: Call, task: Task, agent: Agent) -> None:
        """Ask Twilio for a call whose row has begun: ``PlaceCall`` of the control plane.

        Raises:
            TwilioApiError: Twilio refused; the call's row has ended.
        """
        raise NotImplementedError

    async def stop(self, call: Call) -> None:
        """End a call that no node hosts, be it queued, ringing, or not asked for yet; over or not.

        For end and cancel alike, once no node takes a command for it (ClusterError ``no_owner``).

        Raises:
            TwilioApiError: Twilio could not be told.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Place what is due and settle what Twilio did not tell of; ends by being cancelled."""
        raise NotImplementedError
