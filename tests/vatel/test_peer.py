"""Vatel's half of the socket, as the sandbox plays it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AgentProtocolError
from gateway.vatel import messages
from gateway.vatel.messages import dump_input_audio, parse
from gateway.vatel.peer import Dialect, dump_server, parse_client
from tests.vatel.golden_frames import (
    BadTwin,
    Frame,
    bad_twins,
    dialects,
    frames,
    json_values,
    refusal,
    server_messages,
)

EMPTY = [messages.SpeechStopped(), messages.Interruption(), messages.SessionEnded()]
CANONICAL = {
    "session_started",
    "response_audio",
    "response_audio_final",
    "response_audio_final_empty",
    "response_audio_odd_byte",
    "response_text_interim",
    "response_text_final",
    "transcript_without_turn",
    "speech_started",
    "speech_started_emulated",
    "speech_stopped_null",
    "interruption_null",
    "session_ended_null",
}


@pytest.mark.parametrize("frame", [frame for frame in frames("server") if frame.name in CANONICAL], ids=str)
def test_the_default_dialect_is_the_live_server(frame: Frame) -> None:
    """Without a dialect, messages are written byte for byte as the golden frames have them."""
    assert dump_server(frame.message) == frame.wire  # type: ignore[arg-type]  # golden by kind


@given(server_messages)
def test_what_is_written_is_read_back(message: messages.ServerMessage) -> None:
    """The sandbox's messages arrive at the gateway as they left."""
    assert parse(dump_server(message)) == message


@given(server_messages, dialects)
def test_every_dialect_says_the_same(message: messages.ServerMessage, dialect: Dialect) -> None:
    """Servers of all ages are understood: only is_final, where it is left out, is lost."""
    read = parse(dump_server(message, dialect))

    if dialect.omit_is_final:
        assert type(read) is type(message)
        assert getattr(read, "is_final", None) in (True, None)
    else:
        assert read == message


@pytest.mark.parametrize(
    ("empty", "ending"), [("null", ',"data":null}'), ("object", ',"data":{}}'), ("absent", '"}')]
)
@pytest.mark.parametrize("message", EMPTY)
def test_nothing_to_say_is_said_in_three_ways(
    message: messages.ServerMessage, empty: str, ending: str
) -> None:
    """The data of empty messages is null, an object or absent, as the dialect has it."""
    dialect = Dialect(empty=empty)  # type: ignore[arg-type]  # parametrized

    text = dump_server(message, dialect)

    assert text.endswith(ending)
    assert parse(text) == message


def test_tool_ids_are_written_in_either_case() -> None:
    """The snake_case dialect renames both ids and nothing else."""
    call = messages.ToolCall("c-1", "book", (messages.Argument("n", "static", "number", "d", True, 2),))

    camel = json.loads(dump_server(call))["data"]
    snake = json.loads(dump_server(call, Dialect(snake_case_tools=True)))["data"]

    assert list(camel) == ["toolCallId", "toolName", "arguments"]
    assert list(snake) == ["tool_call_id", "tool_name", "arguments"]
    assert list(camel.values()) == list(snake.values())


def test_an_argument_is_written_with_vatels_names() -> None:
    """Bindings have the six keys of VoiceSessionInputVariable."""
    call = messages.ToolCall("c-1", "book", (messages.Argument("n", "static", "number", "d", True, 2),))

    assert json.loads(dump_server(call))["data"]["arguments"] == [
        {
            "name": "n",
            "type": "static",
            "dataType": "number",
            "description": "d",
            "required": True,
            "value": 2,
        }
    ]


@pytest.mark.parametrize(
    "message",
    [
        messages.ResponseAudio("t", b"\1\0", True),
        messages.ResponseText("t", "a", False),
        messages.InputTranscript("a", "t", False),
    ],
)
def test_an_old_server_never_says_final(message: messages.ServerMessage) -> None:
    """Before 2026-05 no message had is_final."""
    assert "is_final" not in dump_server(message, Dialect(omit_is_final=True))


def test_lone_surrogates_never_reach_the_wire() -> None:
    """A sandbox script with broken text still sends valid UTF-8."""
    text = dump_server(messages.ResponseText("t", "a\ud800", True))

    assert parse(text.encode()) == messages.ResponseText("t", "a�", True)


@pytest.mark.parametrize("frame", frames("client"), ids=str)
def test_a_golden_client_frame_reads_as_what_it_means(frame: Frame) -> None:
    """Both messages of a client are understood."""
    assert parse_client(frame.wire) == frame.message


@pytest.mark.parametrize("twin", bad_twins("client"), ids=str)
def test_a_bad_client_frame_is_refused_by_name(twin: BadTwin) -> None:
    """A careless client is told exactly what is wrong."""
    with pytest.raises(AgentProtocolError) as caught:
        parse_client(twin.wire)

    assert caught.value.reason == twin.reason


@given(st.binary().filter(lambda pcm: len(pcm) % 2 == 0))
def test_caller_audio_comes_back_as_it_went(pcm: bytes) -> None:
    """What the gateway sends is what the sandbox hears."""
    assert parse_client(dump_input_audio(pcm)) == messages.InputAudio(pcm)


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_random_client_text_raises_nothing_else(text: str | bytes) -> None:
    """Whatever a client sends, it is a message or an AgentProtocolError."""
    assert refusal(parse_client, text) != ""


@given(st.sampled_from(["input_audio", "tool_call_output"]), json_values)
def test_random_client_data_raises_nothing_else(name: str, data: object) -> None:
    """A known type with any data at all is a message or an AgentProtocolError."""
    assert refusal(parse_client, json.dumps({"type": name, "data": data})) != ""
