"""A conversation as a file: what the agent says, listens for, looks up and does next.

PURE but for reading package data. ``scenarios/table_booking.toml`` shows every form a step can take.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources

import msgspec

from gateway.errors import ConfigError

Value = str | int | float | bool


class Grammar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said at one point.

    Attributes:
        jsgf: the right side of a JSGF rule, lower case.
        slot: the name under which the answer is kept; empty keeps none.
        words: phrases that decide, and the value each stands for.
        default: the phrase taken when nothing was understood.
        expected: what an agent without ears takes every utterance for; empty takes the default.
    """

    jsgf: str
    slot: str = ""
    words: dict[str, Value] = {}
    default: str = ""
    expected: str = ""

    def find(self, said: str) -> str | None:
        """Return the longest deciding phrase in what was said; without a slot, all of it."""
        if not self.slot:
            return said
        padded = f" {said} "
        found = [phrase for phrase in self.words if f" {phrase} " in padded]
        return max(found, key=len, default=None)


class ToolArgument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An argument of a tool, filled from a slot."""

    name: str
    slot: str
    data_type: str = "string"
    description: str = ""


class ToolUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call. What it answers is kept under its name.

    Attributes:
        failed: kept instead when the answer is an error or late.
        wait_s: when it is late; 0 waits for it as long as the session lasts.
    """

    name: str
    failed: str
    arguments: tuple[ToolArgument, ...] = ()
    wait_s: float = 10.0


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step, its parts in the order in which they happen.

    Attributes:
        say: what the agent says; ``{slot}`` stands for the words of an answer, or a tool's answer.
        tool: a tool to call.
        listen: the grammar of the answer waited for.
        branch: the next step by the answer's value.
        next: the next step otherwise; empty goes on with the file. After the last step the call ends.
        tag: put on the record of the call.
    """

    id: str
    say: str = ""
    tool: ToolUse | None = None
    listen: str = ""
    branch: dict[str, str] = {}
    next: str = ""
    tag: str = ""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole conversation.

    Attributes:
        no_match: said when nothing was understood.
        retries: how often; then the grammar's default is taken.
        listen_s: silence that counts as nothing understood.
    """

    name: str
    step: tuple[Step, ...]
    grammar: dict[str, Grammar]
    no_match: str = "Sorry, I did not catch that."
    retries: int = 2
    listen_s: float = 6.0

    def find(self, step_id: str) -> Step:
        """Return a step by its id."""
        return next(step for step in self.step if step.id == step_id)

    @property
    def fixed_lines(self) -> tuple[str, ...]:
        """What the agent says word for word, whatever it hears."""
        lines = (self.no_match, *(step.say for step in self.step))
        return tuple(line for line in lines if line and "{" not in line)

    def after(self, step: Step, value: Value | None) -> Step | None:
        """Return the step that follows, given the value of the answer; None ends the call."""
        target = step.branch.get(str(value), step.next)
        if target:
            return self.find(target)
        position = self.step.index(step) + 1
        return self.step[position] if position < len(self.step) else None


@cache
def packaged(name: str) -> Scenario:
    """Return a scenario that comes with the package."""
    return load((resources.files("gateway.sandbox") / "scenarios" / f"{name}.toml").read_text("utf-8"))


def load(text: str) -> Scenario:
    """Read a scenario from TOML.

    Raises:
        ConfigError: it is no TOML, lacks or has too much of something, or names what does not exist.
    """
    try:
        scenario = msgspec.convert(tomllib.loads(text), Scenario)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"scenario: {error}", reason="bad_scenario") from None
    faults = list(_faults(scenario))
    if faults:
        raise ConfigError("scenario: " + "\nscenario: ".join(faults), reason="bad_scenario")
    return scenario


def _faults(scenario: Scenario) -> Iterator[str]:
    if not scenario.step:
        yield "there is no step"
    ids = [step.id for step in scenario.step]
    for name, grammar in scenario.grammar.items():
        if grammar.slot and grammar.default not in grammar.words:
            yield f"grammar {name}: its default is none of its words"
        if grammar.expected and grammar.slot and grammar.find(grammar.expected) is None:
            yield f"grammar {name}: what it expects has none of its words"
    for step in scenario.step:
        if ids.count(step.id) > 1:
            yield f"step {step.id}: there are two of this id"
        yield from _step_faults(scenario, step, ids)


def _step_faults(scenario: Scenario, step: Step, ids: list[str]) -> Iterator[str]:
    if step.listen and step.listen not in scenario.grammar:
        yield f"step {step.id}: no grammar {step.listen!r}"
    for target in (*step.branch.values(), step.next or step.id):
        if target not in ids:
            yield f"step {step.id}: no step {target!r} to go to"
    known = {grammar.slot for grammar in scenario.grammar.values()}
    known |= {other.tool.name for other in scenario.step if other.tool}
    arguments = step.tool.arguments if step.tool else ()
    failed = step.tool.failed if step.tool else ""
    wanted = [*re.findall(r"\{(\w*)\}", step.say + failed), *(argument.slot for argument in arguments)]
    yield from (f"step {step.id}: nothing fills {slot!r}" for slot in wanted if slot not in known)
