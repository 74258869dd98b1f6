"""What the demo's caller says, and what has to come of it. PURE but for the rendering of speech."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.records import CallEnded, Happening, Interrupted, Result, ToolRun, TranscriptEntry
from gateway.sandbox.talker import Talker
from gateway.simulator.promises import Limits
from gateway.simulator.report import Promise
from gateway.simulator.script import Interrupt, Say, ScriptedCaller, Step, WaitAgentQuiet, WaitEnd
from gateway.simulator.speech import say

_TIMED = frozenset(
    ("set-up", "first audio", "gaps in the agent's speech", "barge-in to silence", "last words heard")
)


@dataclass(frozen=True, slots=True)
class Play:
    """One call to show: who answers it, what the caller says, and what has to come of it.

    Attributes:
        lines: the caller's, each said when the agent has finished.
        cut_in: which of them interrupts the agent instead, from 0; None for none.
        cut_in_after_ms: for how long the agent has spoken by then.
        agent_turns: at least so many.
        tool_arguments: of each tool call.
        limits: what the caller's ear is held to; barge-in is from the caller's first sound to the last of the
            agent's.
    """

    lines: tuple[str, ...]
    agent_turns: int
    limits: Limits
    cut_in: int | None = None
    cut_in_after_ms: int = 0
    tool_arguments: tuple[dict[str, object], ...] = ()
    agent: Talker = field(default_factory=Talker)


TABLE_BOOKING = Play(
    lines=(
        "I would like to book a table.",
        "For four people, please.",
        "At seven thirty, please.",
        "Excuse me, do you have parking?",
        "No thank you, goodbye.",
    ),
    agent_turns=6,
    limits=Limits(
        setup_ms=2_000, first_audio_ms=2_000, gaps=0, barge_in_ms=500, tail_lost_ms=0, ended_by="gateway"
    ),
    cut_in=3,
    cut_in_after_ms=5_500,
    tool_arguments=({"people": 4, "time": "19:30"},),
    # No guesses while the caller speaks: nobody sees them, and each takes from the call's own machine.
    agent=Talker(interim_every_ms=10_000),
)


def caller(play: Play) -> ScriptedCaller:
    """Return the caller, its lines rendered; blocks for some 50 ms, good for any number of calls.

    Raises:
        ConfigError: the extra ``demo`` is not installed.
    """
    steps: list[Step] = []
    for number, line in enumerate(play.lines):
        frames = say(line)
        if number == play.cut_in:
            steps.append(Interrupt(frames, after_ms=play.cut_in_after_ms, text=line))
        else:
            steps += [WaitAgentQuiet(), Say(frames, line)]
    return ScriptedCaller((*steps, WaitEnd()))


def timed(promises: Iterable[Promise]) -> list[Promise]:
    """Return those that a machine without time for the call breaks, whatever the gateway does."""
    return [promise for promise in promises if promise.name in _TIMED]


@dataclass(slots=True)
class Witness:
    """Remembers what the journal said of the demo's call, to judge it. Lives as long as the demo."""

    caller_words: list[str] = field(default_factory=list)
    agent_turns: list[str] = field(default_factory=list)
    tools: list[ToolRun] = field(default_factory=list)
    interruptions: int = 0
    ended: CallEnded | None = None

    def happening(self, happening: Happening) -> None:
        """Take a line of the journal."""
        match happening:
            case TranscriptEntry(role="caller", final=True, text=text):
                self.caller_words.append(text)
            case TranscriptEntry(role="agent", final=True, text=text, heard_ms=None):
                self.agent_turns.append(text)
            case ToolRun():
                self.tools.append(happening)
            case Interrupted():
                self.interruptions += 1
            case CallEnded():
                self.ended = happening
            case _:
                pass

    def promises(self, play: Play, asked: list[dict[str, object]]) -> tuple[Promise, ...]:
        """Judge the call; ``asked`` is what the tool endpoint received."""
        ending = self.ended.ending if self.ended else None
        words = [words for words in self.caller_words if words]
        lines, turns = len(play.lines), len(self.agent_turns)
        wanted, got = list(play.tool_arguments), [body["arguments"] for body in asked]
        cut_ins = int(play.cut_in is not None)
        return (
            Promise("caller understood", len(words) >= lines, f"{len(words)} lines", f"{lines} lines"),
            Promise(
                "agent spoke", turns >= play.agent_turns, f"{turns} turns", f"at least {play.agent_turns}"
            ),
            Promise("tools asked rightly", got == wanted, str(got), str(wanted)),
            _tools_answered(self.tools, len(wanted)),
            Promise("caller cut in", self.interruptions == cut_ins, str(self.interruptions), str(cut_ins)),
            Promise(
                "ended cleanly",
                ending is not None and ending.result is Result.COMPLETED,
                str(ending or "never"),
                "completed",
            ),
        )


def _tools_answered(runs: list[ToolRun], wanted: int) -> Promise:
    statuses = [run.status for run in runs]
    return Promise(
        "tools answered", statuses == ["ok"] * wanted, ", ".join(statuses) or "none", f"{wanted} ok"
    )
