"""A call as a running thing: the shell that feeds the machine and carries out what it asks for.

Each message of the caller and of the agent is handled to completion in the step in which the network brings
it, outside any task and without ``await``, so that order is kept; the process's clock drives what is due. One
``TaskGroup`` holds the two legs and the tools. Everything that can happen ends in exactly one
:class:`~gateway.records.Ending`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from typing import Any
from weakref import proxy

from gateway.audio import clips
from gateway.audio.heard import TurnHeard
from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.bridge.agent_leg import AgentLine, Dial
from gateway.bridge.caller_leg import CallerLeg
from gateway.bridge.clock import Clock
from gateway.bridge.comforter import Comforter
from gateway.bridge.controls import Controls, Transfer
from gateway.bridge.guarded import guarded
from gateway.bridge.keypad import Keypad, TellDigits
from gateway.bridge.machine import CallMachine
from gateway.bridge.media import Uplink
from gateway.bridge.scribe import Scribe
from gateway.bridge.tool_desk import CallTools, ToolDesk
from gateway.journal import Journal
from gateway.records import CallInfo, Ending, Reason, Result
from gateway.telemetry.log import get_logger
from gateway.vatel import messages as vatel
from gateway.weakly import weakly

log = get_logger(__name__)

_CLOSE_CODES = {Reason.CALLER_PROTOCOL: 1008, Reason.SHUTDOWN: 1001, Reason.INTERNAL_ERROR: 1011}

HangUp = Callable[[CallInfo], Awaitable[None]]
"""End the phone call at the carrier within its own deadline; never raises."""


class CallSession:
    """Runs one call. Lives from the accepted ``start`` message until both sockets are closed.

    Args:
        call: who talks to whom.
        machine: decides.
        caller: the caller's leg.
        uplink: the caller → agent chain.
        dial: reaches the agent.
        tools: answer the agent's tool calls.
        hang_up: ends the phone call.
        transfer: puts the phone call through to somebody else.
        tell_digits: has a webhook told of what the caller dialled.
        journal: where what happens is appended.
        clock: the process's clock.
        before: what was said on a stream of the same call that broke; empty otherwise.
        streams: how many streams the call had before this one.

    Attributes:
        gone: set when the call has left, sockets and all.
        controls: what an operator may do to the call, as its agent may.
    """

    def __init__(
        self,
        call: CallInfo,
        *,
        machine: CallMachine,
        caller: CallerLeg,
        uplink: Uplink,
        dial: Dial,
        tools: CallTools[Any],
        hang_up: HangUp,
        transfer: Transfer,
        tell_digits: TellDigits,
        journal: Journal,
        clock: Clock,
        before: str = "",
        streams: int = 0,
    ) -> None:
        self.call = call
        self.gone = asyncio.Event()
        self.scribe = Scribe(call, journal, clock.now, before, streams, tools.leave)
        self._machine = machine
        self._caller = caller
        self._uplink = uplink
        self._hang_up = hang_up
        self._clock = clock
        # Whoever runs the call holds it; its parts do not, so that it is freed as soon as it is over.
        spawn, happened = weakly(self._spawn), weakly(self.happened)
        self._line = AgentLine(dial, proxy(self), clock.now, spawn)
        self._comforter = Comforter(caller, clock.now)
        caller.response.tell = self.scribe.responded
        self.controls = Controls(
            *(call, machine, caller, self._comforter, transfer),
            *(spawn, happened, weakly(self._set_alarm), clock.now),
        )
        self._keypad = Keypad(
            *(call, self.controls, self.scribe, tell_digits),
            *(spawn, happened, clock.now),
        )
        self._desk = ToolDesk(
            *(call, tools, self.controls, self._line, self.scribe),
            *(self._comforter, spawn, happened, clock.now),
        )
        self._alarm = clock.alarm(guarded(weakly(self._on_due), weakly(self._finish)))
        self._posted: deque[on.Event] = deque()
        self._state = machine.state
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        self._over: asyncio.Future[do.End] = asyncio.get_running_loop().create_future()
        self._do = _hands(self, caller, self._line, self._desk)

    async def run(self) -> Ending:
        """Run the call to its end; both sockets are closed when it returns. Cancelled, it books that end."""
        end = do.End(Ending(Result.FAILED, Reason.SHUTDOWN, "cancelled"), hang_up=False)
        try:
            try:
                end = await self._live()
            except* Exception as group:  # outermost frame: a bug of ours ends this call alone, and says so
                log.error("call_broke", exc_info=group.exceptions[0])
                end = do.End(Ending(Result.FAILED, Reason.INTERNAL_ERROR), hang_up=False)
            if end.hang_up:
                await self._hang_up(self.call)
            await self._caller.close(_CLOSE_CODES.get(end.ending.reason, 1000))
        finally:
            self.scribe.stopped(end.ending, self.snapshot())
        return end.ending

    async def _live(self) -> do.End:
        try:
            async with self._group:
                self._spawn(self._caller.listen(self, self._finish))
                self._obey(self._machine.start(self._clock.now()))
                self._set_alarm()
                end = await self._over
                for task in self._tasks:
                    task.cancel()
        finally:
            self._over.cancel()  # who posts from now on is late
            self._alarm.set(None)
            self._line.leave()
            self._desk.leave()
            self._keypad.leave()
            self._uplink.end()
            # What is on its way to the ear of a caller who has gone will not be heard.
            self.scribe.cleared(self._caller.clear(tell=False), interrupted=False)
        return end

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def post(self, event: on.Event) -> None:
        """Tell the call something from outside (operator, shutdown); handled on the clock's next turn."""
        if not self._over.done():
            self._posted.append(event)
            self._alarm.set(self._clock.now())

    def happened(self, event: on.Event) -> None:
        """Handle an event to completion, then ask the clock for the next time anything is due."""
        self._comforter.notice(event)
        self._caller.response.notice(event, self._clock.now())
        self._obey(self._machine.handle(event, self._clock.now()))
        self._set_alarm()

    def _on_due(self, now: float) -> None:
        while self._posted:
            self.happened(self._posted.popleft())
        self._obey(self._machine.tick(now))
        overdue = self._caller.overdue(now)
        if overdue is not None:
            self.happened(overdue)
        self._comforter.tick(now)
        self._keypad.tick(now)
        self._caller.pump(now)
        self._set_alarm()

    def _finish(self, end: do.End | Exception) -> None:
        if self._over.done():
            return
        if isinstance(end, Exception):
            self._over.set_exception(end)
        else:
            self._over.set_result(end)

    def _obey(self, commands: list[do.Command]) -> None:
        if self._machine.state is not self._state:
            self._comforter.leave()  # whom the caller waited for is gone
        for command in commands:
            self._do[type(command)](command)
        if self._machine.state is not self._state:
            self._state = self._machine.state
            self.scribe.state(self._state)

    def _set_alarm(self) -> None:
        if self._posted:
            return  # the alarm is set for what was posted
        soonest: float | None = None
        for part in (self._machine, self._caller, self._comforter, self._keypad):
            due = part.next_deadline()
            if due is not None and (soonest is None or due < soonest):
                soonest = due
        self._alarm.set(soonest)

    def caller_audio(self, payload: bytes) -> None:
        """Carry a frame of the caller to the agent: the hot path."""
        self._machine.caller_spoke(self._clock.now())
        self._line.send_audio(self._uplink.push(payload))

    def caller_key(self, digit: str) -> None:
        """Take a key: for the agent's DTMF rules; its platform has no message for it."""
        self._keypad.press(digit)
        self._set_alarm()

    def caller_heard(self, turn_id: str, heard: TurnHeard) -> None:
        """Book what was heard of a turn that ran its course."""
        self.scribe.heard(turn_id, heard)

    def agent_said(self, message: vatel.ServerMessage) -> None:
        """Carry a message of the agent's session to where it belongs."""
        if not isinstance(message, vatel.SessionStarted):
            self._machine.agent_spoke()
        match message:
            case vatel.ResponseAudio(turn_id, audio, is_final):
                if self._caller.play(self._line.turn(turn_id), audio, final=bool(is_final)):
                    self._comforter.agent_spoke()
                    self._machine.agent_sounded(self._comforter.words_heard_at())
                self._set_alarm()
            case vatel.ResponseText(turn_id):
                self.scribe.agent_said(self._line.turn(turn_id), message)
            case vatel.InputTranscript():
                self.scribe.caller_said(message)
                self._comforter.caller_said(final=message.is_final)
                self._caller.response.caller_said(self._clock.now(), final=message.is_final)
                self._set_alarm()
            case vatel.ToolCall():
                self.happened(on.ToolCalled(message))
            case vatel.SpeechStarted(emulated):
                self.happened(on.SpeechStarted(emulated))
            case vatel.SessionStarted(session_id):
                self.scribe.agent_joined(session_id)
            case _:
                event = _EVENTS.get(type(message))
                if event is not None:
                    self.happened(event)

    def snapshot(self) -> dict[str, int | float]:
        """Return all counters of the call, frozen."""
        talk: dict[str, int | float] = {
            "interruptions": self.scribe.interruptions,
            "caller_dbfs": round(self._uplink.level.rms_dbfs, 1),
        }
        counted = asdict(self._desk.counters) | asdict(self._keypad.counters)
        return talk | self._caller.counters() | self._line.snapshot() | counted


def _hands(
    session: CallSession, caller: CallerLeg, line: AgentLine, desk: ToolDesk
) -> dict[type[do.Command], Callable[[Any], None]]:
    """Return what carries out each command there is."""
    scribe = session.scribe
    return {
        do.ConnectAgent: lambda c: line.connect(scribe.conversation.so_far(), c.after_s),
        do.LeaveAgent: lambda c: line.leave(),
        do.PlayClip: lambda c: caller.insert("clip", clips.load(c.clip)),
        do.ClearCaller: lambda c: scribe.cleared(
            caller.clear(keep_keys=c.interrupted), interrupted=c.interrupted
        ),
        do.HoldCaller: lambda c: caller.hold(True),
        do.ReleaseCaller: lambda c: caller.hold(False),
        do.DrainCaller: lambda c: caller.drain(),
        do.RunTool: lambda c: desk.start(c.call),
        do.RefuseTool: lambda c: desk.refuse(c.call),
        do.AnswerTool: lambda c: desk.answer(c.number),
        do.End: weakly(session._finish),
    }


_EVENTS: dict[type[vatel.ServerMessage], on.Event] = {
    vatel.SpeechStopped: on.SpeechStopped(),
    vatel.Interruption: on.Interruption(),
}
