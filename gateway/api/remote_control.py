"""Orders to calls: to the node that hosts one, wherever it is, else to the carrier that lets it ring."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.api.call_control import CallControl
from gateway.api.call_models import Capacity
from gateway.cluster.interface import Commands
from gateway.errors import ClusterError
from gateway.storage.rows import Call


class ErasesRecordings(Protocol):
    """What has the audio of calls."""

    async def erase(self, recording_id: str) -> None:
        """Remove all of a call's audio."""


Stop = Callable[[Call], Awaitable[None]]
"""End a call that no node hosts: queued, ringing, not asked for yet, or over."""


class RemoteControl:
    """Lives as long as the process.

    Args:
        commands: reach the node that hosts a call.
        stop: for calls that none hosts.
        recordings: have their audio.
        count_live: how many calls there are, on all nodes.
        limit: how many there may be, on all nodes.
    """

    def __init__(
        self,
        commands: Commands,
        stop: Stop,
        recordings: ErasesRecordings,
        count_live: Callable[[], Awaitable[int]],
        limit: Callable[[], int],
    ) -> None:
        self._commands = commands
        self._stop = stop
        self._recordings = recordings
        self._count_live = count_live
        self._limit = limit

    def control(self) -> CallControl:
        """Return it as the control plane takes it."""
        return CallControl(
            end=self._end,
            cancel=self._end,  # its row says already what it came to
            transfer=self._transfer,
            erase_recording=lambda call: self._recordings.erase(call.id),
            capacity=self._capacity,
        )

    async def _end(self, call: Call) -> None:
        """End a call where it is live; where nothing of it is, by the carrier."""
        try:
            await self._commands.ask(call.id, "end")
        except ClusterError as fault:
            if fault.reason not in ("no_owner", "refused"):
                raise
            await self._stop(call)

    async def _transfer(self, call: Call, to_number: str) -> None:
        await self._commands.ask(call.id, "transfer", {"number": to_number})

    async def _capacity(self) -> Capacity:
        active, limit = await self._count_live(), self._limit()
        return Capacity(active=active, limit=limit, available=max(0, limit - active))
