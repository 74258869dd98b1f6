"""What Twilio puts in the forms it posts, empty values included. PURE.

Order and fields after captured requests (a voice webhook of 2024, a status callback of 2022): unsorted, and
with fields that are sent, and signed, without a value. https://www.twilio.com/docs/voice/twiml
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

Form = list[tuple[str, str]]
CallStatus = Literal[
    "queued", "initiated", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"
]
FINAL: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
API_VERSION: Final = "2010-04-01"
# The event by which a callback is asked for, where it is not the status itself
# (https://www.twilio.com/docs/voice/api/call-resource#statuscallbackevent).
EVENT_OF: Final = {"in-progress": "answered"} | dict.fromkeys(sorted(FINAL), "completed")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls whom, under which account. Lives as long as its call."""

    account_sid: str
    call_sid: str
    caller: str
    called: str
    direction: Literal["inbound", "outbound-api"] = "inbound"


def _place(prefix: str, number: str) -> Form:
    known = number.startswith("+1")
    values = {"City": "", "State": "CA" if known else "", "Zip": "", "Country": "US" if known else ""}
    return [(prefix + part, value) for part, value in values.items()]


def voice(identity: Identity, status: CallStatus) -> Form:
    """Fill the form of a voice webhook: 27 fields for an inbound call, as captured."""
    form: Form = [
        ("Called", identity.called),
        *_place("To", identity.called),
        *_place("Caller", identity.caller),
        ("Direction", identity.direction),
        ("CallSid", identity.call_sid),
        ("To", identity.called),
        ("ApiVersion", API_VERSION),
        *_place("Called", identity.called),
        ("CallStatus", status),
        ("From", identity.caller),
        ("AccountSid", identity.account_sid),
        ("Caller", identity.caller),
        *_place("From", identity.caller),
    ]
    if identity.direction == "inbound":
        form += [
            ("StirVerstat", "TN-Validation-Passed-A"),
            ("CallToken", '{"parentCallInfoToken":"simulated"}'),
        ]
    return form


def progress(
    identity: Identity, status: CallStatus, *, sequence: int, at: datetime, duration_s: int | None = None
) -> Form:
    """Fill the form of a call status callback.

    Args:
        sequence: from 0, over all callbacks of the call.
        at: aware; written as RFC 2822 in UTC.
        duration_s: for the final status; ``Duration`` is in whole minutes, as Twilio bills.
    """
    form = voice(identity, status)
    if status in FINAL:
        seconds = duration_s or 0
        form += [("Duration", str(-(-seconds // 60))), ("CallDuration", str(seconds))]
    codes = {"completed": "200", "busy": "486", "no-answer": "487", "failed": "404"}
    if status in codes:
        form.append(("SipResponseCode", codes[status]))
    stamp = format_datetime(at)
    return [
        *form,
        ("Timestamp", stamp),
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", str(sequence)),
    ]


def detection(identity: Identity, answered_by: str) -> Form:
    """Fill the form of an asynchronous machine detection (https://www.twilio.com/docs/voice/answering-machine-detection)."""
    return [
        ("AccountSid", identity.account_sid),
        ("CallSid", identity.call_sid),
        ("AnsweredBy", answered_by),
        ("MachineDetectionDuration", "2300"),
    ]


StreamEvent = Literal["stream-started", "stream-stopped", "stream-error"]


def stream(
    identity: Identity, stream_sid: str, event: StreamEvent, *, at: datetime, name: str = "", error: str = ""
) -> Form:
    """Fill the form of a stream status callback (https://www.twilio.com/docs/voice/twiml/stream#statuscallback).

    Args:
        at: aware, in UTC; Twilio writes nanoseconds.
        name: of the stream; its sid when empty, as Twilio does.
    """
    return [
        ("AccountSid", identity.account_sid),
        ("CallSid", identity.call_sid),
        ("StreamSid", stream_sid),
        ("StreamName", name or stream_sid),
        ("StreamEvent", event),
        *([("StreamError", error)] if error else []),
        ("Timestamp", f"{at:%Y-%m-%dT%H:%M:%S.%f}000Z"),
    ]


def wants(events: Iterable[str], status: CallStatus) -> bool:
    """Tell whether a callback was asked for; ``completed`` covers every final status."""
    return EVENT_OF.get(status, status) in events


def signed_url(url: str) -> str:
    """Write a URL as Twilio signs it: without user, fragment, and the port of https and wss.

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme in ("https", "wss") and parts.port is not None:
        host = host.removesuffix(f":{parts.port}")
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
