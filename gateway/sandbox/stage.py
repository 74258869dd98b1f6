"""What an agent and the session that carries it can ask of each other.

PURE. An agent is told what happened and when; it answers by calls on its stage. Neither waits: what takes
time is asked for with :meth:`Stage.at` (a moment) or :meth:`Stage.work` (a result).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gateway.sandbox.switches import Switches
from gateway.vatel.messages import ServerMessage

T = TypeVar("T")

RATE_HZ = 24_000
BYTES_PER_MS = 48


@dataclass(frozen=True, slots=True)
class Opening:
    """What the session token asked for beyond the agent.

    Attributes:
        first_message: spoken instead of the agent's own; None keeps that.
        prompt: told to the agent; scripted agents only remember it.
        variables: key and value, as given.
    """

    first_message: str | None = field(default=None, repr=False)
    prompt: str | None = field(default=None, repr=False)
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a socket ends, when an agent wants it otherwise than its switches say.

    Attributes:
        code: a close code; 1005 sends a close frame without one, 1006 drops the connection without a frame.
        reset: with 1006, end by RST rather than FIN.
    """

    code: int = 1000
    reset: bool = False


class Timer(Protocol):
    """A moment asked for."""

    def cancel(self) -> None:
        """Ask no more for it."""


class Notes(Protocol):
    """What an agent may add to the record of its call."""

    def extract(self, name: str, value: object, rationale: str) -> None:
        """Add a variable that the conversation brought to light."""

    def tag(self, tag: str) -> None:
        """Put a tag on the call."""


class Stage(Protocol):
    """What a session does for its agent. Lives as long as the connection."""

    @property
    def switches(self) -> Switches:
        """The oddities asked of this agent."""

    @property
    def opening(self) -> Opening:
        """What the session token asked for."""

    @property
    def notes(self) -> Notes:
        """The record of the call."""

    def send(self, message: ServerMessage) -> None:
        """Send a message at once."""

    def send_raw(self, frame: bytes) -> None:
        """Write bytes to the connection as they are, beside all protocol."""

    def at(self, when: float, act: Callable[[float], None]) -> Timer:
        """Call ``act(now)`` at a time (seconds, monotonic), or at once when that is past."""

    def work(self, job: Callable[[], T], then: Callable[[T, float], None]) -> None:
        """Run a slow job off the loop, then call ``then(result, now)`` on it."""

    def end(self, how: Exit | None = None) -> None:
        """End the session: as the switches say, or as asked."""


class Agent:
    """One session's scripted partner. Does nothing; agents override what they react to."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def on_start(self, now: float) -> None:
        """React to the session having started (``session_started`` is sent)."""

    def on_audio(self, audio: bytes, now: float) -> None:
        """React to the caller's audio: PCM16 little-endian, 24 kHz, any length."""

    def on_tool_output(self, tool_call_id: str, output: str, now: float) -> None:
        """React to the answer of a tool call."""


class Script(Protocol):
    """An agent's parameters: makes one agent for each session."""

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
