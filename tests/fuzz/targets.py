"""What is fuzzed, and what may come of any input: a value, or the documented error; never anything else."""

from collections.abc import Callable
from urllib.parse import parse_qsl

from gateway.audio import wav
from gateway.audio.pcm import ByteAligner
from gateway.errors import AgentProtocolError, CallerProtocolError
from gateway.simulator import twiml
from gateway.twilio import messages as twilio
from gateway.twilio import signature
from gateway.twilio.protocol import MediaStream
from gateway.vatel import messages as vatel
from gateway.vatel.arguments import argument_values
from gateway.vatel.protocol import AgentSession

Target = Callable[[bytes], None]

_SID = "MZ" + "0" * 32
_START = (
    '{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC'
    + "0" * 32
    + '","streamSid":"'
    + _SID
    + '",'
    '"callSid":"CA' + "0" * 32 + '","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw",'
    '"sampleRate":8000,"channels":1},"customParameters":{}},"streamSid":"' + _SID + '"}'
)


def twilio_message(data: bytes) -> None:
    """Parse one message of Twilio's; what is understood is dumped and understood the same again."""
    try:
        message = twilio.parse(data)
    except CallerProtocolError:
        return
    assert twilio.parse(twilio.dump_twilio(message)) == message


def gateway_message(data: bytes) -> None:
    """Parse one message of ours as strictly as Twilio does."""
    try:
        message = twilio.parse_gateway(data.decode("utf-8", "surrogateescape"), stream_sid=_SID)
    except CallerProtocolError:
        return
    assert twilio.parse_gateway(twilio.dump(message), stream_sid=_SID) == message


def media_stream(data: bytes) -> None:
    """Feed a whole stream, one message a line."""
    stream = MediaStream()
    stream.receive('{"event":"connected","protocol":"Call","version":"1.0.0"}')
    stream.receive(_START)
    for line in data.split(b"\n"):
        try:
            stream.receive(line)
        except CallerProtocolError:
            if stream.failed:
                return


def vatel_message(data: bytes) -> None:
    """Parse one message of Vatel's; arguments become values."""
    try:
        message = vatel.parse(data)
    except AgentProtocolError:
        return
    if isinstance(message, vatel.ToolCall):
        argument_values(message.arguments)


def client_message(data: bytes) -> None:
    """Parse one message of a Vatel client's."""
    try:
        vatel.parse_client(data)
    except AgentProtocolError:
        return


def agent_session(data: bytes) -> None:
    """Feed a whole session, one message a line."""
    session = AgentSession()
    for line in data.split(b"\n"):
        try:
            message = session.receive(line)
        except AgentProtocolError:
            if session.failed:
                return
            continue
        if isinstance(message, vatel.ToolCall):
            assert session.answer(message.id, "ok") is not None
            assert session.answer(message.id, "ok") is None


def webhook(data: bytes) -> None:
    """Check a form and its signature; nothing but a verdict may come of it."""
    claimed, _, body = data.partition(b"\n")
    text = claimed.decode("latin-1")
    try:
        fields = parse_qsl(body.decode("utf-8", "surrogateescape"), keep_blank_values=True)
    except ValueError:
        return
    assert signature.verify_webhook("token", text, text, fields, body=body) in (True, False)
    assert signature.verify_upgrade("token", text, text) in (True, False)
    signature.check_form(fields, "AC" + "0" * 32)


def wav_file(data: bytes) -> None:
    """Read a WAV."""
    try:
        wav.read(data)
    except ValueError:
        return


def odd_bytes(data: bytes) -> None:
    """Cut PCM anywhere: no byte is lost or made up."""
    aligner = ByteAligner()
    cut = data[0] % (len(data) + 1) if data else 0
    got = b"".join(aligner.push(part).tobytes() for part in (data[:cut], data[cut:]))
    assert got == data[: len(data) // 2 * 2]


def twiml_document(data: bytes) -> None:
    """Interpret TwiML: verbs, or Twilio's error code as data."""
    twiml.parse(data.decode("utf-8", "replace"), "https://gateway.example.com/twilio/voice")


TARGETS: tuple[Target, ...] = (
    twilio_message,
    gateway_message,
    media_stream,
    vatel_message,
    client_message,
    agent_session,
    webhook,
    wav_file,
    odd_bytes,
    twiml_document,
)
