"""One socket that watches one call: what it has been told so far, and what it is to be told next."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import ClientError, WSMsgType, web

from gateway.api import live_messages as say
from gateway.api.envelope import Refusal
from gateway.api.live_access import LiveGuard
from gateway.cluster.interface import LiveEvent, LiveEvents
from gateway.errors import ClusterError, StorageError
from gateway.storage.call_events import CallEvents
from gateway.storage.rows import Call
from gateway.storage.transcript import transcript_of

_SEND_WITHIN_S = 5.0
_CLOSE_WITHIN_S = 2.0
_RETRY_S = 0.3
_MOST_RETRIES = 20
_TRY_AGAIN = 1013


class Leave(Exception):
    """A watcher is to go, or has gone.

    Attributes:
        code: what the socket is closed with.
        reason: a short stable slug.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Watch:
    """Lives as long as its socket.

    Args:
        call: as it was when the socket was opened.
        stored: events that are in the database.
        events: those that happen now.
        guard: looks the call up.
        turns: taken while what is stored is read.

    Attributes:
        seq: the number of the last event that was told.
    """

    def __init__(
        self,
        call: Call,
        socket: web.WebSocketResponse,
        stored: CallEvents,
        events: LiveEvents,
        guard: LiveGuard,
        turns: asyncio.Semaphore,
    ) -> None:
        self.call = call
        self.seq = 0
        self._socket = socket
        self._stored = stored
        self._events = events
        self._guard = guard
        self._turns = turns
        self._status = ""
        self._last_words: say.Message | None = None
        self._seen_over = 0
        self._over = asyncio.Event()
        self._left: asyncio.Future[Leave] = asyncio.get_running_loop().create_future()

    def leave(self, leave: Leave) -> None:
        """Send the watcher away."""
        if not self._left.done():
            self._left.set_result(leave)

    def note_over(self) -> None:
        """Note that the call was seen to be over; seen twice, no further live event is waited for."""
        self._seen_over += 1
        if self._seen_over >= 2:
            self._over.set()

    async def run(self) -> Leave:
        """Tell the watcher all there is to tell; return why that ended."""
        async with asyncio.TaskGroup() as group:
            works = (self._tell_all, self._listen)
            tasks = [group.create_task(self._until_left(work)) for work in works]
            leave = await self._left
            for task in tasks:
                task.cancel()
        return leave

    async def _until_left(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Leave as leave:
            self.leave(leave)

    async def _listen(self) -> None:
        """Answer pings; whatever else a client says is passed over, what is no JSON object is told so."""
        async for message in self._socket:
            ping = say.wants_pong(message.data) if message.type is WSMsgType.TEXT else None
            if ping is None:
                await self.send(say.error_of("bad_message"))
            elif ping:
                await self.send(say.PONG)
        raise Leave(self._socket.close_code or 1006, "gone")

    async def _tell_all(self) -> None:
        await self.send(say.connected(self.call))
        if self.call.live:
            await self._catch_up()
            await self._tell(say.status_of(self.call))
            async with asyncio.TaskGroup() as group:
                following = group.create_task(self._until_left(self._follow))
                over = group.create_task(self._over.wait())
                await asyncio.wait({following, over}, return_when=asyncio.FIRST_COMPLETED)
                following.cancel()
                over.cancel()
        if not self._left.done():
            await self._tell_rest()
            raise Leave(1000, "call_over")

    async def _tell_rest(self) -> None:
        """Tell what is stored and was not told, then how the call ended: as its row says, once it does."""
        with suppress(StorageError):
            await self._send_stored()
        for _ in range(_MOST_RETRIES):
            with suppress(StorageError, Refusal):
                async with self._turns:
                    self.call = await self._guard.call(self.call.organization_id, self.call.id)
                if not self.call.live:
                    return await self._tell(say.status_of(self.call))
            await asyncio.sleep(_RETRY_S)
        if self._last_words is not None:
            await self._tell(self._last_words)

    async def _follow(self) -> None:
        """Tell live events up to the last one, reading stored ones where some are kept no more."""
        for _ in range(_MOST_RETRIES):
            before = self.seq
            try:
                async with self._events.watch(self.call.id, self.seq) as events:
                    async for event in events:
                        await self._tell_event(event)
                return
            except ClusterError as fault:
                if fault.reason == "slow_reader":
                    raise Leave(_TRY_AGAIN, "slow_reader") from None
            await self._catch_up()
            if self.seq == before:  # not stored yet
                await asyncio.sleep(_RETRY_S)
        raise Leave(_TRY_AGAIN, "events_missed")

    async def _catch_up(self) -> None:
        """Tell what is stored behind what was told."""
        try:
            await self._send_stored()
        except StorageError:
            raise Leave(_TRY_AGAIN, "events_missed") from None

    async def _send_stored(self) -> None:
        async with self._turns:
            found = await self._stored.list_all(self.call.organization_id, self.call.id, self.seq)
        if found:
            self.seq = found[-1].seq
            if entries := transcript_of(found):
                await self.send(say.transcript_update(self.call.id, entries))

    async def _tell_event(self, event: LiveEvent) -> None:
        self.seq = event.seq  # first: who is cut off while it is sent has it in the buffer
        message = say.message_of(self.call.id, event.body)
        if message is None:
            return
        if message.final:
            self._last_words = message  # the row knows best, and may say so a moment later
        else:
            await self._tell(message)

    async def _tell(self, message: say.Message) -> None:
        """Send a message; a status that was told already is not told twice."""
        if message.status:
            if message.status == self._status:
                return
            self._status = message.status
        await self.send(message)

    async def send(self, message: say.Message) -> None:
        """Send a message.

        Raises:
            Leave: the watcher is gone, or reads too slowly.
        """
        try:
            async with asyncio.timeout(_SEND_WITHIN_S):
                await self._socket.send_str(message.text)
        except TimeoutError:
            raise Leave(_TRY_AGAIN, "slow_reader") from None
        except (ConnectionError, ClientError):
            raise Leave(1006, "gone") from None

    async def close(self, leave: Leave) -> None:
        """Say why if that can be heard, and close the socket; who does not take it in time is cut off."""
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                if leave.reason in say.ERRORS:
                    await self._socket.send_str(say.error_of(leave.reason).text)
                await self._socket.close(code=leave.code, message=leave.reason.encode())
        except (TimeoutError, ConnectionError, ClientError):
            return
