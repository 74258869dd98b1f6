"""The other half of the voice socket, for those who play Vatel: write its messages, read a client's. PURE."""

from typing import Literal

import msgspec

from gateway.errors import AgentProtocolError
from gateway.vatel.arguments import dump_argument
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
from gateway.vatel.strict_json import Shape, dump


class Dialect(msgspec.Struct, frozen=True):
    """How a sandbox writes what servers of different ages write differently (vatel.md 2.1).

    Attributes:
        empty: what stands for ``data`` where there is nothing to say; the live server sends null.
        snake_case_tools: tool ids as ``tool_call_id`` and ``tool_name``.
        omit_is_final: no ``is_final`` anywhere, as before 2026-05.
    """

    empty: Literal["null", "object", "absent"] = "null"
    snake_case_tools: bool = False
    omit_is_final: bool = False


def dump_server(message: ServerMessage, dialect: Dialect = Dialect()) -> str:  # noqa: B008 -- frozen
    """Write a message of the server, as a sandbox sends it."""
    wire_type, data = _server_wire(message, dialect)
    if not data:
        empty: dict[str, dict[str, object]] = {
            "null": {"type": wire_type, "data": None},
            "object": {"type": wire_type, "data": {}},
            "absent": {"type": wire_type},
        }
        return dump(empty[dialect.empty])
    if dialect.omit_is_final:
        data.pop("is_final", None)
    return dump({"type": wire_type, "data": data})


_EMPTY_TYPES: dict[type[ServerMessage], str] = {
    SpeechStopped: "speech_stopped",
    Interruption: "interruption",
    SessionEnded: "session_ended",
}


def _server_wire(message: ServerMessage, dialect: Dialect) -> tuple[str, dict[str, object]]:
    match message:
        case SessionStarted(session_id):
            return "session_started", {"id": session_id}
        case ResponseAudio():
            return "response_audio", _audio_wire(message)
        case ResponseText(turn_id, text, is_final):
            return "response_text", {"turn_id": turn_id, "text": text, "is_final": is_final}
        case InputTranscript():
            return "input_audio_transcript", _transcript_wire(message)
        case SpeechStarted(emulated):
            return "speech_started", {"emulated": emulated}
        case ToolCall():
            return "tool_call", _tool_wire(message, dialect)
        case Unknown(wire_type):
            return wire_type, {}
        case _:
            return _EMPTY_TYPES[type(message)], {}


def _audio_wire(message: ResponseAudio) -> dict[str, object]:
    data: dict[str, object] = {"turn_id": message.turn_id, "audio": message.audio}
    if message.is_final is not None:
        data["is_final"] = message.is_final
    return data


def _transcript_wire(message: InputTranscript) -> dict[str, object]:
    turn = {} if message.turn_id is None else {"turn_id": message.turn_id}
    return {"transcript": message.text, **turn, "is_final": message.is_final}


def _tool_wire(call: ToolCall, dialect: Dialect) -> dict[str, object]:
    id_key, name_key = (
        ("tool_call_id", "tool_name") if dialect.snake_case_tools else ("toolCallId", "toolName")
    )
    arguments = [dump_argument(argument) for argument in call.arguments]
    return {id_key: call.id, name_key: call.name, "arguments": arguments}


class _ClientEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    data: msgspec.Raw


class _AudioData(msgspec.Struct, forbid_unknown_fields=True):
    audio: bytes


class _OutputData(msgspec.Struct, forbid_unknown_fields=True):
    toolCallId: str
    output: str


_CLIENT_ENVELOPE = Shape(_ClientEnvelope, "message")
_AUDIO_DATA = Shape(_AudioData, "data")
_OUTPUT_DATA = Shape(_OutputData, "data")


def parse_client(text: str | bytes) -> ClientMessage:
    """Parse a message of a client, as strictly as a sandbox should to catch a careless gateway.

    Raises:
        AgentProtocolError: with one of the reasons in `messages`.
    """
    envelope = _CLIENT_ENVELOPE.read(text)
    if envelope.type == "input_audio":
        return _read_audio(envelope.data)
    if envelope.type == "tool_call_output":
        output = _OUTPUT_DATA.read(envelope.data)
        return ToolCallOutput(output.toolCallId, output.output)
    raise AgentProtocolError("`type` is none a client may send", reason="unknown_type")


def _read_audio(data: msgspec.Raw) -> InputAudio:
    audio = _AUDIO_DATA.read(data).audio
    if len(audio) % 2:
        raise AgentProtocolError("`audio` ends inside a sample: send whole ones", reason="odd_audio")
    return InputAudio(audio)
