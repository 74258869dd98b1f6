"""Agents that try a gateway's patience: interrupter, burst, slow, rude.

PURE.
"""

from dataclasses import dataclass
from typing import Literal

from gateway.sandbox import wire
from gateway.sandbox.delivery import Delivery
from gateway.sandbox.signals import chime, sine
from gateway.sandbox.stage import BYTES_PER_MS, Agent, Exit, Stage
from gateway.vatel.messages import Interruption, ResponseAudio, Unknown

_LEVEL_DBFS = -6.0


@dataclass(frozen=True, slots=True)
class Interrupter:
    """An agent that plays tone after tone and interrupts each in the middle, with nobody speaking.

    Attributes:
        tone_s: length of a turn.
        after_s: when the interruption comes, from the turn's first chunk.
        pause_s: silence before the next turn.
        turns: then the session ends.
    """

    tone_s: float = 3.0
    after_s: float = 1.0
    pause_s: float = 0.5
    turns: int = 3
    hz: float = 600.0

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _InterrupterAgent(stage, self)


class _InterrupterAgent(Agent):
    def __init__(self, stage: Stage, script: Interrupter) -> None:
        super().__init__(stage)
        self._script = script
        self._delivery = Delivery(stage)
        self._left = script.turns

    def on_start(self, now: float) -> None:
        if not self._left:
            self.stage.end()
            return
        self._left -= 1
        script = self._script
        self._delivery.turn(sine(script.hz, script.tone_s, _LEVEL_DBFS), "", now)
        self.stage.at(now + script.after_s, self._interrupt)

    def _interrupt(self, now: float) -> None:
        self._delivery.stop(now)
        self.stage.send(Interruption())
        self.stage.at(now + self._script.pause_s, self.on_start)


@dataclass(frozen=True, slots=True)
class Burst:
    """An agent that delivers much audio in no time, interrupts it, and goes on sending the interrupted turn.

    Attributes:
        audio_s: length of the turn.
        within_s: the time it is delivered in.
        interrupt_after_s: from the first chunk; None never interrupts.
        late_s: audio of the same turn sent after the interruption, in real time.
        next_turn_s: length of the turn that follows the late audio, at twice the pitch; 0 for none.
        end_after: end the session when all of it has been played.
    """

    audio_s: float = 10.0
    within_s: float = 0.5
    interrupt_after_s: float | None = 2.0
    late_s: float = 1.0
    next_turn_s: float = 1.0
    hz: float = 500.0
    end_after: bool = False

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _BurstAgent(stage, self)


class _BurstAgent(Agent):
    def __init__(self, stage: Stage, script: Burst) -> None:
        super().__init__(stage)
        self._script = script

    def on_start(self, now: float) -> None:
        script = self._script
        tone = sine(script.hz, script.audio_s, _LEVEL_DBFS)
        self._send(tone, "burst", now, script.within_s / script.audio_s)
        if script.interrupt_after_s is None:
            self._end_at(now + script.audio_s)
        else:
            self.stage.at(now + script.interrupt_after_s, self._interrupt)

    def _send(self, audio: bytes, turn_id: str, now: float, share_of_real_time: float) -> None:
        chunk_ms = self.stage.switches.chunk_ms
        size = chunk_ms * BYTES_PER_MS
        starts = range(0, len(audio), size)
        for number, start in enumerate(starts):
            message = ResponseAudio(turn_id, audio[start : start + size], start + size >= len(audio))
            self._send_at(now + number * chunk_ms / 1000 * share_of_real_time, message)

    def _send_at(self, when: float, message: ResponseAudio) -> None:
        self.stage.at(when, lambda _now: self.stage.send(message))

    def _interrupt(self, now: float) -> None:
        script = self._script
        self.stage.send(Interruption())
        self._send(sine(script.hz, script.late_s, _LEVEL_DBFS), "burst", now, 1.0)
        self.stage.at(now + script.late_s, self._speak_again)

    def _speak_again(self, now: float) -> None:
        script = self._script
        if script.next_turn_s:
            self._send(sine(2 * script.hz, script.next_turn_s, _LEVEL_DBFS), "after-burst", now, 0.25)
        self._end_at(now + script.next_turn_s)

    def _end_at(self, when: float) -> None:
        if self._script.end_after:
            self.stage.at(when, lambda _now: self.stage.end())


@dataclass(frozen=True, slots=True)
class Slow:
    """An agent that takes its time before the first word; ``started_delay_s`` delays the session itself."""

    first_audio_after_s: float = 3.0
    text: str = "Sorry to keep you waiting."

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _SlowAgent(stage, self)


class _SlowAgent(Agent):
    def __init__(self, stage: Stage, script: Slow) -> None:
        super().__init__(stage)
        self._script = script
        self._delivery = Delivery(stage)

    def on_start(self, now: float) -> None:
        self.stage.at(now + self._script.first_audio_after_s, self._speak)

    def _speak(self, now: float) -> None:
        self._delivery.turn(chime(self._script.text), self._script.text, now)


Manner = Literal["close", "drop", "reset", "junk", "bad_json", "bad_base64", "bad_utf8", "binary", "unknown"]

_TEXTS: dict[str, bytes] = {
    "bad_json": b'{"type":"response_audio","data":{"turn_id":',
    "bad_base64": b'{"type":"response_audio","data":{"turn_id":"t","audio":"?*!","is_final":false}}',
}


@dataclass(frozen=True, slots=True)
class Rude:
    """An agent without manners: plays a tone, misbehaves in the middle of it.

    Attributes:
        manner: ``close`` (a bare close with ``code``), ``drop`` (FIN without a close frame), ``reset``
            (RST), ``junk`` (bytes that are no frame), ``bad_json``, ``bad_base64``, ``bad_utf8``,
            ``binary``, ``unknown`` (a type nobody knows).
        after_s: when, from the start.
        code: of ``close``.
        times: how often, for what the connection can survive.
    """

    manner: Manner = "reset"
    after_s: float = 1.0
    code: int = 1011
    times: int = 1
    tone_s: float = 3.0

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _RudeAgent(stage, self)


class _RudeAgent(Agent):
    def __init__(self, stage: Stage, script: Rude) -> None:
        super().__init__(stage)
        self._script = script
        self._delivery = Delivery(stage)

    def on_start(self, now: float) -> None:
        self._delivery.turn(sine(440.0, self._script.tone_s, _LEVEL_DBFS), "", now)
        self.stage.at(now + self._script.after_s, self._misbehave)

    def _misbehave(self, _now: float) -> None:
        script = self._script
        exits = {"close": Exit(script.code), "drop": Exit(1006), "reset": Exit(1006, reset=True)}
        if script.manner in exits:
            self.stage.end(exits[script.manner])
            return
        for _ in range(script.times):
            self._send_oddity(script.manner)

    def _send_oddity(self, manner: Manner) -> None:
        match manner:
            case "unknown":
                self.stage.send(Unknown("weather_report"))
            case "binary":
                self.stage.send_raw(wire.binary_frame(bytes(range(256))))
            case "junk":
                self.stage.send_raw(b"\xff" * 64)
            case "bad_utf8":
                self.stage.send_raw(wire.text_frame(b'{"type":"\xff\xfe"}'))
            case _:
                self.stage.send_raw(wire.text_frame(_TEXTS[manner]))
