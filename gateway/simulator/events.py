"""What a live call tells those who watch: the demo's terminal, a test that waits. PURE."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ringing", "streaming", "stream_over", "ended"]


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The call went on to its next state."""

    call_sid: str
    state: State


@dataclass(frozen=True, slots=True)
class CallerSays:
    """The caller begins to say something; empty for audio without a text."""

    call_sid: str
    text: str
    interrupting: bool = False


@dataclass(frozen=True, slots=True)
class Levels:
    """Who is audible on the caller's side, ten times a second.

    Attributes:
        agent_dbfs: what the caller hears.
    """

    call_sid: str
    at_ms: int
    caller_speaks: bool
    agent_speaks: bool
    agent_dbfs: float


Event = StateChanged | CallerSays | Levels
Watcher = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Watch nothing."""
