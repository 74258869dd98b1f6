"""What the demo shows while the call runs: both sides' words as they come, tools, barge-in, levels."""

import json
import textwrap
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gateway.records import (
    CallEnded,
    Happening,
    Interrupted,
    StateChanged,
    ToolAsked,
    ToolRun,
    TranscriptEntry,
)
from gateway.simulator import events as phone

_METER_CELLS = 24
_INDENT = 27
_NARROWEST = 50
_QUIET_DBFS = -60.0


class Screen:
    """Lives as long as the demo's call.

    Args:
        console: where to write; on a terminal a line of levels stays below what was said.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=10, transient=True)
        self._at_s = 0.0
        self._told: dict[int, str] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def phone_event(self, event: phone.Event) -> None:
        """Show what happens on the caller's side."""
        match event:
            case phone.Levels(at_ms=at_ms, caller_speaks=caller, agent_dbfs=agent_dbfs):
                self._at_s = at_ms / 1000
                if self._console.is_terminal:
                    self._live.update(_levels(self._at_s, caller, agent_dbfs))
            case phone.CallerSays(text=text, interrupting=interrupting):
                self._line("caller" + (" cuts in" if interrupting else ""), text, "bold cyan")
            case phone.StateChanged(state=state):
                self._line("phone", state.replace("_", " "), "dim")

    def happening(self, happening: Happening) -> None:
        """Show what the gateway's journal says."""
        match happening:
            case TranscriptEntry(role="agent"):
                self._agent_says(happening)
            case TranscriptEntry(role="caller", final=True, text=text):
                self._line("  understood", text, "cyan")
            case ToolAsked(name=name, arguments=arguments):
                self._line("tool asked", f"{name} {json.dumps(arguments)}", "magenta")
            case ToolRun(status=status, latency_ms=latency_ms, output=output):
                self._line("tool " + status, f"{output}  ({latency_ms} ms)", "magenta")
            case Interrupted(dropped_ms=dropped_ms):
                self._line("barge-in", f"{dropped_ms} ms of the agent's speech dropped", "bold yellow")
            case StateChanged(state=state):
                self._line("call", state, "dim")
            case CallEnded(ending=ending):
                self._line("call", f"over: {ending.reason.replace('_', ' ')}", "dim")
            case _:
                pass

    def _agent_says(self, entry: TranscriptEntry) -> None:
        """Show a turn when its first words are known, and at its end what was added to them."""
        told = self._told.get(entry.index)
        if entry.text and (told is None or (entry.final and told != entry.text)):
            self._told[entry.index] = entry.text
            addition = entry.text.removeprefix(told or "")
            begun = "" if told is None else "… " if addition != entry.text else "rather: "
            self._line("agent", begun + addition.strip() + ("" if entry.final else " …"), "bold green")
        if entry.cut:
            self._line("agent cut", f"the caller heard: “{entry.heard_text} …”", "yellow")

    def _line(self, who: str, what: str, style: str) -> None:
        line = Text(f"{self._at_s:6.1f} s  ", style="dim")
        line.append(f"{who:>15}  ", style=style)
        line.append(fold(" " * _INDENT + what, self._console.width, _INDENT)[_INDENT:])
        self._console.print(line, soft_wrap=True)


def fold(text: str, width: int, indent: int) -> str:
    """Break a line between words so that it fits; what follows the first break is indented.

    Nothing is folded to less than 50 columns, and no word is broken.
    """
    lines = textwrap.wrap(
        text,
        max(width, _NARROWEST),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) or text


def _levels(at_s: float, caller_speaks: bool, agent_dbfs: float) -> Text:
    share = min(1.0, max(0.0, 1 - agent_dbfs / _QUIET_DBFS))
    bar = "█" * round(share * _METER_CELLS)
    return Text.assemble(
        (f"{at_s:6.1f} s  ", "dim"),
        ("caller ", "cyan"),
        ("● speaks " if caller_speaks else "○ listens", "cyan"),
        ("   agent ", "green"),
        (f"{bar:<{_METER_CELLS}}", "green"),
        no_wrap=True,
        overflow="crop",
    )
