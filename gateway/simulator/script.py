"""A caller that follows a script: step after step, each with a deadline. PURE."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.simulator.caller import Phone, speak, wait
from gateway.simulator.microphone import FRAME_MS, Frames


class Step(Protocol):
    """One thing a scripted caller does.

    Attributes:
        name: what the report calls it when its deadline passes.
        timeout_s: the deadline, from the step's beginning.
    """

    @property
    def name(self) -> str: ...

    @property
    def timeout_s(self) -> float: ...

    def act(self, phone: Phone) -> Iterator[None]:
        """Do the next 20 ms' worth of things, then yield; return when done."""


@dataclass(frozen=True, slots=True)
class WaitAgentQuiet:
    """Wait until the agent has spoken, and then been quiet for a while.

    What the agent said before the caller last stopped talking does not count.

    Attributes:
        timeout_s: how much silence is borne; while the agent speaks it is heard out, however long.
        patience_ms: go on all the same when the agent has not begun to speak by then; None: never.
    """

    min_quiet_ms: int = 700
    patience_ms: int | None = None
    timeout_s: float = 15.0
    name: str = "wait_agent_quiet"

    def act(self, phone: Phone) -> Iterator[None]:
        """Listen."""
        ear = phone.ear
        begin_ms = ear.now_ms
        while (ear.last_loud_ms or -1) <= begin_ms:
            if self.patience_ms is not None and ear.now_ms - begin_ms >= self.patience_ms:
                return
            yield
        while ear.quiet_ms < self.min_quiet_ms:
            yield


@dataclass(frozen=True, slots=True)
class Say:
    """Say something to its end.

    Attributes:
        text: what it is, for those who watch.
    """

    frames: Frames
    text: str = ""
    timeout_s: float = 60.0
    name: str = "say"

    def act(self, phone: Phone) -> Iterator[None]:
        """Speak."""
        phone.note_speech(self.text)
        yield from speak(phone, self.frames)


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Cut in after the agent has spoken for ``after_ms`` without a longer pause."""

    frames: Frames
    after_ms: int = 1_000
    text: str = ""
    timeout_s: float = 20.0
    name: str = "interrupt"

    def act(self, phone: Phone) -> Iterator[None]:
        """Listen for the moment, then speak."""
        while phone.ear.speech_ms < self.after_ms:
            yield
        phone.note_interruption(len(self.frames))
        phone.note_speech(self.text)
        yield from speak(phone, self.frames)


@dataclass(frozen=True, slots=True)
class Dtmf:
    """Press keys, one every ``gap_ms``."""

    digits: str
    gap_ms: int = 200
    timeout_s: float = 30.0
    name: str = "dtmf"

    def act(self, phone: Phone) -> Iterator[None]:
        """Press and wait."""
        for digit in self.digits:
            phone.press(digit)
            yield from wait(phone, self.gap_ms)


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for a while."""

    pause_ms: int
    timeout_s: float = 600.0
    name: str = "pause"

    def act(self, phone: Phone) -> Iterator[None]:
        """Wait."""
        yield from wait(phone, self.pause_ms)


@dataclass(frozen=True, slots=True)
class HangUp:
    """Put the phone down."""

    timeout_s: float = 1.0
    name: str = "hang_up"

    def act(self, phone: Phone) -> Iterator[None]:
        """Hang up."""
        phone.hang_up()
        yield


@dataclass(frozen=True, slots=True)
class WaitEnd:
    """Stay on the line until the other side ends the call."""

    timeout_s: float = 30.0
    name: str = "wait_end"

    def act(self, phone: Phone) -> Iterator[None]:
        """Wait for ever."""
        while True:
            yield


AnyStep = WaitAgentQuiet | Say | Interrupt | Dtmf | Pause | HangUp | WaitEnd


@dataclass(frozen=True, slots=True)
class ScriptedCaller:
    """Does its steps in order; when a step's deadline passes, says which in the report and hangs up."""

    steps: tuple[Step, ...]
    listens: bool = field(default=True, init=False)

    def act(self, phone: Phone) -> Iterator[None]:
        """Advance the script."""
        for number, step in enumerate(self.steps, 1):
            deadline_ms = phone.now_ms + step.timeout_s * 1_000
            for _ in step.act(phone):
                if isinstance(step, WaitAgentQuiet) and phone.ear.agent_speaks:
                    deadline_ms += FRAME_MS
                if phone.now_ms >= deadline_ms:
                    phone.note_missed(f"step {number}: {step.name}")
                    phone.hang_up()
                    return
                yield
