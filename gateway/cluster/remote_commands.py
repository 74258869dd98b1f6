"""Commands over the server: said on the call's channel, answered on the asker's.

The server tells how many heard a command: none means that no node takes commands for the call. A command is
said once to whoever hears it, so it is carried out once at most.
"""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from gateway.cluster import wire
from gateway.cluster.inprocess import LocalCommands
from gateway.cluster.interface import Handler
from gateway.cluster.listener import Listener, Taker
from gateway.cluster.server import Server
from gateway.errors import ClusterError
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_LOOK_AGAIN_S = 0.1
_OWNER_WITHIN_S = 1.0  # a call that was just taken up, or whose node reconnects, is heard by then
_MOST_AT_WORK = 256


class RemoteCommands:
    """Lives as long as the process.

    Args:
        server: between the nodes.
        listener: hears commands and answers.
        node: this process's name.
    """

    def __init__(self, server: Server, listener: Listener, node: str) -> None:
        self._server = server
        self._listener = listener
        self._answers = server.key("node", node, "answers")
        self._here = LocalCommands()
        self._waiting: dict[str, asyncio.Future[wire.AnswerNote]] = {}
        self._todo: asyncio.Queue[tuple[str, wire.CommandNote]] = asyncio.Queue(_MOST_AT_WORK)
        self._at_work: set[asyncio.Task[None]] = set()
        listener.want(self._answers, Taker(self._answered))

    def serve(self, call_id: str, handler: Handler) -> None:
        """Take commands for a call that lives here."""
        self._here.serve(call_id, handler)
        self._listener.want(self._channel(call_id), Taker(lambda data: self._commanded(call_id, data)))

    def withdraw(self, call_id: str) -> None:
        """Take no more commands for a call."""
        self._here.withdraw(call_id)
        self._listener.leave(self._channel(call_id))

    async def ask(
        self, call_id: str, name: str, arguments: Mapping[str, Any] | None = None, *, timeout_s: float = 5.0
    ) -> Mapping[str, Any]:
        """Have a command carried out where the call lives.

        Raises:
            ClusterError: ``no_owner``, ``timeout``, ``refused`` or ``unavailable``.
        """
        if call_id in self._here:
            return await self._here.ask(call_id, name, arguments, timeout_s=timeout_s)
        return await self._ask_elsewhere(call_id, name, dict(arguments or {}), timeout_s)

    async def _ask_elsewhere(
        self, call_id: str, name: str, arguments: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        note = wire.CommandNote(uuid.uuid4().hex, self._answers, name, arguments, timeout_s)
        answered = self._waiting[note.id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._say(call_id, note)
                answer = await answered
        except TimeoutError:
            raise ClusterError("the call did not answer the command in time", reason="timeout") from None
        finally:
            del self._waiting[note.id]
        if answer.result is None:
            raise ClusterError(answer.fault, reason=answer.reason)
        return dict(answer.result)

    async def _say(self, call_id: str, note: wire.CommandNote) -> None:
        """Say a command to the one node that hears it, looking for that node for a while."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _OWNER_WITHIN_S
        data = wire.write(note)
        while not await self._server.ask(lambda client: client.publish(self._channel(call_id), data)):
            if loop.time() >= give_up_at:
                raise ClusterError("the call lives on no node", reason="no_owner")
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _commanded(self, call_id: str, data: bytes) -> None:
        note = wire.read(data, wire.CommandNote)
        if note is None:
            return
        try:
            self._todo.put_nowait((call_id, note))
        except asyncio.QueueFull:
            log.warning("command_dropped", command=note.name)

    def _answered(self, data: bytes) -> None:
        note = wire.read(data, wire.AnswerNote)
        waiting = self._waiting.get(note.id) if note else None
        if note is not None and waiting is not None and not waiting.done():
            waiting.set_result(note)

    async def run(self) -> None:
        """Carry out commands as they come, side by side; ends by being cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                call_id, note = await self._todo.get()
                while len(self._at_work) >= _MOST_AT_WORK:
                    await asyncio.wait(self._at_work, return_when=asyncio.FIRST_COMPLETED)
                task = group.create_task(self._carry_out(call_id, note))
                self._at_work.add(task)
                task.add_done_callback(self._at_work.discard)

    async def _carry_out(self, call_id: str, note: wire.CommandNote) -> None:
        try:
            result = await self._here.ask(call_id, note.name, note.arguments, timeout_s=note.within_s)
            answer = wire.AnswerNote(note.id, result=dict(result))
        except ClusterError as fault:
            answer = wire.AnswerNote(note.id, fault=str(fault), reason=fault.reason)
        try:
            await self._server.ask(lambda client: client.publish(note.to, wire.write(answer)))
        except ClusterError:
            log.warning("command_unanswered", command=note.name)

    def _channel(self, call_id: str) -> str:
        return self._server.key("call", call_id, "commands")
