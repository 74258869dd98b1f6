"""Every Media Streams message, both ways: parse(text), dump(message).

Twilio speaks first (``Connected`` to ``Stop``, https://www.twilio.com/docs/voice/media-streams/websocket-messages);
the gateway answers with ``Play``, ``SetMark`` and ``Clear``. The simulator uses the same functions from the
other side: ``dump_twilio`` and ``parse_gateway``.

Typed decoders read every message in any key order, frames of audio with one of their own. A pattern over
Twilio's real byte order was tried as a fast path and took twice as long.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from gateway.errors import CallerProtocolError
from gateway.twilio import wire
from gateway.twilio.fields import encode_payload, number, payload, shape_error, sid
from gateway.twilio.wire import ENCODING, RATE_HZ

MAX_MESSAGE_CHARS = 65_536
"""Longest message that is read at all; a real one has about 400 characters."""

MAX_MESSAGE_CHARS = 65_536
"""Longest message that is read at all; a real one has about 400 characters."""

PLAY_SUFFIX = '"}}'

_INVALID_MESSAGE = "31951"
_MALFORMED_MESSAGE = "31950"


class _Message(msgspec.Struct, frozen=True, gc=False):
    """A value on the wire; its repr holds neither audio, digits nor parameters."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Connected(_Message, frozen=True, gc=False):
    """The socket is open; nothing is known of the call yet."""

    protocol: str = "Call"
    version: str = "1.0.0"


class Start(_Message, frozen=True, gc=False):
    """The stream begins.

    Attributes:
        rate_hz: always 8000; ``encoding`` always ``audio/x-mulaw``, ``channels`` always 1.
        parameters: the ``<Parameter>`` elements of our TwiML, the stream token among them.
        sequence: number of the message in the stream, from 1, over every kind of message.
    """

    stream_sid: str
    call_sid: str
    account_sid: str
    tracks: tuple[str, ...] = ("inbound",)
    encoding: str = ENCODING
    rate_hz: int = RATE_HZ
    channels: int = 1
    parameters: Mapping[str, str] = MappingProxyType({})
    sequence: int = 1


class Media(_Message, frozen=True, gc=False):
    """A piece of what the caller says.

    Attributes:
        chunk: number of the piece, from 1.
        timestamp_ms: when it was spoken, since the stream began (the first is rarely 0).
        payload: µ-law bytes, 8 kHz mono; 160 of them as a rule, but any length counts.
    """

    stream_sid: str
    sequence: int
    chunk: int
    timestamp_ms: int
    payload: bytes
    track: str = "inbound"

    def __repr__(self) -> str:
        return f"Media(sequence={self.sequence}, timestamp_ms={self.timestamp_ms}, bytes={len(self.payload)})"


class Mark(_Message, frozen=True, gc=False):
    """A mark of ours comes back: the audio before it was played, or a clear flushed it."""

    stream_sid: str
    sequence: int
    name: str


class Dtmf(_Message, frozen=True, gc=False):
    """The caller pressed a key. The digit is the caller's secret."""

    stream_sid: str
    sequence: int
    digit: str
    track: str = "inbound_track"


class Stop(_Message, frozen=True, gc=False):
    """The stream is over."""

    stream_sid: str
    sequence: int
    call_sid: str = ""
    account_sid: str = ""


class Play(_Message, frozen=True, gc=False):
    """Audio for the caller: µ-law bytes, 8 kHz mono, never empty."""

    stream_sid: str
    payload: bytes


class SetMark(_Message, frozen=True, gc=False):
    """Ask to be told when everything sent before has been played."""

    stream_sid: str
    name: str


class Clear(_Message, frozen=True, gc=False):
    """Throw away what has not been played yet; every open mark comes back."""

    stream_sid: str


TwilioMessage = Connected | Start | Media | Mark | Dtmf | Stop
GatewayMessage = Play | SetMark | Clear


def parse(text: str | bytes) -> TwilioMessage:
    """Read one message of Twilio's, in any key order, numbers as strings or not, unknown keys ignored.

    Raises:
        CallerProtocolError: reason ``too_big``, ``bad_encoding``, ``bad_json``, ``too_deep``, ``bad_type``,
            ``missing_field``, ``unknown_event``, ``bad_number``, ``bad_base64``, ``empty_payload``,
            ``bad_format``, ``bad_sid`` or ``sid_mismatch``.
    """
    if len(text) > MAX_MESSAGE_CHARS:
        raise CallerProtocolError(f"a message has at most {MAX_MESSAGE_CHARS} characters", reason="too_big")
    try:
        return _read(text if isinstance(text, str) else text.decode())
    except msgspec.ValidationError as error:
        raise shape_error(str(error)) from None
    except RecursionError:
        raise CallerProtocolError("the message is nested too deeply", reason="too_deep") from None
    except UnicodeError:
        raise CallerProtocolError("the message is not Unicode text", reason="bad_encoding") from None
    except msgspec.DecodeError:
        raise CallerProtocolError("the message is not JSON", reason="bad_json") from None


def _read(text: str) -> TwilioMessage:
    """Read a frame of audio the short way; everything else, and what that way refuses, the strict one."""
    try:
        seen = wire.decode_frame(text)
    except msgspec.DecodeError:
        seen = None
    # Outside the handler: what is raised here must not carry the decoder's words with it.
    if seen is None:
        strict = wire.decode_twilio(text)
        return _media(strict) if isinstance(strict, wire.Media) else _message(strict)
    body = seen.media
    return Media(
        seen.streamSid, seen.sequenceNumber, body.chunk, body.timestamp, payload(body.payload), body.track
    )


def _message(seen: wire.Connected | wire.Start | wire.Mark | wire.Dtmf | wire.Stop) -> TwilioMessage:
    match seen:
        case wire.Connected():
            return Connected(seen.protocol, seen.version)
        case wire.Start():
            return _start(seen)
        case wire.Mark():
            return Mark(seen.streamSid, _sequence(seen), seen.mark.name)
        case wire.Dtmf():
            return Dtmf(seen.streamSid, _sequence(seen), seen.dtmf.digit, seen.dtmf.track)
        case wire.Stop():  # pragma: no branch
            return Stop(seen.streamSid, _sequence(seen), seen.stop.callSid, seen.stop.accountSid)


def _sequence(seen: wire.Start | wire.Mark | wire.Dtmf | wire.Stop) -> int:
    return number("sequenceNumber", seen.sequenceNumber)


def _media(seen: wire.Media) -> Media:
    body = seen.media
    return Media(
        seen.streamSid,
        number("sequenceNumber", seen.sequenceNumber),
        number("chunk", body.chunk),
        number("timestamp", body.timestamp),
        payload(body.payload),
        body.track,
    )


def _start(seen: wire.Start) -> Start:
    body = seen.start
    if seen.streamSid is not None and seen.streamSid != body.streamSid:
        raise CallerProtocolError("streamSid and start.streamSid differ", reason="sid_mismatch")
    _check_format(body.mediaFormat)
    return Start(
        stream_sid=sid("streamSid", body.streamSid),
        call_sid=sid("callSid", body.callSid),
        account_sid=sid("accountSid", body.accountSid),
        tracks=body.tracks,
        parameters=MappingProxyType(body.customParameters),
        sequence=_sequence(seen),
    )


def _check_format(seen: wire.MediaFormat) -> None:
    rate_hz, channels = number("sampleRate", seen.sampleRate), number("channels", seen.channels)
    if (seen.encoding, rate_hz, channels) != (ENCODING, RATE_HZ, 1):
        raise CallerProtocolError(f"mediaFormat must be {ENCODING}, {RATE_HZ}, 1", reason="bad_format")


def dump_twilio(message: TwilioMessage) -> str:
    """Write a message as Twilio does: compact, in its own key order, numbers as strings."""
    return wire.encode(_twilio_wire(message))


def _twilio_wire(message: TwilioMessage) -> wire.FromTwilio:
    match message:
        case Connected():
            return wire.Connected(message.protocol, message.version)
        case Start():
            return wire.Start(str(message.sequence), _start_body(message), message.stream_sid)
        case Media():
            return wire.Media(str(message.sequence), _media_body(message), message.stream_sid)
        case Mark():
            return wire.Mark(str(message.sequence), message.stream_sid, wire.MarkBody(message.name))
        case Dtmf():
            key = wire.DtmfBody(track=message.track, digit=message.digit)
            return wire.Dtmf(message.stream_sid, str(message.sequence), key)
        case Stop():  # pragma: no branch
            whose = wire.StopBody(message.account_sid, message.call_sid)
            return wire.Stop(str(message.sequence), message.stream_sid, whose)


def _start_body(message: Start) -> wire.StartBody:
    return wire.StartBody(
        message.account_sid,
        message.stream_sid,
        message.call_sid,
        message.tracks,
        wire.MediaFormat(message.encoding, message.rate_hz, message.channels),
        dict(message.parameters),
    )


def _media_body(message: Media) -> wire.MediaBody:
    return wire.MediaBody(
        track=message.track,
        chunk=str(message.chunk),
        timestamp=str(message.timestamp_ms),
        payload=encode_payload(message.payload),
    )


def dump(message: GatewayMessage) -> str:
    """Write a message for Twilio with exactly the keys it allows; one more and it answers 31951."""
    match message:
        case Play():
            return play_prefix(message.stream_sid) + encode_payload(message.payload) + PLAY_SUFFIX
        case SetMark():
            return wire.encode(wire.SetMark(message.stream_sid, wire.SetMarkBody(message.name)))
        case Clear():  # pragma: no branch
            return wire.encode(wire.Clear(message.stream_sid))


def play_prefix(stream_sid: str) -> str:
    """Write what stands before the audio in our ``media``, the same for a whole call."""
    return '{"event":"media","streamSid":' + wire.encode(stream_sid) + ',"media":{"payload":"'


def parse_gateway(text: str | bytes, *, stream_sid: str) -> GatewayMessage:
    """Read one message of ours as strictly as Twilio does (https://www.twilio.com/docs/api/errors/31951).

    Raises:
        CallerProtocolError: reason ``31950`` (bytes stand for a binary frame) or ``31951``, as Twilio warns.
    """
    if not isinstance(text, str):
        raise CallerProtocolError("messages travel in text frames", reason=_MALFORMED_MESSAGE)
    try:
        message = _gateway_message(wire.decode_gateway(text))
    except msgspec.ValidationError as error:
        raise CallerProtocolError(str(shape_error(str(error))), reason=_INVALID_MESSAGE) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise CallerProtocolError("the message is not JSON", reason=_INVALID_MESSAGE) from None
    except CallerProtocolError as error:
        raise CallerProtocolError(str(error), reason=_INVALID_MESSAGE) from None
    if message.stream_sid != stream_sid:
        raise CallerProtocolError("streamSid is not this stream's", reason=_INVALID_MESSAGE)
    return message


def _gateway_message(seen: wire.FromGateway) -> GatewayMessage:
    match seen:
        case wire.Play():
            return Play(seen.streamSid, payload(seen.media.payload))
        case wire.SetMark():
            return SetMark(seen.streamSid, seen.mark.name)
        case wire.Clear():  # pragma: no branch
            return Clear(seen.streamSid)
