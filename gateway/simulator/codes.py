"""Twilio's error and warning numbers as the simulator reports them. PURE.

The texts are ours, after https://www.twilio.com/docs/api/errors and https://www.twilio.com/docs/voice/media-streams.
"""

from dataclasses import dataclass
from typing import Final

BAD_WEBHOOK_URL: Final = 11100
WEBHOOK_FAILED: Final = 11200
BAD_TWIML: Final = 12100
CALLBACK_REFUSED: Final = 15003
CONNECT_TIMEOUT: Final = 31901
CONNECT_REFUSED: Final = 31902
BROKEN_PIPE: Final = 31903
HANDSHAKE_REFUSED: Final = 31920
SERVER_CLOSED: Final = 31921
SCHEME_NOT_WSS: Final = 31922
BAD_URL: Final = 31923
PROTOCOL_ERROR: Final = 31924
CALLER_AUDIO_DISCARDED: Final = 31930
AUDIO_DISCARDED: Final = 31931
INVALID_TRACK: Final = 31941
MALFORMED_MESSAGE: Final = 31950
INVALID_MESSAGE: Final = 31951

MEANING: Final = {
    BAD_WEBHOOK_URL: "the webhook's url is malformed",
    WEBHOOK_FAILED: "the webhook did not answer 2xx in time",
    BAD_TWIML: "the answer is not well-formed TwiML",
    CALLBACK_REFUSED: "a status callback was not answered 2xx",
    CONNECT_TIMEOUT: "no answer to the WebSocket request",
    CONNECT_REFUSED: "the WebSocket connection was refused",
    BROKEN_PIPE: "the stream's connection was lost without a close",
    HANDSHAKE_REFUSED: "the WebSocket handshake was not answered with 101",
    SERVER_CLOSED: "the server closed the stream",
    SCHEME_NOT_WSS: "the stream's url is not wss (or ws on loopback)",
    BAD_URL: "the stream's url is malformed",
    PROTOCOL_ERROR: "WebSocket protocol error",
    CALLER_AUDIO_DISCARDED: "caller audio discarded: the server reads too slowly",
    AUDIO_DISCARDED: "media discarded: more than ten minutes are queued",
    INVALID_TRACK: "a connected stream carries the inbound track only",
    MALFORMED_MESSAGE: "malformed message: not a text frame",
    INVALID_MESSAGE: "invalid message: not JSON, unknown type, missing or extra field, wrong streamSid",
}
# Logged by Twilio even when the close was meant (https://www.twilio.com/docs/api/errors/31921).
NOISE: Final = frozenset({SERVER_CLOSED})
ONCE_PER_STREAM: Final = frozenset({AUDIO_DISCARDED, CALLER_AUDIO_DISCARDED, INVALID_MESSAGE})


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of Twilio's debugger: a number and what it was about.

    Attributes:
        code: Twilio's number.
        detail: what happened the first time; no caller data.
        count: how often it happened; what Twilio logs once a stream counts once.
    """

    code: int
    detail: str = ""
    count: int = 1

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        text = MEANING.get(self.code, "unknown")
        return f"{self.code} {text}" + (f": {self.detail}" if self.detail else "") + times
