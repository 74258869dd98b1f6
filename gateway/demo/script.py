"""What the demo's caller says, and what has to come of it. PURE but for the rendering of speech."""

import asyncio
from dataclasses import dataclass, field

from gateway.records import CallEnded, Happening, Interrupted, Result, ToolRun, TranscriptEntry
from gateway.simulator.promises import Limits
from gateway.simulator.report import Promise
from gateway.simulator.script import Interrupt, Say, ScriptedCaller, Step, WaitAgentQuiet, WaitEnd
from gateway.simulator.speech import say

LINES = (
    "I would like to book a table.",
    "For four people, please.",
    "At seven thirty, please.",
    "Excuse me, do you have parking?",
    "No thank you, goodbye.",
)
_CUT_IN = 3  # the line that interrupts the agent
_CUT_IN_AFTER_MS = 5_500

LIMITS = Limits(
    setup_ms=2_000, first_audio_ms=2_000, gaps=0, barge_in_ms=500, tail_lost_ms=0, ended_by="gateway"
)
"""What the caller's ear is held to; barge-in is from the caller's first sound to the agent's last."""


async def caller() -> ScriptedCaller:
    """Return the caller, its lines rendered.

    Raises:
        ConfigError: the extra ``demo`` is not installed.
    """
    steps: list[Step] = []
    for number, line in enumerate(LINES):
        frames = await asyncio.to_thread(say, line)
        if number == _CUT_IN:
            steps.append(Interrupt(frames, after_ms=_CUT_IN_AFTER_MS, text=line))
        else:
            steps += [WaitAgentQuiet(), Say(frames, line)]
    return ScriptedCaller((*steps, WaitEnd()))


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

    def promises(self, asked: list[dict[str, object]]) -> tuple[Promise, ...]:
        """Judge the call; ``asked`` is what the tool endpoint received."""
        ending = self.ended.ending if self.ended else None
        heard = [words for words in self.caller_words if words]
        wanted = {"people": 4, "time": "19:30"}
        arguments = [body["arguments"] for body in asked]
        return (
            Promise(
                "caller understood", len(heard) >= len(LINES), f"{len(heard)} lines", f"{len(LINES)} lines"
            ),
            Promise(
                "agent spoke", len(self.agent_turns) >= 6, f"{len(self.agent_turns)} turns", "at least 6"
            ),
            Promise("tool asked once, rightly", arguments == [wanted], str(arguments), str([wanted])),
            Promise(
                "tool answered",
                [run.status for run in self.tools] == ["ok"],
                ", ".join(run.status for run in self.tools) or "never",
                "ok",
            ),
            Promise("caller interrupted once", self.interruptions == 1, str(self.interruptions), "1"),
            Promise(
                "ended cleanly",
                ending is not None and ending.result is Result.COMPLETED,
                str(ending),
                "completed",
            ),
        )
