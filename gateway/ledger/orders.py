"""Commands to a live call, from whichever node they come: end it, put its caller through."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from gateway.bridge import events as on
from gateway.bridge.controls import RING_TIMEOUT_S
from gateway.bridge.registry import Registry
from gateway.bridge.session import CallSession
from gateway.cluster.interface import Commands
from gateway.errors import ClusterError
from gateway.records import CallInfo, Ending, Reason, Result

_ANSWER_S = 4.0  # whoever asks waits for 5
_ENDED = Ending(Result.COMPLETED, Reason.OPERATOR_ENDED)


class Orders:
    """Lives as long as the process.

    Args:
        commands: bring them.
        registry: the live calls.
    """

    def __init__(self, commands: Commands, registry: Registry) -> None:
        self._commands = commands
        self._registry = registry

    def serve(self, call: CallInfo) -> None:
        """Take commands for a call; doing so again changes nothing."""

        async def carry_out(name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            return await self.carry_out(call, name, arguments)

        self._commands.serve(call.call_id, carry_out)

    def withdraw(self, call: CallInfo) -> None:
        """Take no more commands for a call."""
        self._commands.withdraw(call.call_id)

    async def carry_out(self, call: CallInfo, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out a command: ``end``, or ``transfer`` with ``number`` and ``ring_timeout_s``.

        Raises:
            ClusterError: ``no_stream``: nothing is live here just now, ask the carrier; ``unknown_command``.
            ToolError: the carrier did not take the transfer.
        """
        if name not in ("end", "transfer"):
            raise ClusterError("there is no such command", reason="unknown_command")
        session = self._registry.find(call.call_sid)
        if session is None:
            if name == "end":
                self._registry.release(call.call_sid, _ENDED)
            raise ClusterError("the call has no stream just now", reason="no_stream")
        if name == "end":
            session.post(on.OperatorEnded())
        else:
            ring_timeout_s = int(arguments.get("ring_timeout_s", RING_TIMEOUT_S))
            await _transfer(session, str(arguments["number"]), ring_timeout_s)
        return {}


async def _transfer(session: CallSession, number: str, ring_timeout_s: int) -> None:
    """Have a caller put through; what is not refused soon goes on when whoever asked has their answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_ANSWER_S):
            await session.controls.transfer(number, ring_timeout_s)
