"""One voice connection: carries messages between a client and a scripted agent."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import WSMsgType, web

from gateway.errors import AgentProtocolError
from gateway.sandbox import wire
from gateway.sandbox.calllog import CallLog
from gateway.sandbox.callsheet import Reason
from gateway.sandbox.stage import Agent, Exit, Opening, Script
from gateway.sandbox.switches import Switches
from gateway.vatel.messages import (
    InputAudio,
    ServerMessage,
    SessionEnded,
    SessionStarted,
    ToolCall,
    ToolCallOutput,
    Unknown,
    dump_server,
    parse_client,
)

T = TypeVar("T")

_STALLED_BYTES = 8 * 1024 * 1024
"""Unsent audio (2 minutes) at which a client counts as gone: what it does not read is not kept for ever."""

_ANSWER_S = 1.0
"""How long the answer to a bare close is waited for."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class SessionRecord:
    """What happened in a session; read by tests and by people, whole once ``over`` is set.

    Attributes:
        close_code: of the client's close frame, or of ours when we closed first; 1006 without one.
        bad_messages: reasons and how often, of what the client sent and nobody could read.
        tool_outputs: id and output, in order of arrival; unasked and second ones too.
    """

    session_id: str
    agent: str
    opening: Opening
    audio_frames: int = 0
    audio_bytes: int = 0
    sent_messages: int = 0
    tool_calls: list[str] = field(default_factory=list)
    tool_outputs: list[tuple[str, str]] = field(default_factory=list, repr=False)
    bad_messages: dict[str, int] = field(default_factory=dict)
    close_code: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def count_bad(self, reason: str) -> None:
        """Count a message that nobody could read."""
        self.bad_messages[reason] = self.bad_messages.get(reason, 0) + 1


class Session:
    """The stage of one agent. Lives as long as the connection."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        script: Script,
        switches: Switches,
        record: SessionRecord,
        log: CallLog,
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._log = log
        self._reason: Reason = "connection_lost"
        self.switches = switches
        self.opening = record.opening
        self.notes = log.sheet
        self.record = record
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[Exit | None] = self._loop.create_future()
        self._timers: set[asyncio.TimerHandle] = set()
        self._jobs: asyncio.TaskGroup | None = None
        self._agent: Agent = script.cast(self)

    async def run(self) -> None:
        """Carry the session to its end; never raises for what the client does."""
        try:
            async with asyncio.TaskGroup() as group:
                self._jobs = group
                reading = group.create_task(self._read())
                children = [reading, group.create_task(self._start())]
                how = await self._exit
                self._stop_timers()
                if how is not None:
                    await self._leave(how, reading)
                for child in children:
                    child.cancel()
        finally:
            self._stop_timers()
            self._log.ended(self._reason, self._loop.time())
            self.record.over.set()

    async def _start(self) -> None:
        if self.switches.started_delay_s:
            await asyncio.sleep(self.switches.started_delay_s)
        if self._exit.done():
            return
        self._log.sheet.started(self._loop.time())
        self.send(SessionStarted(self.record.session_id))
        if self.switches.unknown_types:
            self.send(Unknown("session_weather"))
        if self.switches.binary_frame:
            self.send_raw(wire.binary_frame(b"\x00\xff" * 8))
        if self.switches.leave_after_s:
            how, announced = Exit(self.switches.close_code), self.switches.ended_message
            leave_at = self._loop.time() + self.switches.leave_after_s
            self.at(leave_at, lambda _now: self._end(how, announced=announced))
        self._agent.on_start(self._loop.time())

    async def _read(self) -> None:
        if self.switches.stall_s:
            self.at(self._loop.time() + self.switches.stall_after_s, self._stall)
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self._receive(message.data)
            elif message.type is WSMsgType.BINARY:
                self.record.count_bad("binary")
        if not self._exit.done():
            self.record.close_code = self._socket.close_code or 1006
            if self.record.close_code != 1006:
                self._reason = "ended_by_user"
            self._exit.set_result(None)

    def _stall(self, now: float) -> None:
        """Leave what comes unread: it piles up at the client's end."""
        self._transport.pause_reading()
        self.at(now + self.switches.stall_s, lambda _now: self._transport.resume_reading())

    def _receive(self, text: str) -> None:
        try:
            message = parse_client(text)
        except AgentProtocolError as error:
            self.record.count_bad(error.reason)
            return
        match message:
            case InputAudio(audio):
                self.record.audio_frames += 1
                self.record.audio_bytes += len(audio)
                self._log.heard(audio, self._loop.time())
                if not self._exit.done():
                    self._agent.on_audio(audio, self._loop.time())
            case ToolCallOutput(tool_call_id, output):
                self.record.tool_outputs.append((tool_call_id, output))
                self._log.sheet.answered(tool_call_id, output, self._loop.time())
                if not self._exit.done():
                    self._agent.on_tool_output(tool_call_id, output, self._loop.time())

    def send(self, message: ServerMessage) -> None:
        """Send a message at once."""
        frame = wire.text_frame(dump_server(message, self.switches.dialect).encode())
        if not self._exit.done():
            self._log.sent(message, self._loop.time())
        self.send_raw(frame)
        if isinstance(message, ToolCall):
            self.record.tool_calls.append(message.id)
            if self.switches.duplicate_tool_calls:
                self.send_raw(frame)

    def send_raw(self, frame: bytes) -> None:
        """Write bytes to the connection as they are; a client that does not read for long is cut off."""
        if self._exit.done() or self._transport.is_closing():
            return
        self._transport.write(frame)
        self.record.sent_messages += 1
        if self._transport.get_write_buffer_size() > _STALLED_BYTES:
            self._exit.set_result(Exit(1006, reset=True))

    def at(self, when: float, act: Callable[[float], None]) -> asyncio.TimerHandle:
        """Call ``act(now)`` at a time; never after the end."""

        def fire() -> None:
            self._timers.discard(handle)
            if not self._exit.done():
                act(self._loop.time())

        handle = self._loop.call_at(when, fire)
        self._timers.add(handle)
        return handle

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def work(self, job: Callable[[], T], then: Callable[[T, float], None]) -> None:
        """Run a job in a thread, then call ``then(result, now)``; never after the end."""

        async def carry_out() -> None:
            result = await asyncio.to_thread(job)
            if not self._exit.done():
                then(result, self._loop.time())

        if self._jobs is not None and not self._exit.done():
            self._jobs.create_task(carry_out())

    def end(self, how: Exit | None = None, reason: Reason = "ended_by_agent") -> None:
        """End the session: as the switches say, or as asked."""
        if how is None and self.switches.never_end:
            return
        announced = how is None and self.switches.ended_message
        self._end(how or Exit(self.switches.close_code), announced=announced, reason=reason)

    def _end(self, how: Exit, *, announced: bool, reason: Reason = "ended_by_agent") -> None:
        if self._exit.done():
            return
        self._reason = "connection_lost" if how.code == 1006 else reason
        if announced:
            self.send(SessionEnded())
        if not self._exit.done():
            self._exit.set_result(how)

    async def _leave(self, how: Exit, reading: asyncio.Task[None]) -> None:
        self.record.close_code = how.code
        if how.code == 1005:
            self._transport.write(wire.BARE_CLOSE)
            await asyncio.wait([reading], timeout=_ANSWER_S)
        elif how.code != 1006:
            await self._socket.close(code=how.code)
        elif how.reset:
            connection: socket.socket = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
        else:
            self._transport.close()
