"""Follows a scenario: decides what the agent says next, from what was heard.

PURE. It knows neither audio nor sockets: an :class:`Actor` speaks, listens and calls tools for it.
"""

import json
import re
from collections.abc import Callable
from typing import Literal, Protocol

from gateway.sandbox.scenario import Grammar, Scenario, Step, ToolUse, Value
from gateway.sandbox.stage import Timer
from gateway.vatel.messages import Argument


class Actor(Protocol):
    """What the dialogue has done for it."""

    def say(self, text: str, now: float) -> None:
        """Speak; :meth:`Dialogue.on_played` follows unless the caller cuts in."""

    def call_tool(self, name: str, arguments: tuple[Argument, ...]) -> None:
        """Call a tool; :meth:`Dialogue.on_tool_output` follows, or not."""

    def at(self, when: float, act: Callable[[float], None]) -> Timer:
        """Call ``act(now)`` at a time."""

    def learned(self, slot: str, value: Value, phrase: str) -> None:
        """Take note of an answer: what it is about, what it stands for, and its words."""

    def tag(self, tag: str) -> None:
        """Put a tag on the call."""

    def hang_up(self) -> None:
        """End the session."""


Phase = Literal["idle", "saying", "waiting", "listening", "done"]


class _Answers:
    """What was said so far. Lives as long as its dialogue."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}
        self._values: dict[str, Value] = {}

    def keep(self, slot: str, phrase: str, value: Value) -> None:
        """Keep an answer: its words and what they stand for."""
        self.said[slot] = phrase
        self._values[slot] = value

    def worded(self, text: str) -> str:
        """Fill in what was said so far; what nobody said is left out."""
        return re.sub(r"\{(\w*)\}", lambda slot: self.said.get(slot[1], ""), text)

    def arguments(self, tool: ToolUse) -> tuple[Argument, ...]:
        """Return what a tool is called with."""
        return tuple(
            Argument(a.name, "resolved", a.data_type, a.description, True, self._values.get(a.slot))
            for a in tool.arguments
        )


class Dialogue:
    """One conversation along a scenario. Lives as long as its session."""

    def __init__(self, scenario: Scenario, actor: Actor, *, first_message: str | None = None) -> None:
        self._scenario = scenario
        self._actor = actor
        self._first_message = first_message
        self._step: Step = scenario.step[0]
        self.phase: Phase = "idle"
        """What the conversation waits for."""
        self._tries = 0
        self._answers = _Answers()
        self._deadline: Timer | None = None

    @property
    def grammar(self) -> Grammar | None:
        """What an utterance is understood by at this step; None when no answer is wanted."""
        return self._scenario.grammar[self._step.listen] if self._step.listen else None

    def on_start(self, now: float) -> None:
        """Begin."""
        if self._first_message:
            self._say(self._first_message, now)
        else:
            self._enter(self._step, now)

    def on_played(self, now: float) -> None:
        """Take note that the caller has heard what was said."""
        if self.phase == "saying":
            self._go_on(now)

    def on_barge_in(self, now: float) -> None:
        """Take note that the caller cut in: what was being said counts as said."""
        self.on_played(now)

    def on_caller_started(self, now: float) -> None:
        """Take note that the caller speaks: an utterance follows, however long it takes."""
        if self.phase == "listening":
            self._cancel_deadline()

    def on_heard(self, said: str | None, now: float) -> None:
        """Take an utterance: the words understood by :attr:`grammar`, or None."""
        grammar = self.grammar
        if self.phase != "listening" or grammar is None:
            return
        self._cancel_deadline()
        phrase = None if said is None else grammar.find(said)
        if phrase is not None:
            self._answer(grammar, phrase, now)
        elif self._tries < self._scenario.retries:
            self._tries += 1
            self._say(self._scenario.no_match, now)
        else:
            self._answer(grammar, grammar.default, now)

    def on_tool_output(self, output: str, now: float) -> None:
        """Take the answer of the tool that was called."""
        tool = self._step.tool
        if self.phase == "waiting" and tool is not None:
            self._cancel_deadline()
            self._answers.said[tool.name] = _sayable(output) or self._answers.worded(tool.failed)
            self._listen(now)

    def _enter(self, step: Step, now: float) -> None:
        self._step, self._tries = step, 0
        if step.tag:
            self._actor.tag(step.tag)
        if step.say:
            self._say(self._answers.worded(step.say), now)
        else:
            self._go_on(now)

    def _say(self, text: str, now: float) -> None:
        self.phase = "saying"
        self._actor.say(text, now)

    def _go_on(self, now: float) -> None:
        tool = self._step.tool
        if tool is None or tool.name in self._answers.said:
            self._listen(now)
            return
        self.phase = "waiting"
        if tool.wait_s:
            self._deadline = self._actor.at(now + tool.wait_s, lambda late: self.on_tool_output("", late))
        self._actor.call_tool(tool.name, self._answers.arguments(tool))

    def _listen(self, now: float) -> None:
        if not self._step.listen:
            self._leave(None, now)
            return
        self.phase = "listening"
        self._deadline = self._actor.at(now + self._scenario.listen_s, lambda late: self.on_heard(None, late))

    def _answer(self, grammar: Grammar, phrase: str, now: float) -> None:
        value = grammar.words.get(phrase)
        if grammar.slot and value is not None:
            self._answers.keep(grammar.slot, phrase, value)
            self._actor.learned(grammar.slot, value, phrase)
        self._leave(value, now)

    def _leave(self, value: Value | None, now: float) -> None:
        following = self._scenario.after(self._step, value)
        if following is None:
            self.phase = "done"
            self._actor.hang_up()
        else:
            self._enter(following, now)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


_LONGEST = 200


def _sayable(output: str) -> str:
    """Return what can be said of a tool's answer: its ``say``, ``message`` or ``result``, or plain text.

    An object that names an ``error`` and what is too long to say give an empty text.
    """
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        answer = output
    if isinstance(answer, dict):
        fields = () if "error" in answer else ("say", "message", "result")
        answer = next((answer[name] for name in fields if isinstance(answer.get(name), str)), "")
    return answer if isinstance(answer, str) and len(answer) <= _LONGEST else ""
