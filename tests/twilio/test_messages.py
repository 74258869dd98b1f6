"""Every message both ways, by golden frames from Twilio's documents and captures, and their bad twins."""

import base64
import json
import random
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerProtocolError
from gateway.twilio import messages
from gateway.twilio.messages import (
    MAX_MESSAGE_CHARS,
    Clear,
    Connected,
    Dtmf,
    GatewayMessage,
    Mark,
    Media,
    Play,
    SetMark,
    Start,
    Stop,
    TwilioMessage,
    dump,
    dump_twilio,
    parse,
    parse_gateway,
)

GOLDEN = Path(__file__).parent / "golden"
STREAM_SID = "MZ" + "2" * 32
SECRET = "s3cret-t0ken"

text = st.text(st.characters(codec="utf-8"), max_size=20)
sids = st.from_regex(r"[A-Z]{2}[0-9a-f]{32}", fullmatch=True)
numbers = st.integers(0, 10**18 - 1)
payloads = st.binary(min_size=1, max_size=400)
medias = st.builds(
    Media,
    stream_sid=text,
    sequence=numbers,
    chunk=numbers,
    timestamp_ms=numbers,
    payload=payloads,
    track=text,
)
twilio_messages = st.one_of(
    st.builds(Connected, protocol=text, version=text),
    st.builds(
        Start,
        stream_sid=sids,
        call_sid=sids,
        account_sid=sids,
        tracks=st.lists(text, max_size=3).map(tuple),
        encoding=st.just("audio/x-mulaw"),
        rate_hz=st.just(8000),
        channels=st.just(1),
        parameters=st.dictionaries(text, text, max_size=4).map(MappingProxyType),
        sequence=numbers,
    ),
    medias,
    st.builds(Mark, stream_sid=text, sequence=numbers, name=text),
    st.builds(Dtmf, stream_sid=text, sequence=numbers, digit=text, track=text),
    st.builds(Stop, stream_sid=text, sequence=numbers, call_sid=text, account_sid=text),
)
gateway_messages = st.one_of(
    st.builds(Play, stream_sid=text, payload=payloads),
    st.builds(SetMark, stream_sid=text, name=text),
    st.builds(Clear, stream_sid=text),
)


def frames(name: str) -> list[Any]:
    lines = (GOLDEN / f"{name}.jsonl").read_text("ascii").splitlines()
    return [pytest.param(row, id=row["name"]) for row in map(json.loads, lines)]


def fields_of(message: TwilioMessage | GatewayMessage) -> dict[str, Any]:
    """List a message's fields as the golden files write them: bytes in base64, no tuples."""
    fields = {name: getattr(message, name) for name in type(message).__struct_fields__}
    for name, value in fields.items():
        if isinstance(value, bytes):
            fields[name] = base64.b64encode(value).decode()
        elif isinstance(value, tuple):
            fields[name] = list(value)
        elif isinstance(value, MappingProxyType):
            fields[name] = dict(value)
    return fields


def reason_of(frame: str | bytes) -> str:
    with pytest.raises(CallerProtocolError) as caught:
        parse(frame)
    return caught.value.reason


@pytest.mark.parametrize("frame", frames("twilio_exact") + frames("twilio_tolerated"))
def test_golden_frame_of_twilio_is_parsed(frame: dict[str, Any]) -> None:
    """Every documented shape, and every harmless deviation, gives the fields it stands for."""
    message = parse(frame["text"])
    assert type(message).__name__ == frame["kind"]
    assert fields_of(message) == frame["parsed"]


@pytest.mark.parametrize("frame", frames("twilio_exact"))
def test_golden_frame_of_twilio_is_dumped_to_the_same_bytes(frame: dict[str, Any]) -> None:
    """What Twilio really sends survives parse and dump to the byte."""
    assert dump_twilio(parse(frame["text"])) == frame["text"]
    assert parse(frame["text"].encode()) == parse(frame["text"])


@pytest.mark.parametrize("frame", frames("twilio_bad"))
def test_bad_twin_is_refused_by_name(frame: dict[str, Any]) -> None:
    """Every fault has its own reason, and no other exception comes out."""
    assert reason_of(frame["text"]) == frame["reason"]


@pytest.mark.parametrize("frame", frames("gateway_exact"))
def test_golden_frame_of_ours_is_parsed_and_dumped_to_the_same_bytes(frame: dict[str, Any]) -> None:
    """What the documents ask us to send is what we send."""
    message = parse_gateway(frame["text"], stream_sid=STREAM_SID)
    assert type(message).__name__ == frame["kind"]
    assert fields_of(message) == frame["parsed"]
    assert dump(message) == frame["text"]


@pytest.mark.parametrize("frame", frames("gateway_bad"))
def test_bad_twin_of_ours_earns_twilios_warning(frame: dict[str, Any]) -> None:
    """Whatever Twilio would not obey is refused with its own number."""
    with pytest.raises(CallerProtocolError) as caught:
        parse_gateway(frame["text"], stream_sid=STREAM_SID)
    assert caught.value.reason == frame["reason"]


def test_binary_frame_of_ours_earns_31950() -> None:
    """Bytes stand for a binary frame, which Twilio warns of under another number."""
    with pytest.raises(CallerProtocolError) as caught:
        parse_gateway(dump(Clear(STREAM_SID)).encode(), stream_sid=STREAM_SID)
    assert caught.value.reason == "31950"


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"event":"mark","x":[', '{"event":"clear","streamSid":['])
def test_deep_nesting_is_refused_both_ways(opening: str) -> None:
    """A message that is all brackets ends in a named error, not in a broken stack."""
    nested = opening * (MAX_MESSAGE_CHARS // len(opening))
    assert reason_of(nested) in ("too_deep", "bad_type", "unknown_event", "bad_json")
    with pytest.raises(CallerProtocolError) as caught:
        parse_gateway(opening * 100_000, stream_sid=STREAM_SID)
    assert caught.value.reason == "31951"


def test_deep_nesting_under_an_unknown_key_is_named() -> None:
    """Skipping a value nobody asked for still counts its depth."""
    assert reason_of('{"event":"stop","x":' + "[" * 60_000) == "too_deep"


@pytest.mark.parametrize("size", [MAX_MESSAGE_CHARS + 1, 1_000_000])
def test_oversized_message_is_refused_unread(size: int) -> None:
    """A huge message is refused by its length alone, whatever it holds."""
    assert reason_of("[" * size) == "too_big"
    assert reason_of(b"\xff" * size) == "too_big"


def test_longest_message_is_read() -> None:
    """The limit itself still passes."""
    shortest = '{"event":"connected","protocol":""}'
    longest = shortest.replace('""', '"' + "x" * (MAX_MESSAGE_CHARS - len(shortest)) + '"')
    assert len(longest) == MAX_MESSAGE_CHARS
    assert isinstance(parse(longest), Connected)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff",
        b'{"event":"\xc3"}',
        b'{"event":"mark","sequenceNumber":"1","streamSid":"\xed\xa0\x80","mark":{"name":""}}',
        '{"event":"connected"}'.encode("utf-16"),
        '{"event":"connected","protocol":"\ud800"}',
        '{"\udfff":1,"event":"connected"}',
    ],
)
def test_text_that_is_no_unicode_is_refused(frame: str | bytes) -> None:
    """Invalid UTF-8 and lone surrogates end in bad_encoding."""
    assert reason_of(frame) == "bad_encoding"


def test_errors_hold_no_value_of_the_message() -> None:
    """What a message says never gets into the text of an error, whichever field is wrong."""
    start = dump_twilio(Start("MZ1", "CA1", "AC1", parameters={SECRET: SECRET}))
    broken = [
        start.replace(f'"{SECRET}"}}', "7}"),
        start.replace("AC1", SECRET + "/"),
        dump_twilio(Dtmf("MZ1", 1, "5")).replace('"1"', f'"{SECRET}"'),
        dump_twilio(Media("MZ1", 1, 1, 1, b"a")).replace("YQ==", SECRET),
        f'{{"event":"{SECRET}"}}',
        f'{{"event":["{SECRET}"]}}',
        SECRET,
    ]
    for frame in broken:
        with pytest.raises(CallerProtocolError) as caught:
            parse(frame)
        assert SECRET not in str(caught.value)
        assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_reprs_hold_neither_audio_nor_digits_nor_parameters() -> None:
    """A message that is printed by accident gives nothing of the caller's away."""
    secret = SECRET.encode()
    for message in (
        Media("MZ1", 1, 1, 20, secret),
        Dtmf("MZ1", 1, SECRET),
        Start("MZ1", "CA1", "AC1", parameters={"token": SECRET}),
        Play("MZ1", secret),
    ):
        assert SECRET not in repr(message)
    assert repr(Media("MZ1", 7, 6, 155, secret)) == "Media(sequence=7, timestamp_ms=155, bytes=12)"


def test_start_parameters_cannot_be_changed() -> None:
    """A parsed message is frozen to the bottom."""
    message = parse(dump_twilio(Start("MZ1", "CA1", "AC1", parameters={"token": "a"})))
    assert isinstance(message, Start)
    with pytest.raises(TypeError):
        message.parameters["token"] = "b"  # type: ignore[index]
    with pytest.raises(AttributeError):
        message.stream_sid = "MZ2"  # type: ignore[misc]


@given(twilio_messages)
def test_any_message_of_twilio_survives_dump_and_parse(message: TwilioMessage) -> None:
    """Dump and parse are inverse, and dump is compact."""
    frame = dump_twilio(message)
    assert parse(frame) == message
    assert frame == json.dumps(json.loads(frame), separators=(",", ":"), ensure_ascii=False)


@given(gateway_messages)
def test_any_message_of_ours_survives_dump_and_parse(message: GatewayMessage) -> None:
    """Whatever we dump, Twilio's strict reading accepts, also with odd names and identifiers."""
    assert parse_gateway(dump(message), stream_sid=message.stream_sid) == message


def shuffled(value: object, chance: random.Random) -> object:
    if not isinstance(value, dict):
        return value
    keys = list(value)
    chance.shuffle(keys)
    return {key: shuffled(value[key], chance) for key in keys}


@given(medias, st.randoms(use_true_random=False), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_media_parses_the_same_in_any_key_order_and_spacing(
    message: Media, chance: random.Random, indent: int | str | None, ascii_only: bool
) -> None:
    """Twilio's byte order is nothing special: order, spaces, escapes and unknown keys change nothing."""
    tree = json.loads(dump_twilio(message))
    tree["later"] = {"event": "stop", "media": [None, 1.5, {}]}
    frame = json.dumps(shuffled(tree, chance), indent=indent, ensure_ascii=ascii_only)
    assert parse(frame) == message


def cut_or_bent(frame: str, chance: random.Random) -> str:
    at = chance.randrange(len(frame))
    match chance.randrange(4):
        case 0:
            return frame[:at]
        case 1:
            return frame[:at] + chr(chance.randrange(0x250)) + frame[at + 1 :]
        case 2:
            return frame[:at] + frame[at + chance.randrange(1, 9) :]
        case _:
            return frame[:at] + chance.choice(['"', "{", "}", "[", "\\", ",", "null", "9" * 30]) + frame[at:]


@given(twilio_messages, st.randoms(use_true_random=False))
def test_bent_frame_is_parsed_or_refused_but_never_raises_otherwise(
    message: TwilioMessage, chance: random.Random
) -> None:
    """A damaged frame ends in a message or in a named error."""
    bent = cut_or_bent(dump_twilio(message), chance)
    for frame in (bent, bent.encode()[: chance.randrange(len(bent) + 1)]):
        with suppress(CallerProtocolError):
            parse(frame)


@given(st.one_of(st.text(), st.binary(), st.text(st.characters(categories=["Cs", "Nd", "Po"]))))
def test_any_text_is_parsed_or_refused_but_never_raises_otherwise(frame: str | bytes) -> None:
    """No input reaches an exception of another kind, in either direction."""
    with pytest.raises(CallerProtocolError):
        parse(frame)
    with pytest.raises(CallerProtocolError):
        parse_gateway(frame, stream_sid=STREAM_SID)


def test_play_prefix_and_suffix_enclose_what_dump_writes() -> None:
    """The two pieces that a stream keeps make the same text as a whole dump."""
    whole = messages.play_prefix(STREAM_SID) + "YQ==" + messages.PLAY_SUFFIX
    assert whole == dump(Play(STREAM_SID, b"a"))
