"""Reading Vatel's messages, golden and bad; writing ours."""

import json
from binascii import a2b_base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AgentProtocolError
from gateway.vatel import messages
from gateway.vatel.messages import dump_input_audio, dump_tool_output, parse, parse_client
from tests.vatel.golden_frames import BadTwin, Frame, bad_twins, frames, json_values, refusal

REASONS = {
    None,
    "bad_utf8",
    "bad_json",
    "too_deep",
    "bad_number",
    "bad_base64",
    "missing_field",
    "wrong_type",
}
TYPES = [
    "session_started",
    "response_audio",
    "response_text",
    "input_audio_transcript",
    "speech_started",
    "speech_stopped",
    "interruption",
    "session_ended",
    "tool_call",
]


@pytest.mark.parametrize("frame", frames("server"), ids=str)
def test_a_golden_frame_reads_as_what_it_means(frame: Frame) -> None:
    """Every message and every oddity of the reference becomes the message it stands for."""
    assert parse(frame.wire) == frame.message


@pytest.mark.parametrize("frame", frames("server"), ids=str)
def test_a_golden_frame_reads_the_same_as_bytes(frame: Frame) -> None:
    """Text and its UTF-8 bytes are one."""
    assert parse(frame.wire.encode()) == frame.message


@pytest.mark.parametrize("twin", bad_twins("server"), ids=str)
def test_a_bad_twin_is_refused_by_name(twin: BadTwin) -> None:
    """What breaks the contract is an AgentProtocolError with its own reason."""
    with pytest.raises(AgentProtocolError) as caught:
        parse(twin.wire)

    assert caught.value.reason == twin.reason


@pytest.mark.parametrize("frame", frames("server"), ids=str)
def test_a_golden_frame_cut_anywhere_is_refused_or_whole(frame: Frame) -> None:
    """No prefix of a frame raises anything but an AgentProtocolError."""
    whole = frame.wire.rstrip()
    for length in range(len(whole)):
        with pytest.raises(AgentProtocolError):
            parse(whole[:length])


@pytest.mark.parametrize("name", TYPES)
def test_every_type_of_the_contract_is_known(name: str) -> None:
    """None of the nine types reads as unknown, whatever its data."""
    data = {"toolCallId": "c", "text": "", "transcript": ""}

    assert not isinstance(parse(json.dumps({"type": name, "data": data})), messages.Unknown)


@pytest.mark.parametrize(
    "text", [b'{"type":"\xff"}', b'{"x":"\xff","type":"interruption"}', b"\xc3", "\ud800"]
)
def test_text_that_is_no_utf8_is_refused(text: str | bytes) -> None:
    """Invalid UTF-8 is refused wherever it stands, in skipped fields too."""
    with pytest.raises(AgentProtocolError) as caught:
        parse(text)

    assert caught.value.reason == "bad_utf8"


@pytest.mark.parametrize(
    "opening", ["[", '{"a":', '{"type":"interruption","data":[', '{"type":"x","y":{"z":']
)
def test_nesting_without_end_is_refused(opening: str) -> None:
    """A hundred thousand brackets are a named error, not an overflow of the stack."""
    with pytest.raises(AgentProtocolError) as caught:
        parse(opening * 100_000)

    assert caught.value.reason in {"too_deep", "bad_json", "wrong_type", "missing_field"}


def test_a_value_as_deep_as_allowed_is_read() -> None:
    """The cap on nesting leaves room for any argument a tool may really have."""
    value = "[" * 60 + "]" * 60
    wire = '{"type":"tool_call","data":{"toolCallId":"c","arguments":[{"name":"a","value":' + value + "}]}}"

    message = parse(wire)

    assert isinstance(message, messages.ToolCall)
    assert json.dumps(message.arguments[0].value) == value


def test_an_error_does_not_repeat_what_was_said() -> None:
    """Error messages name the field, never its value: it may be what somebody said."""
    wire = (
        '{"type":"input_audio_transcript","data":{"transcript":{"secret":"my card is 4111"},"is_final":true}}'
    )

    with pytest.raises(AgentProtocolError) as caught:
        parse(wire)

    assert "transcript" in str(caught.value)
    assert "4111" not in str(caught.value)


def test_the_last_of_two_equal_keys_counts() -> None:
    """Duplicate keys are read as every JSON library reads them."""
    assert parse('{"type":"interruption","type":"session_ended"}') == messages.SessionEnded()


def test_a_burst_of_ten_seconds_reads_as_one_message() -> None:
    """640 kB of base64 in one message are audio like any other."""
    pcm = bytes(range(256)) * 1875

    message = parse(messages.dump_server(messages.ResponseAudio("t", pcm, False)))

    assert message == messages.ResponseAudio("t", pcm, False)


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_random_text_raises_nothing_else(text: str | bytes) -> None:
    """Whatever arrives, it is a message or an AgentProtocolError with a known reason."""
    assert refusal(parse, text) in REASONS


@given(st.sampled_from(TYPES), json_values)
def test_random_data_of_known_types_raises_nothing_else(name: str, data: object) -> None:
    """A known type with any data at all is a message or an AgentProtocolError with a known reason."""
    assert refusal(parse, json.dumps({"type": name, "data": data})) in REASONS


FIELDS = [
    "id",
    "turn_id",
    "audio",
    "text",
    "transcript",
    "is_final",
    "emulated",
    "toolCallId",
    "toolName",
    "arguments",
]


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_random_fields_of_known_types_raise_nothing_else(name: str, data: dict[str, object]) -> None:
    """Known fields with any values at all end in a message or an AgentProtocolError with a known reason."""
    assert refusal(parse, json.dumps({"type": name, "data": data})) in REASONS


@given(st.binary())
def test_caller_audio_arrives_byte_for_byte(pcm: bytes) -> None:
    """The template is valid JSON of exactly the contract's shape around the same audio."""
    wire = json.loads(dump_input_audio(pcm))

    assert set(wire) == {"type", "data"}
    assert wire["type"] == "input_audio"
    assert set(wire["data"]) == {"audio"}
    assert a2b_base64(wire["data"]["audio"], strict_mode=True) == pcm


def test_caller_audio_is_written_compactly() -> None:
    """20 ms of audio cost 1,280 characters of base64 and 42 around them."""
    text = dump_input_audio(b"\1\0" * 480)

    assert text.startswith('{"type":"input_audio","data":{"audio":"AQAB')
    assert len(text) == 1280 + 42


@given(st.text(st.characters()), st.text(st.characters()))
def test_a_tool_output_is_valid_json_for_any_text(tool_call_id: str, output: str) -> None:
    """Lone surrogates become U+FFFD, all else arrives as it was, and UTF-8 can carry the result."""
    text = dump_tool_output(tool_call_id, output)
    expected = output.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    assert json.loads(text.encode())["data"]["output"] == expected


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_tool_output_comes_back_as_it_went(tool_call_id: str, output: str) -> None:
    """What the gateway answers is what the sandbox reads."""
    text = dump_tool_output(tool_call_id, output)

    assert parse_client(text) == messages.ToolCallOutput(tool_call_id, output)


def test_nul_in_a_tool_output_is_escaped() -> None:
    """A NUL stays, as an escape: no raw control character is on the wire."""
    text = dump_tool_output("c", "a\0b\n")

    assert "\\u0000" in text
    assert text.isprintable()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("\ud800", "�"),
        ("a\udc00b", "a�b"),
        ("\ud83c\udf7d", "🍽"),
        ("\ud83c\ud83c\udf7d", "�🍽"),
        ("", ""),
        ('{"ok":true}', '{"ok":true}'),
    ],
)
def test_surrogates_in_a_tool_output_are_mended(output: str, expected: str) -> None:
    """A pair that belongs together becomes its character, a lone half U+FFFD."""
    assert json.loads(dump_tool_output("c", output))["data"]["output"] == expected


def test_messages_cannot_be_changed() -> None:
    """A message is a value."""
    with pytest.raises(AttributeError):
        messages.SpeechStarted().emulated = True  # type: ignore[misc]  # the point of the test


def test_everything_the_bridge_and_the_sandbox_need_is_here() -> None:
    """One module speaks both sides: every name it promises exists."""
    assert [name for name in messages.__all__ if not hasattr(messages, name)] == []
