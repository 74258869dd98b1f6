"""All the call machine may ask for. PURE data: the shell in ``session.py`` is what carries it out."""

from dataclasses import dataclass

from gateway.audio.clips import Clip
from gateway.records import Ending
from gateway.vatel.messages import ToolCall


@dataclass(frozen=True, slots=True)
class ConnectAgent:
    """Mint a token, open the agent's socket; a session that takes over is told the conversation so far.

    Attributes:
        after_s: how long to wait first.
    """

    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LeaveAgent:
    """Close the agent's socket with 1000."""


@dataclass(frozen=True, slots=True)
class PlayClip:
    """Play one of the gateway's own clips to the caller; the agent's next audio takes its place."""

    clip: Clip


@dataclass(frozen=True, slots=True)
class ClearCaller:
    """Drop agent audio the caller has not heard, here and at Twilio; refuse what comes late of it.

    Attributes:
        interrupted: True when it was the caller who cut in.
    """

    interrupted: bool = True


@dataclass(frozen=True, slots=True)
class HoldCaller:
    """Keep back agent audio that is not yet sent."""


@dataclass(frozen=True, slots=True)
class ReleaseCaller:
    """Let held agent audio go on."""


@dataclass(frozen=True, slots=True)
class DrainCaller:
    """Let the caller hear the rest, then report :class:`~gateway.bridge.events.CallerHeardAll`."""


@dataclass(frozen=True, slots=True)
class RunTool:
    """Have a tool answered, then report :class:`~gateway.bridge.events.ToolAnswered`."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class RefuseTool:
    """Book a tool call that came too late to be answered."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class AnswerTool:
    """Give the agent the one answer to its tool call, or book it as undeliverable."""

    number: int


@dataclass(frozen=True, slots=True)
class End:
    """The call is over: close both legs.

    Attributes:
        hang_up: end the phone call too; False when the caller did, or when it goes on elsewhere.
    """

    ending: Ending
    hang_up: bool


Command = (
    ConnectAgent
    | LeaveAgent
    | PlayClip
    | ClearCaller
    | HoldCaller
    | ReleaseCaller
    | DrainCaller
    | RunTool
    | RefuseTool
    | AnswerTool
    | End
)
