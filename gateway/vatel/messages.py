"""Every message of Vatel's voice socket, both ways: text in, frozen structs out, and back. PURE.

The wire is UTF-8 JSON text ``{"type": ..., "data": ...}`` (vatel.md 2; VoiceSessionServerMessage in
vatel-openapi.json). It is loose, so reading it follows three rules: ``data`` may be absent, null or ``{}``;
a field that is null counts as absent; a type nobody knows is `Unknown`, not an error. Wrong types, bad
base64 and broken JSON are errors, always `AgentProtocolError`, always with a reason:

    bad_utf8 · bad_json · too_deep · bad_number · bad_base64 · missing_field · wrong_type · unknown_field
    and, of clients only: unknown_type · odd_audio
"""

from binascii import b2a_base64
from collections.abc import Callable

import msgspec

from gateway.errors import AgentProtocolError
from gateway.vatel.arguments import MAX_DEPTH, Argument, argument_values, deeper_than, read_arguments
from gateway.vatel.frames import (
    ClientMessage,
    InputAudio,
    InputTranscript,
    Interruption,
    ResponseAudio,
    ResponseText,
    ServerMessage,
    SessionEnded,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolCallOutput,
    Unknown,
)
from gateway.vatel.peer import Dialect, dump_server, parse_client
from gateway.vatel.strict_json import Shape, dump

__all__ = [
    "Argument",
    "ClientMessage",
    "Dialect",
    "InputAudio",
    "InputTranscript",
    "Interruption",
    "ResponseAudio",
    "ResponseText",
    "ServerMessage",
    "SessionEnded",
    "SessionStarted",
    "SpeechStarted",
    "SpeechStopped",
    "ToolCall",
    "ToolCallOutput",
    "Unknown",
    "argument_values",
    "dump_input_audio",
    "dump_server",
    "dump_tool_output",
    "parse",
    "parse_client",
]


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Text(msgspec.Struct):
    text: str
    turn_id: str = ""
    is_final: bool = True


class _Transcript(msgspec.Struct):
    transcript: str
    turn_id: str | None = None
    is_final: bool = True


class _Tool(msgspec.Struct):
    """Both spellings of the ids: the JS SDK accepts snake_case since 2026-03-31."""

    toolCallId: str = ""
    tool_call_id: str = ""
    toolName: str = ""
    tool_name: str = ""
    arguments: object = None


_ENVELOPE = Shape(_Envelope, "message")
_STARTED = Shape(SessionStarted, "data", nulls_absent=True)
_AUDIO = Shape(ResponseAudio, "data", nulls_absent=True)
_TEXT = Shape(_Text, "data", nulls_absent=True)
_TRANSCRIPT = Shape(_Transcript, "data", nulls_absent=True)
_SPEECH = Shape(SpeechStarted, "data", nulls_absent=True)
_TOOL = Shape(_Tool, "data", nulls_absent=True)


def parse(text: str | bytes) -> ServerMessage:
    """Parse a message of the server.

    Raises:
        AgentProtocolError: with one of the reasons in this module's docstring.
    """
    envelope = _ENVELOPE.read(text)
    read = _READERS.get(envelope.type)
    return Unknown(envelope.type) if read is None else read(envelope.data)


def _read_text(data: msgspec.Raw) -> ResponseText:
    wire = _TEXT.read(data)
    return ResponseText(wire.turn_id, wire.text, wire.is_final)


def _read_transcript(data: msgspec.Raw) -> InputTranscript:
    wire = _TRANSCRIPT.read(data)
    return InputTranscript(wire.transcript, wire.turn_id, wire.is_final)


def _read_tool(data: msgspec.Raw) -> ToolCall:
    wire = _TOOL.read(data)
    tool_call_id = wire.toolCallId or wire.tool_call_id
    if not tool_call_id:
        raise AgentProtocolError("data misses its `toolCallId`: nobody could answer", reason="missing_field")
    if deeper_than(wire.arguments, MAX_DEPTH):
        raise AgentProtocolError(f"`arguments` nests deeper than {MAX_DEPTH}", reason="too_deep")
    return ToolCall(tool_call_id, wire.toolName or wire.tool_name, read_arguments(wire.arguments))


# The three empty messages are read without a look at their data: whatever it is, it says nothing.
_READERS: dict[str, Callable[[msgspec.Raw], ServerMessage]] = {
    "session_started": _STARTED.read,
    "response_audio": _AUDIO.read,
    "response_text": _read_text,
    "input_audio_transcript": _read_transcript,
    "speech_started": _SPEECH.read,
    "speech_stopped": lambda data: SpeechStopped(),
    "interruption": lambda data: Interruption(),
    "session_ended": lambda data: SessionEnded(),
    "tool_call": _read_tool,
}


def dump_input_audio(audio: bytes) -> str:
    """Write caller speech (PCM16 24 kHz, whole samples) by template: this runs 50 times a call-second."""
    encoded = b2a_base64(audio, newline=False).decode("ascii")
    return f'{{"type":"input_audio","data":{{"audio":"{encoded}"}}}}'


def dump_tool_output(tool_call_id: str, output: str) -> str:
    """Write the answer to a tool call; lone surrogates in it become U+FFFD, NUL stays, escaped."""
    return dump({"type": "tool_call_output", "data": {"toolCallId": tool_call_id, "output": output}})
