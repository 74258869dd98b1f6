"""What Vatel's voice socket says, as values: nine messages one way, two the other. PURE data."""

import msgspec

from gateway.vatel.arguments import Argument


class SessionStarted(msgspec.Struct, frozen=True):
    """The session runs; ``id`` names it (and, presumably, the call of the REST API)."""

    id: str = ""


class ResponseAudio(msgspec.Struct, frozen=True):
    """Agent speech.

    Attributes:
        turn_id: the agent's turn, or empty when the server did not say.
        audio: PCM16 little-endian mono 24 kHz; may be empty, may end inside a sample.
        is_final: whether it is the last chunk of its segment; None when the server did not say.
    """

    turn_id: str = ""
    audio: bytes = b""
    is_final: bool | None = None


class ResponseText(msgspec.Struct, frozen=True):
    """What the agent says, in words: each text replaces the one before of its turn until it is final."""

    turn_id: str
    text: str
    is_final: bool = True


class InputTranscript(msgspec.Struct, frozen=True):
    """What the caller said, in words: a hypothesis until it is final."""

    text: str
    turn_id: str | None = None
    is_final: bool = True


class SpeechStarted(msgspec.Struct, frozen=True):
    """The caller began to speak; ``emulated`` when only a transcript told so."""

    emulated: bool = False


class SpeechStopped(msgspec.Struct, frozen=True):
    """The caller fell silent."""


class Interruption(msgspec.Struct, frozen=True):
    """The caller talked over the agent."""


class SessionEnded(msgspec.Struct, frozen=True):
    """The agent is done; the socket will close."""


class ToolCall(msgspec.Struct, frozen=True):
    """The agent asks for a tool and waits until it is answered, once."""

    id: str
    name: str
    arguments: tuple[Argument, ...] = ()


class Unknown(msgspec.Struct, frozen=True):
    """A message of a type this contract does not know."""

    type: str


class InputAudio(msgspec.Struct, frozen=True):
    """Caller speech: PCM16 little-endian mono 24 kHz."""

    audio: bytes


class ToolCallOutput(msgspec.Struct, frozen=True):
    """The answer to a tool call: an opaque string."""

    id: str
    output: str


ServerMessage = (
    SessionStarted
    | ResponseAudio
    | ResponseText
    | InputTranscript
    | SpeechStarted
    | SpeechStopped
    | Interruption
    | SessionEnded
    | ToolCall
    | Unknown
)
ClientMessage = InputAudio | ToolCallOutput
