"""The agent that hears and speaks: ears, voice and dialogue joined in one session.

Recognition and synthesis are jobs for the stage: nothing here waits.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.audio.pcm import Pcm
from gateway.sandbox.delivery import Delivery
from gateway.sandbox.dialogue import Dialogue
from gateway.sandbox.faculties import Faculties, Hearing, at_hand
from gateway.sandbox.hearing import Ear
from gateway.sandbox.scenario import Scenario, Value, packaged
from gateway.sandbox.stage import Agent, Stage
from gateway.speech import extra, stt, tts, vad
from gateway.vatel.messages import (
    Argument,
    InputTranscript,
    Interruption,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
)


def table_booking() -> Scenario:
    """Return the scenario of the demo."""
    return packaged("table_booking")


def conversation() -> Scenario:
    """Return what agents made by REST talk about."""
    return packaged("conversation")


@dataclass(frozen=True, slots=True)
class Talker:
    """An agent that holds a conversation in spoken English.

    Without the extra ``demo`` it keeps to the same scenario, deaf to words: it plays recorded lines, and
    takes whatever is said for the answer it expects.

    Attributes:
        scenario: what it talks about; None books a table.
        hearing: how it tells speech from silence.
        interrupt_after_ms: speech of the caller that stops the agent's own.
        interim_every_ms: how often a transcript is guessed while the caller still speaks.
    """

    scenario: Scenario | None = None
    voice: tts.Voice = tts.AGENT_VOICE
    interrupt_after_ms: int = 120
    interim_every_ms: int = 800
    hearing: Hearing = "vad"

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _TalkingAgent(stage, self, at_hand(self.voice, self.hearing))

    @property
    def conversation(self) -> Scenario:
        """The scenario it follows."""
        return self.scenario or table_booking()

    def learn(self) -> None:
        """Load the recogniser's model and compile the grammars; blocks for 0.2 s, the second time not at all.

        Raises:
            ConfigError: a grammar is wrong.
        """
        if not extra.available():
            return
        for grammar in self.conversation.grammar.values():
            stt.recogniser().learn(grammar.jsgf)

    def warm_up(self) -> None:
        """Do what a call can do without: :meth:`learn`, and render what is said word for word.

        Blocks for half a second, mostly with Python's interpreter lock held: a call that goes on in the same
        process meanwhile stands still.

        Raises:
            ConfigError: the extra is missing, a grammar is wrong, or the voice does not exist.
        """
        vad.speech(stt.RATE_HZ)
        self.learn()
        for line in self.conversation.fixed_lines:
            tts.render(line, self.voice)


class _TalkingAgent(Agent):
    def __init__(self, stage: Stage, script: Talker, faculties: Faculties) -> None:
        super().__init__(stage)
        self._script = script
        self._faculties = faculties
        self._ear = Ear(faculties.detector())
        self._delivery = Delivery(stage)
        self._dialogue = Dialogue(script.conversation, self, first_message=stage.opening.first_message)
        self.at = stage.at
        self._next_interim_ms = 0
        self._calls = 0
        self._open_call = ""

    def on_start(self, now: float) -> None:
        # Nothing is left to do after a warm-up; without one the first message covers it.
        self.stage.work(self._script.learn, lambda _done, _now: None)
        self._dialogue.on_start(now)

    def on_audio(self, audio: bytes, now: float) -> None:
        for heard in self._ear.push(audio):
            if heard.edge is vad.Edge.STARTED:
                self._caller_started(now)
            else:
                self._caller_stopped(heard.pcm)
        if self._ear.speaking:
            self._cut_in(now)
            self._guess()

    def _caller_started(self, now: float) -> None:
        self._next_interim_ms = self._script.interim_every_ms
        self.stage.send(SpeechStarted(self.stage.switches.emulated))
        self._dialogue.on_caller_started(now)

    def _cut_in(self, now: float) -> None:
        if self._ear.speech_ms >= self._script.interrupt_after_ms and self._delivery.playing(now):
            self._delivery.stop(now)
            self.stage.send(Interruption())
            self._dialogue.on_barge_in(now)
            self._dialogue.on_caller_started(now)

    def _guess(self) -> None:
        if not self.stage.switches.interim or self._ear.speech_ms < self._next_interim_ms:
            return
        self._next_interim_ms += self._script.interim_every_ms
        number = self._ear.utterances

        def guessed(said: str | None, _now: float) -> None:
            if said and self._ear.speaking and self._ear.utterances == number:
                self._transcript(said, number, final=False)

        self._understand(self._ear.so_far(), guessed)

    def _caller_stopped(self, pcm: Pcm) -> None:
        self.stage.send(SpeechStopped())
        number = self._ear.utterances

        def understood(said: str | None, now: float) -> None:
            if said:
                self._transcript(said, number, final=True)
            self._dialogue.on_heard(said, now)

        self._understand(pcm, understood)

    def _understand(self, pcm: Pcm, then: Callable[[str | None, float], None]) -> None:
        grammar = self._dialogue.grammar
        if grammar is not None:
            self.stage.work(lambda: self._faculties.understand(grammar, pcm), then)

    def _transcript(self, said: str, number: int, *, final: bool) -> None:
        turn_id = f"caller-{number}" if self.stage.switches.transcript_turn_ids else None
        self.stage.send(InputTranscript(said, turn_id, final))

    def on_tool_output(self, tool_call_id: str, output: str, now: float) -> None:
        if tool_call_id == self._open_call:
            self._open_call = ""
            self._dialogue.on_tool_output(output, now)

    def say(self, text: str, now: float) -> None:
        """Speak (the dialogue asks)."""

        def speak(audio: bytes, later: float) -> None:
            self._delivery.turn(audio, text, later, self._dialogue.on_played)

        self.stage.work(lambda: self._faculties.speak(text), speak)

    def call_tool(self, name: str, arguments: tuple[Argument, ...]) -> None:
        """Call a tool (the dialogue asks)."""
        self._calls += 1
        self._open_call = f"call-{self._calls}"
        self.stage.send(ToolCall(self._open_call, name, arguments))

    def learned(self, slot: str, value: Value, phrase: str) -> None:
        """Write down an answer (the dialogue asks)."""
        self.stage.notes.extract(slot, value, f"The caller said: {phrase}")

    def tag(self, tag: str) -> None:
        """Tag the call (the dialogue asks)."""
        self.stage.notes.tag(tag)

    def hang_up(self) -> None:
        """End the session (the dialogue asks)."""
        self.stage.end()
