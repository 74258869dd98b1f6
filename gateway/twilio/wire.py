"""The JSON of Media Streams as Twilio writes it: one struct per message, fields in Twilio's own order.

Decoding takes the keys in any order; encoding gives Twilio's order, the event first
(https://www.twilio.com/docs/voice/media-streams/websocket-messages, byte order as captured from real calls).
What Twilio may leave out, or simulators commonly do, has a default. Messages of ours forbid unknown keys,
because Twilio does (https://www.twilio.com/docs/api/errors/31951).
"""

from typing import Annotated

import msgspec

from gateway.twilio.fields import MAX_NUMBER, Number

ENCODING = "audio/x-mulaw"
RATE_HZ = 8_000


class Connected(msgspec.Struct, tag_field="event", tag="connected"):
    """Before ``start``: no stream, no sequence number."""

    protocol: str = "Call"
    version: str = "1.0.0"


class MediaFormat(msgspec.Struct):
    """Always these values; Media Streams knows no other codec."""

    encoding: str = ENCODING
    sampleRate: Number = RATE_HZ
    channels: Number = 1


class StartBody(msgspec.Struct):
    """Who calls, and the parameters of our TwiML."""

    accountSid: str
    streamSid: str
    callSid: str
    tracks: tuple[str, ...] = ("inbound",)
    mediaFormat: MediaFormat = msgspec.field(default_factory=MediaFormat)
    customParameters: dict[str, str] = msgspec.field(default_factory=dict)


class Start(msgspec.Struct, tag_field="event", tag="start"):
    """The first message of a stream."""

    sequenceNumber: Number
    start: StartBody
    streamSid: str | None = None


class MediaBody(msgspec.Struct, kw_only=True, gc=False):
    """A piece of the caller's audio in base64."""

    track: str = "inbound"
    chunk: Number
    timestamp: Number
    payload: str


class Media(msgspec.Struct, tag_field="event", tag="media", gc=False):
    """Fifty of these a second."""

    sequenceNumber: Number
    media: MediaBody
    streamSid: str


Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]


class FrameBody(msgspec.Struct, kw_only=True, gc=False):
    """The body of a `Frame`."""

    track: str = "inbound"
    chunk: Count
    timestamp: Count
    payload: str


class Frame(msgspec.Struct, tag_field="event", tag="media", gc=False):
    """`Media` as it is read: its numbers, texts on the wire, become integers while it is decoded.

    The decoder does in C what takes Python 0.8 µs a frame. It also takes numbers such as ``5.0`` and
    ``1e3``, which Twilio does not write.
    """

    sequenceNumber: Count
    media: FrameBody
    streamSid: str


class MarkBody(msgspec.Struct):
    """The name we gave the mark."""

    name: str


class Mark(msgspec.Struct, tag_field="event", tag="mark"):
    """A mark of ours, echoed."""

    sequenceNumber: Number
    streamSid: str
    mark: MarkBody


class DtmfBody(msgspec.Struct, kw_only=True):
    """The key; the track is ``inbound_track`` here, not ``inbound``."""

    track: str = "inbound_track"
    digit: str


class Dtmf(msgspec.Struct, tag_field="event", tag="dtmf"):
    """A key the caller pressed."""

    streamSid: str
    sequenceNumber: Number
    dtmf: DtmfBody


class StopBody(msgspec.Struct):
    """Whose stream ended."""

    accountSid: str = ""
    callSid: str = ""


class Stop(msgspec.Struct, tag_field="event", tag="stop"):
    """The last message of a stream."""

    sequenceNumber: Number
    streamSid: str
    stop: StopBody = msgspec.field(default_factory=StopBody)


class PlayBody(msgspec.Struct, forbid_unknown_fields=True):
    """Audio for the caller in base64."""

    payload: str


class Play(msgspec.Struct, tag_field="event", tag="media", forbid_unknown_fields=True):
    """Our ``media``."""

    streamSid: str
    media: PlayBody


class SetMarkBody(msgspec.Struct, forbid_unknown_fields=True):
    """The name the echo will carry."""

    name: str


class SetMark(msgspec.Struct, tag_field="event", tag="mark", forbid_unknown_fields=True):
    """Our ``mark``."""

    streamSid: str
    mark: SetMarkBody


class Clear(msgspec.Struct, tag_field="event", tag="clear", forbid_unknown_fields=True):
    """Our ``clear``."""

    streamSid: str


FromTwilio = Connected | Start | Media | Mark | Dtmf | Stop
FromGateway = Play | SetMark | Clear

decode_frame = msgspec.json.Decoder(Frame, strict=False).decode
decode_twilio = msgspec.json.Decoder(FromTwilio).decode
decode_gateway = msgspec.json.Decoder(FromGateway).decode
_encode = msgspec.json.Encoder().encode


def encode(value: FromTwilio | FromGateway | str) -> str:
    """Write compact JSON."""
    return _encode(value).decode()
