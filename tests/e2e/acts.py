"""Agents that do exactly what a test says, when it says so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.sandbox import wire
from gateway.sandbox.signals import sine
from gateway.sandbox.stage import BYTES_PER_MS, Agent, Exit, Script, Stage
from gateway.vatel.messages import ResponseAudio, ResponseText, ServerMessage

LEVEL_DBFS: Final = -6.0

Act = Callable[[Stage], None]


@dataclass(frozen=True, slots=True)
class Acts:
    """Does each act at its time.

    Attributes:
        acts: seconds from the session's start, and what to do then.
    """

    acts: tuple[tuple[float, Act], ...]

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _Actor(stage, self)


class _Actor(Agent):
    def __init__(self, stage: Stage, script: Acts) -> None:
        super().__init__(stage)
        self._script = script

    def on_start(self, now: float) -> None:
        for at_s, act in self._script.acts:
            self._do_at(now + at_s, act)

    def _do_at(self, when: float, act: Act) -> None:
        self.stage.at(when, lambda _now: act(self.stage))


class InTurn:
    """Another script in each session, in the end the last one again. Lives as long as its town."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of the next session."""
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        return script.cast(stage)


def tone(hz: float, seconds: float) -> bytes:
    """Return a tone as agents send it: PCM16, 24 kHz."""
    return sine(hz, seconds, LEVEL_DBFS)


def speak(turn_id: str, audio: bytes, text: str = "", *, chunk_ms: int = 100, final: bool = True) -> Act:
    """Send a whole turn at once."""

    def act(stage: Stage) -> None:
        size = chunk_ms * BYTES_PER_MS
        if text:
            stage.send(ResponseText(turn_id, text, True))
        for start in range(0, len(audio), size):
            last = final and start + size >= len(audio)
            stage.send(ResponseAudio(turn_id, audio[start : start + size], last))

    return act


def send(message: ServerMessage) -> Act:
    """Send a message."""
    return lambda stage: stage.send(message)


def send_text(payload: bytes, times: int = 1) -> Act:
    """Send text frames that no message dumps to."""
    return lambda stage: stage.send_raw(wire.text_frame(payload) * times)


def send_raw(data: bytes) -> Act:
    """Send bytes that may be no frame at all."""
    return lambda stage: stage.send_raw(data)


def end(how: Exit | None = None) -> Act:
    """End the session: as the switches say, or as asked."""
    return lambda stage: stage.end(how)
