"""Agents that keep to their part: echo, silent, tone, greeter, tool user.

PURE. Each is a frozen set of parameters (the script) and the agent that follows it in one session.
"""

from dataclasses import dataclass

from gateway.audio.pcm import ByteAligner
from gateway.sandbox.delivery import Delivery
from gateway.sandbox.signals import chime, sine
from gateway.sandbox.stage import RATE_HZ, Agent, Stage
from gateway.speech.vad import Edge, Endpointer, Framer, energy
from gateway.vatel.messages import Argument, ResponseAudio, SpeechStarted, SpeechStopped, ToolCall


@dataclass(frozen=True, slots=True)
class Silent:
    """An agent that never says a word."""

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return Agent(stage)


@dataclass(frozen=True, slots=True)
class Echo:
    """An agent that sends each frame of the caller's back at once, unchanged, as one endless turn."""

    turn_id: str = "echo"

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _EchoAgent(stage, self)


class _EchoAgent(Agent):
    def __init__(self, stage: Stage, script: Echo) -> None:
        super().__init__(stage)
        self._turn_id = script.turn_id

    def on_audio(self, audio: bytes, now: float) -> None:
        self.stage.send(ResponseAudio(self._turn_id, audio, False))


@dataclass(frozen=True, slots=True)
class Tone:
    """An agent that plays an exact sine, once, then listens or ends.

    Attributes:
        level_dbfs: of the peak.
        delay_s: silence before it.
        end_after: end the session when the tone has been played.
    """

    hz: float = 1_000.0
    duration_s: float = 3.0
    level_dbfs: float = -6.0
    delay_s: float = 0.0
    end_after: bool = False

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _ToneAgent(stage, self)


class _ToneAgent(Agent):
    def __init__(self, stage: Stage, script: Tone) -> None:
        super().__init__(stage)
        self._script = script
        self._delivery = Delivery(stage)

    def on_start(self, now: float) -> None:
        self.stage.at(now + self._script.delay_s, self._play)

    def _play(self, now: float) -> None:
        script = self._script
        tone = sine(script.hz, script.duration_s, script.level_dbfs)
        self._delivery.turn(tone, "", now, self._played if script.end_after else None)

    def _played(self, _now: float) -> None:
        self.stage.end()


@dataclass(frozen=True, slots=True)
class Greeter:
    """An agent that says its first message and then only listens, with voice activity reported."""

    first_message: str = "Hello, this is the sandbox. How can I help you?"

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _GreeterAgent(stage, self)


class _Listener(Agent):
    """An agent that hears when the caller speaks: louder than -42 dBFS."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._aligner = ByteAligner()
        self._framer = Framer(RATE_HZ)
        self._endpointer = Endpointer(energy())

    def on_audio(self, audio: bytes, now: float) -> None:
        for frame in self._framer.push(self._aligner.push(audio)):
            edge = self._endpointer.push(frame)
            if edge is Edge.STARTED:
                self.stage.send(SpeechStarted(self.stage.switches.emulated))
                self.on_caller_started(now)
            elif edge is Edge.STOPPED:
                self.stage.send(SpeechStopped())

    def on_caller_started(self, now: float) -> None:
        """React to the caller's having started to speak."""


class _GreeterAgent(_Listener):
    def __init__(self, stage: Stage, script: Greeter) -> None:
        super().__init__(stage)
        self._text = stage.opening.first_message or script.first_message
        self._delivery = Delivery(stage)

    def on_start(self, now: float) -> None:
        self._delivery.turn(chime(self._text), self._text, now)


EVERY_DATA_TYPE = (
    Argument("name", "resolved", "string", "Who calls.", True, "Ada"),
    Argument("people", "resolved", "number", "How many.", True, 4),
    Argument("outside", "static", "boolean", "In the garden.", False, False),
    Argument("wishes", "resolved", "array", "Anything special.", False, ["window", "high chair"]),
    Argument("address", "resolved", "object", "Where to confirm.", False, {"city": "Lyon", "zip": None}),
)


@dataclass(frozen=True, slots=True)
class ToolUser:
    """An agent that calls a tool, says the answer and ends.

    Attributes:
        call_after_s: when it calls, from the start; None waits for the caller's first speech.
        tool_call_id: the same in every session: ids need only be unique within one.
        wait_s: how long it waits for the answer before it says that there was none; 0 for ever.
    """

    tool_name: str = "look_up"
    arguments: tuple[Argument, ...] = EVERY_DATA_TYPE
    call_after_s: float | None = None
    tool_call_id: str = "call-1"
    wait_s: float = 10.0

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _ToolUserAgent(stage, self)


class _ToolUserAgent(_Listener):
    def __init__(self, stage: Stage, script: ToolUser) -> None:
        super().__init__(stage)
        self._script = script
        self._delivery = Delivery(stage)
        self._asked = self._answered = False

    def on_start(self, now: float) -> None:
        if self._script.call_after_s is not None:
            self.stage.at(now + self._script.call_after_s, self._call)

    def on_caller_started(self, now: float) -> None:
        if self._script.call_after_s is None:
            self._call(now)

    def _call(self, now: float) -> None:
        if self._asked:
            return
        self._asked = True
        script = self._script
        self.stage.send(ToolCall(script.tool_call_id, script.tool_name, script.arguments))
        if script.wait_s:
            self.stage.at(now + script.wait_s, self._give_up)

    def on_tool_output(self, tool_call_id: str, output: str, now: float) -> None:
        if tool_call_id == self._script.tool_call_id and self._asked:
            self._say(f"The answer is: {output}", now)

    def _give_up(self, now: float) -> None:
        self._say("There was no answer.", now)

    def _say(self, text: str, now: float) -> None:
        if not self._answered:
            self._answered = True
            self._delivery.turn(chime(text), text, now, self._played)

    def _played(self, _now: float) -> None:
        self.stage.end()
