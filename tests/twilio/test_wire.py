"""The JSON shapes: their key order is Twilio's, ours allow no other key."""

import json

import msgspec
import pytest

from gateway.twilio import wire

START = wire.Start("1", wire.StartBody("AC", "MZ", "CA"), "MZ")
MEDIA = wire.Media("1", wire.MediaBody(chunk="1", timestamp="1", payload=""), "MZ")


def keys(text: str) -> list[str]:
    return list(json.loads(text))


@pytest.mark.parametrize(
    ("message", "order"),
    [
        (wire.Connected(), ["event", "protocol", "version"]),
        (
            wire.Start("1", wire.StartBody("AC", "MZ", "CA"), "MZ"),
            ["event", "sequenceNumber", "start", "streamSid"],
        ),
        (
            wire.Media("1", wire.MediaBody(chunk="1", timestamp="1", payload=""), "MZ"),
            ["event", "sequenceNumber", "media", "streamSid"],
        ),
        (wire.Mark("1", "MZ", wire.MarkBody("")), ["event", "sequenceNumber", "streamSid", "mark"]),
        (wire.Dtmf("MZ", "1", wire.DtmfBody(digit="1")), ["event", "streamSid", "sequenceNumber", "dtmf"]),
        (wire.Stop("1", "MZ"), ["event", "sequenceNumber", "streamSid", "stop"]),
        (wire.Play("MZ", wire.PlayBody("")), ["event", "streamSid", "media"]),
        (wire.SetMark("MZ", wire.SetMarkBody("")), ["event", "streamSid", "mark"]),
        (wire.Clear("MZ"), ["event", "streamSid"]),
    ],
)
def test_keys_come_in_the_order_of_the_captures(
    message: wire.FromTwilio | wire.FromGateway, order: list[str]
) -> None:
    """Encoding writes the event first and the rest as real calls show it."""
    assert keys(wire.encode(message)) == order


def test_inner_keys_come_in_the_order_of_the_captures() -> None:
    """The bodies of start, media, dtmf and stop have Twilio's order too."""
    start = json.loads(wire.encode(START))["start"]
    assert list(start) == ["accountSid", "streamSid", "callSid", "tracks", "mediaFormat", "customParameters"]
    assert list(start["mediaFormat"]) == ["encoding", "sampleRate", "channels"]
    media = json.loads(
        wire.encode(wire.Media("1", wire.MediaBody(chunk="1", timestamp="1", payload=""), "MZ"))
    )
    assert list(media["media"]) == ["track", "chunk", "timestamp", "payload"]
    assert keys(msgspec.json.encode(wire.DtmfBody(digit="1")).decode()) == ["track", "digit"]
    assert keys(msgspec.json.encode(wire.StopBody()).decode()) == ["accountSid", "callSid"]


def test_text_alone_is_encoded_as_json() -> None:
    """A quote or a backslash in a text cannot leave it."""
    assert wire.encode('a"b\\') == '"a\\"b\\\\"'


@pytest.mark.parametrize(
    "text",
    [
        '{"event":"clear","streamSid":"MZ","x":1}',
        '{"event":"mark","streamSid":"MZ","mark":{"name":"a","x":1}}',
        '{"event":"media","streamSid":"MZ","media":{"payload":"","x":1}}',
        '{"event":"connected"}',
    ],
)
def test_our_shapes_allow_no_other_key_and_no_event_of_twilios(text: str) -> None:
    """The decoder for our messages is as strict as error 31951."""
    with pytest.raises(msgspec.ValidationError):
        wire.decode_gateway(text)


@pytest.mark.parametrize("event", ["start", "media", "mark", "dtmf", "stop"])
def test_every_event_of_twilio_is_known_by_its_name(event: str) -> None:
    """A complaint about a field, not about the event, shows that the event was known."""
    with pytest.raises(msgspec.ValidationError, match="missing required field"):
        wire.decode_twilio(f'{{"event":"{event}"}}')


def test_frame_reads_its_numbers_as_integers() -> None:
    """Numbers written as texts, as Twilio does, arrive as integers; so do numbers."""
    body = '"track":"inbound","chunk":"3","timestamp":"155","payload":"AA=="'
    frame = wire.decode_frame(f'{{"event":"media","sequenceNumber":4,"media":{{{body}}},"streamSid":"MZ"}}')

    assert frame == wire.Frame(4, wire.FrameBody(chunk=3, timestamp=155, payload="AA=="), "MZ")


@pytest.mark.parametrize(
    "number", ['"-1"', '"1000000000000000000"', '"٣"', '" 1"', '""', "true", "null", '"1.5"']
)
def test_frame_refuses_what_no_stream_numbers(number: str) -> None:
    """What the short way refuses goes the strict one, which names the fault."""
    text = (
        f'{{"event":"media","sequenceNumber":"4","media":{{"chunk":{number},"timestamp":"1",'
        '"payload":"AA=="},"streamSid":"MZ"}'
    )

    with pytest.raises(msgspec.ValidationError):
        wire.decode_frame(text)


def test_frame_decoder_takes_no_other_event() -> None:
    """A mark, whose fields a frame has not, is left to the decoder of everything."""
    with pytest.raises(msgspec.ValidationError):
        wire.decode_frame('{"event":"mark","sequenceNumber":"4","streamSid":"MZ","mark":{"name":"x"}}')
