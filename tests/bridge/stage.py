"""A whole call on a stage: the real session and its real parts between two fake ends of the wire.

`Phone` is Twilio at the other end: it speaks through the real dump, reads us as strictly as Twilio, plays
what it gets on its own clock and echoes marks when they are played. `Agent` is one Vatel session.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from gateway.audio.playout import Playout
from gateway.audio.resample import make_resampler
from gateway.bridge.actions import BargeIn, Timers
from gateway.bridge.agent_leg import Dial
from gateway.bridge.caller_leg import CallerLeg
from gateway.bridge.clock import Clock
from gateway.bridge.machine import CallMachine
from gateway.bridge.media import Downlink, Uplink
from gateway.bridge.session import CallSession
from gateway.errors import ToolError
from gateway.journal import Journal, Watcher
from gateway.recording.tape import Recorder
from gateway.records import CallEnded, CallInfo, DtmfRule, Ending, Happening, TranscriptEntry
from gateway.tools.controls import CallControls
from gateway.tools.question import ComfortPlan, Question, ToolOutcome
from gateway.twilio import messages as twilio
from gateway.twilio.protocol import MediaStream
from gateway.twilio.socket import SocketClosed as CallerClosed
from gateway.vatel import messages as vatel
from gateway.vatel.socket import SocketClosed as AgentClosed

STREAM_SID = "MZ" + "0" * 32
CALL = CallInfo("c-1", "CA" + "1" * 32, "AC" + "2" * 32, "+4930123456", "+4930654321", "agent-1")
QUIET = b"\xff" * 160


def speech(ms: int, value: int = 8_000) -> bytes:
    """Return so much agent audio: PCM16 at 24 kHz."""
    return value.to_bytes(2, "little", signed=True) * (24 * ms)


class Phone:
    """Twilio at the other end of a fake wire; lives as long as one media stream."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[str | CallerClosed] = asyncio.Queue()
        self._sequence = 1
        self._chunks = 0
        self._marks: dict[str, asyncio.TimerHandle] = {}
        self._began_at = self._loop.time()
        self._played_until = 0.0
        self._pieces: list[tuple[float, bytes]] = []
        self.stalled = False
        self.echoes = True
        self.echo_late_s = 0.0
        self.clears: list[float] = []
        self.closed: list[int] = []

    async def listen(self, take: Callable[[str], None]) -> CallerClosed:
        """The gateway reads."""
        while not isinstance(received := await self._inbox.get(), CallerClosed):
            take(received)
        return received

    def send(self, text: str, *, urgent: bool = False) -> bool:
        """The gateway writes; a stalled phone takes control messages only."""
        if self.closed or (self.stalled and not urgent):
            return False
        match twilio.parse_gateway(text, stream_sid=STREAM_SID):
            case twilio.Play(payload=payload):
                at = max(self._loop.time(), self._played_until)
                self._pieces.append((at, payload))
                self._played_until = at + len(payload) / 8000
            case twilio.SetMark(name=name):
                self._marks[name] = self._loop.call_at(
                    self._played_until + self.echo_late_s, self._echo, name
                )
            case twilio.Clear():
                self._clear()
        return True

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """The gateway closes."""
        self.closed.append(code)
        for timer in self._marks.values():
            timer.cancel()

    def _clear(self) -> None:
        now = self._loop.time()
        self.clears.append(now)
        self._played_until = now
        self._pieces = [(at, piece[: round((now - at) * 8000)]) for at, piece in self._pieces if at < now]
        for name, timer in list(self._marks.items()):
            timer.cancel()
            self._echo(name)

    def _echo(self, name: str) -> None:
        del self._marks[name]
        if self.echoes and not self.closed:
            self._sequence += 1
            self.say(twilio.Mark(STREAM_SID, self._sequence, name))

    def say(self, message: twilio.TwilioMessage) -> None:
        """Send a message to the gateway."""
        self._inbox.put_nowait(twilio.dump_twilio(message))

    def say_raw(self, text: str) -> None:
        """Send anything."""
        self._inbox.put_nowait(text)

    def speak(self, payload: bytes = QUIET) -> None:
        """Send a frame of the caller's audio."""
        self._sequence += 1
        self._chunks += 1
        self.say(twilio.Media(STREAM_SID, self._sequence, self._chunks, 20 * self._chunks, payload))

    def press(self, digit: str) -> None:
        """Press a key."""
        self._sequence += 1
        self.say(twilio.Dtmf(STREAM_SID, self._sequence, digit))

    def hang_up(self) -> None:
        """Send ``stop``."""
        self._sequence += 1
        self.say(twilio.Stop(STREAM_SID, self._sequence, CALL.call_sid, CALL.account_sid))

    def drop(self, code: int = 1006) -> None:
        """Lose the connection, or close it."""
        self._inbox.put_nowait(CallerClosed(code, "lost"))

    @property
    def heard(self) -> bytes:
        """All that was or will be played, in order (µ-law)."""
        return b"".join(piece for _, piece in self._pieces)

    @property
    def heard_ms(self) -> int:
        """How much audio the caller heard, or will have heard."""
        return len(self.heard) // 8

    @property
    def line(self) -> bytes:
        """All that was or will be played, from the phone's making on, with the silence between it."""
        line = bytearray()
        for at, piece in self._pieces:
            line += b"\xff" * (round((at - self._began_at) * 8000) - len(line))
            line += piece
        return bytes(line)

    def heard_at(self, audio: bytes) -> list[float]:
        """Return when the caller began to hear this very audio, without a gap in it: seconds of the line."""
        line, at, found = self.line, -1, []
        while (at := line.find(audio, at + 1)) >= 0:
            found.append(round(at / 8000, 3))
        return found


class Agent:
    """One Vatel session at the other end of a fake wire."""

    def __init__(self) -> None:
        self._said: deque[str | AgentClosed] = deque()  # before anybody listens
        self._take: Callable[[str | AgentClosed], None] | None = None
        self.stalled = False
        self.closed: list[int] = []
        self.audio = bytearray()
        self.binary_frames = 0
        self.answers: list[vatel.ToolCallOutput] = []

    def listen(self, take: Callable[[str | AgentClosed], None]) -> None:
        """The gateway listens."""
        self._take = take
        while self._said:
            take(self._said.popleft())

    def _tell(self, said: str | AgentClosed) -> None:
        if self._take is None:
            self._said.append(said)
        else:
            self._take(said)

    def send(self, text: str, *, force: bool = False) -> bool:
        """The gateway writes; a stalled agent takes control messages only."""
        if self.closed or (self.stalled and not force):
            return False
        message = vatel.parse_client(text)
        if isinstance(message, vatel.InputAudio):
            self.audio += message.audio
        else:
            self.answers.append(message)
        return True

    async def close(self, code: int = 1000) -> None:
        """The gateway closes."""
        self.closed.append(code)

    def say(self, *said: vatel.ServerMessage) -> None:
        """Send messages to the gateway."""
        for message in said:
            self._tell(vatel.dump_server(message))

    def say_raw(self, text: str) -> None:
        """Send anything."""
        self._tell(text)

    def start(self) -> "Agent":
        """Begin the session."""
        self.say(vatel.SessionStarted("s-1"))
        return self

    def speak(self, turn_id: str, ms: int, *, text: str = "", final: bool = True) -> None:
        """Speak a turn in one burst."""
        if text:
            self.say(vatel.ResponseText(turn_id, text, True))
        self.say(vatel.ResponseAudio(turn_id, speech(ms), final))

    def drop(self, code: int = 1006) -> None:
        """Lose the connection, or close it."""
        self._tell(AgentClosed(code))


@dataclass
class Agents:
    """What dialling leads to, try by try: an agent, or an error; then for ever nothing."""

    script: list[Agent | Exception]
    told: list[str] = field(default_factory=list)

    async def dial(self, so_far: str) -> Agent:
        """Be the session's ``dial``."""
        self.told.append(so_far)
        if not self.script:
            await asyncio.Event().wait()
        outcome = self.script.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


FINE = ToolOutcome('{"ok":true}', '{"ok":true}')

Deed = Callable[[CallControls], Awaitable[ToolOutcome]]


@dataclass(frozen=True)
class Asked:
    """A question to :class:`Tools`; the argument ``pin`` is nobody's business."""

    question: Question
    comfort: ComfortPlan

    @property
    def kept_arguments(self) -> Mapping[str, object]:
        """The arguments, the pin masked."""
        return {name: "***" if name == "pin" else value for name, value in self.question.arguments.items()}

    @property
    def label(self) -> str:
        """The tool's name in logs."""
        return f"label of {self.question.tool}"


@dataclass
class Tools:
    """A call's tools: answer after a while, or as a deed of the test's has it.

    Attributes:
        deeds: by tool name, what is done in place of waiting.
    """

    outcome: ToolOutcome | Exception = FINE
    wait_s: float = 0.0
    comfort: ComfortPlan = field(default_factory=ComfortPlan)
    deeds: dict[str, Deed] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    ran: list[Question] = field(default_factory=list)
    cancelled: int = 0
    left: int = 0

    def ask(self, question: Question) -> Asked:
        """Take a question in."""
        self.asked.append(question)
        return Asked(question, self.comfort)

    async def run(self, asked: Asked, controls: CallControls) -> ToolOutcome:
        """Answer it."""
        self.ran.append(asked.question)
        try:
            if (deed := self.deeds.get(asked.question.tool)) is not None:
                await asyncio.sleep(0)
                return await deed(controls)
            await asyncio.sleep(self.wait_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except ToolError as error:
            return ToolOutcome(str(error), str(error), failure=error.reason)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def leave(self) -> None:
        """Count a call that is over."""
        self.left += 1


@dataclass
class Carrier:
    """Who is asked to put a caller through: takes its time, and does it or not.

    Attributes:
        refusal: why it does not.
        then: what the carrier does once it has decided, before it says so.
    """

    wait_s: float = 0.2
    refusal: ToolError | None = None
    then: Callable[[], None] = lambda: None
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    begun: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    cancelled: int = 0

    async def transfer(self, call: CallInfo, number: str, ring_timeout_s: int) -> None:
        """Be the session's ``transfer``."""
        self.asked.append((call.call_sid, number, ring_timeout_s))
        self.begun.put_nowait(call.call_sid)
        try:
            await asyncio.sleep(self.wait_s / 2)
            self.then()
            await asyncio.sleep(self.wait_s / 2)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.refusal is not None:
            raise self.refusal


class Stage:
    """A running call and all that is around it. Made by :func:`on_stage`."""

    def __init__(
        self,
        script: list[Agent | Exception] | None = None,
        *,
        barge_in: BargeIn = "clear",
        timers: Timers | None = None,
        tools: Tools | None = None,
        carrier: Carrier | None = None,
        before: str = "",
        streams: int = 0,
        dial: Dial | None = None,
        recorder: Recorder | None = None,
        dtmf_rules: Mapping[str, DtmfRule] | None = None,
    ) -> None:
        self.call = CALL if dtmf_rules is None else replace(CALL, dtmf_rules=dtmf_rules)
        self.told: list[tuple[str, str]] = []
        self.phone = Phone()
        self.agent = Agent().start()
        self.agents = Agents([self.agent] if script is None else script)
        self.tools = tools or Tools()
        self.carrier = carrier or Carrier()
        self.hung_up: list[CallInfo] = []
        self.journal = Journal()
        self.clock = Clock(asyncio.get_running_loop())
        stream = MediaStream()
        stream.receive(twilio.dump_twilio(twilio.Connected()))
        stream.receive(twilio.dump_twilio(twilio.Start(STREAM_SID, CALL.call_sid, CALL.account_sid)))
        downlink = Downlink(make_resampler("soxr", 24_000, 8_000), Playout())
        self.leg = CallerLeg(stream, self.phone, downlink, self.clock.now, recorder)
        self.session = CallSession(
            self.call,
            machine=CallMachine(barge_in=barge_in, timers=timers),
            caller=self.leg,
            uplink=Uplink(make_resampler("soxr", 8_000, 24_000)),
            dial=dial or self.agents.dial,
            tools=self.tools,
            hang_up=self._hang_up,
            transfer=self.carrier.transfer,
            tell_digits=self._tell_digits,
            journal=self.journal,
            clock=self.clock,
            before=before,
            streams=streams,
        )
        self._seen: list[Happening] = []
        self._watcher: Watcher | None = None
        self.running: asyncio.Task[Ending] | None = None

    async def _hang_up(self, call: CallInfo) -> None:
        self.hung_up.append(call)

    def _tell_digits(self, call: CallInfo, url: str, digits: str) -> None:
        assert call is self.call
        self.told.append((url, digits))

    async def talk(self, seconds: float) -> None:
        """Let time pass while the caller's frames come, 50 a second."""
        for _ in range(round(seconds * 50)):
            self.phone.speak()
            await asyncio.sleep(0.02)

    async def ended(self) -> Ending:
        """Wait for the end."""
        assert self.running is not None
        return await self.running

    @property
    def journaled(self) -> list[Happening]:
        """What was appended to the journal so far."""
        assert self._watcher is not None
        while not self._watcher._queue.empty():
            call, happening = self._watcher._queue.get_nowait()
            assert call is self.call
            self._seen.append(happening)
        return self._seen

    def entries(self) -> Iterator[TranscriptEntry]:
        """Yield the transcript as it stands."""
        latest = {e.index: e for e in self.journaled if isinstance(e, TranscriptEntry)}
        yield from (latest[index] for index in sorted(latest))

    def end(self) -> CallEnded:
        """Return the one ``CallEnded``."""
        (end,) = (e for e in self.journaled if isinstance(e, CallEnded))
        return end

    @asynccontextmanager
    async def play(self) -> AsyncIterator["Stage"]:
        """Run the call while the test directs; the phone hangs up at the end if nobody did."""
        with self.journal.watch() as self._watcher:
            self.running = asyncio.get_running_loop().create_task(self.session.run())
            await asyncio.sleep(0)
            try:
                yield self
            finally:
                if not self.running.done():
                    self.phone.hang_up()
                with suppress(asyncio.CancelledError):
                    await self.running
            self.session.scribe.call_over()  # as whoever hosts the call says, when it may outlive its stream
            self.end()
