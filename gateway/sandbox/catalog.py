"""The agents a sandbox comes with, under ids that never change."""

from dataclasses import dataclass
from uuid import UUID

from gateway.sandbox.documents import Document
from gateway.sandbox.scripted import Echo, Greeter, Silent, Tone, ToolUser
from gateway.sandbox.stage import Script
from gateway.sandbox.switches import Switches
from gateway.sandbox.talker import Talker
from gateway.sandbox.troublesome import Burst, Interrupter, Rude, Slow

_STANDARD: tuple[tuple[str, Script, str], ...] = (
    ("echo", Echo(), "sends back what it hears"),
    ("tone", Tone(), "plays a 1 kHz sine"),
    ("greeter", Greeter(), "says its first message, then listens"),
    ("tool_user", ToolUser(), "calls a tool when you speak, tells its answer, ends"),
    ("interrupter", Interrupter(), "interrupts itself in the middle of each turn"),
    ("burst", Burst(), "10 s of audio in 0.5 s, an interruption, late audio"),
    ("slow", Slow(), "takes its time before the first word"),
    ("rude", Rude(), "resets the connection in the middle of a turn"),
    ("silent", Silent(), "never says a word"),
    ("table_booking", Talker(), "hears and speaks: books a table (extra `demo`)"),
    ("must_answer", ToolUser(wait_s=0.0), "as tool_user, but without its tool's answer it never goes on"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An agent on offer."""

    agent_id: UUID
    name: str
    script: Script
    switches: Switches
    about: str = ""

    @property
    def prompt(self) -> str:
        """What Vatel would instruct the agent with; scripted ones follow their script."""
        return f"You are the {self.name} agent" + (f": {self.about}." if self.about else ".")

    @property
    def first_message(self) -> str:
        """What it says first of itself; empty for one that waits to be spoken to."""
        return getattr(self.script, "first_message", "")

    def fields(self) -> Document:
        """Return what the REST API shows of the agent beyond the defaults."""
        return {"name": self.name, "prompt": self.prompt, "first_message": self.first_message}


def numbered_id(number: int) -> UUID:
    """Return the id of the n-th agent."""
    return UUID(f"00000000-0000-4000-8000-{number:012d}")


def standard() -> list[Entry]:
    """Return the agents a sandbox comes with."""
    return [
        Entry(numbered_id(number), name, script, Switches(), about)
        for number, (name, script, about) in enumerate(_STANDARD, start=1)
    ]
