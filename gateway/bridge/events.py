"""All that can happen to a call, as the machine sees it. PURE data."""

from dataclasses import dataclass
from typing import Literal

from gateway.vatel.messages import ToolCall


@dataclass(frozen=True, slots=True)
class AgentConnected:
    """The agent's socket is open; the session has not said anything yet."""


@dataclass(frozen=True, slots=True)
class AgentReady:
    """The agent's session started."""


@dataclass(frozen=True, slots=True)
class AgentFailed:
    """An attempt to reach the agent failed.

    Attributes:
        detail: a slug (``unauthorized``, ``timeout``).
        retryable: whether another attempt may help.
        after_s: how long the platform asks to wait before that.
    """

    detail: str
    retryable: bool
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AgentEnded:
    """The agent is done: ``session_ended``, or a normal close."""


@dataclass(frozen=True, slots=True)
class AgentLost:
    """The agent's socket broke; ``detail`` is a slug such as ``close_1011``."""

    detail: str


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The agent's platform hears the caller speak; ``emulated`` if only the words say so."""

    emulated: bool = False


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The agent's platform hears the caller no more."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """The caller talked over the agent: what is not yet heard is void."""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The agent asks for a tool."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """A tool has its answer (an error is one too); ``number`` is the call's own for it."""

    number: int


@dataclass(frozen=True, slots=True)
class EndAsked:
    """The agent asks, by a tool, to end the call once it has said goodbye."""


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The agent asks, by a tool, to put the caller through; the caller is still hearing what it said."""


@dataclass(frozen=True, slots=True)
class TransferBegun:
    """The carrier is being asked to put the caller through: from now on nobody may hang up on them."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """The carrier has taken the caller over."""


@dataclass(frozen=True, slots=True)
class TransferFailed:
    """The carrier has not taken the caller over, and will not."""


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller's leg is gone: hung up, socket lost, or a peer that does not speak Twilio's protocol."""

    how: Literal["hung_up", "lost", "protocol"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CallerHeardAll:
    """The caller has heard everything that :class:`~gateway.bridge.commands.DrainCaller` let out."""


@dataclass(frozen=True, slots=True)
class OperatorEnded:
    """Somebody ended the call by command.

    Attributes:
        detail: a slug of the standing command by which the gateway did; empty for a person's.
    """

    detail: str = ""


@dataclass(frozen=True, slots=True)
class ShutdownDue:
    """The process has to leave now: the drain limit passed."""


@dataclass(frozen=True, slots=True)
class FillerDue:
    """Timer: the caller has waited in silence long enough to need a sign of life."""


@dataclass(frozen=True, slots=True)
class ConnectExpired:
    """Timer: the agent's socket is still not open."""


@dataclass(frozen=True, slots=True)
class AgentSilent:
    """Timer: the agent's session is open and says nothing at all."""


@dataclass(frozen=True, slots=True)
class CallerSilent:
    """Timer: no media from Twilio, which sends frames even in silence: the leg is dead."""


@dataclass(frozen=True, slots=True)
class HoldExpired:
    """Timer: speech started but neither stopped nor became an interruption."""


@dataclass(frozen=True, slots=True)
class GoodbyeOver:
    """Timer: the agent, which asked to end the call, says nothing more."""


@dataclass(frozen=True, slots=True)
class GoodbyeExpired:
    """Timer: the agent, which asked to end the call, has had time enough to say goodbye."""


@dataclass(frozen=True, slots=True)
class TransferExpired:
    """Timer: nobody says what became of a transfer."""


@dataclass(frozen=True, slots=True)
class DrainExpired:
    """Timer: the caller should have heard the rest by now."""


@dataclass(frozen=True, slots=True)
class TimeUp:
    """Timer: the longest call allowed."""


Timer = (
    FillerDue
    | ConnectExpired
    | AgentSilent
    | CallerSilent
    | HoldExpired
    | GoodbyeOver
    | GoodbyeExpired
    | TransferExpired
    | DrainExpired
    | TimeUp
)

Event = (
    AgentConnected
    | AgentReady
    | AgentFailed
    | AgentEnded
    | AgentLost
    | SpeechStarted
    | SpeechStopped
    | Interruption
    | ToolCalled
    | ToolAnswered
    | EndAsked
    | TransferAsked
    | TransferBegun
    | Transferred
    | TransferFailed
    | CallerLeft
    | CallerHeardAll
    | OperatorEnded
    | ShutdownDue
    | Timer
)
