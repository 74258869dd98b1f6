"""Calls as Twilio's REST API writes them: what a new one needs, and what an answer or a list says.

Contract: https://www.twilio.com/docs/voice/api/call-resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

import msgspec

MAX_TWIML_CHARS: Final = 4_000
_MAX_DURATION_DIGITS = 9

CallEvent = Literal["initiated", "ringing", "answered", "completed"]


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call to make; exactly one of ``url`` and ``twiml`` says what happens when it is answered.

    Attributes:
        to: number in E.164 form, ``client:name`` or ``sip:``; ``from_number`` one of the account's.
        events: what ``status_callback`` is told; Twilio's default is ``completed`` alone.
        ring_timeout_s: 1-600; Twilio's default is 60.
        send_digits: keys to press on answer; this switches machine detection off.
        more: any other parameter of Twilio's, by its own name.
    """

    to: str = field(repr=False)
    from_number: str = field(repr=False)
    url: str | None = None
    twiml: str | None = field(default=None, repr=False)
    fallback_url: str | None = None
    status_callback: str | None = None
    events: tuple[CallEvent, ...] = ()
    ring_timeout_s: int | None = None
    time_limit_s: int | None = None
    send_digits: str | None = field(default=None, repr=False)
    machine_detection: Literal["Enable", "DetectMessageEnd"] | None = None
    machine_detection_callback: str | None = None
    more: Mapping[str, str] = field(default_factory=dict, repr=False)

    def form(self) -> list[tuple[str, str]]:
        """Write the form body; events repeat their key. Machine detection never holds the call's audio back.

        Raises:
            ValueError: neither or both of ``url`` and ``twiml``, or more than 4000 characters of TwiML.
        """
        if (self.url is None) == (self.twiml is None):
            raise ValueError("a call needs either url or twiml")
        if len(self.twiml or "") > MAX_TWIML_CHARS:
            raise ValueError(f"twiml has at most {MAX_TWIML_CHARS} characters")
        detection = self.machine_detection
        pairs = form(
            To=self.to,
            From=self.from_number,
            Url=self.url,
            Twiml=self.twiml,
            FallbackUrl=self.fallback_url,
            StatusCallback=self.status_callback,
            Timeout=self.ring_timeout_s,
            TimeLimit=self.time_limit_s,
            SendDigits=self.send_digits,
            MachineDetection=detection,
            AsyncAmd="true" if detection else None,
            AsyncAmdStatusCallback=self.machine_detection_callback if detection else None,
        )
        return pairs + [("StatusCallbackEvent", event) for event in self.events] + list(self.more.items())


@dataclass(frozen=True, slots=True)
class CallResource:
    """A call as Twilio describes it; a field it leaves out or writes oddly is empty or None.

    Attributes:
        status: ``queued``, ``ringing``, ``in-progress``, ``completed``, ``busy``, ``failed``, ``no-answer``
            or ``canceled``; it may lag behind the status callbacks.
        answered_by: what machine detection heard, for example ``human``.
        start_time: RFC 2822 text, as every date here.
    """

    sid: str
    status: str = ""
    direction: str = ""
    to_number: str = field(default="", repr=False)
    from_number: str = field(default="", repr=False)
    duration_s: int | None = None
    answered_by: str = ""
    parent_call_sid: str = ""
    date_created: str = ""
    start_time: str = ""
    end_time: str = ""

    @property
    def created_at(self) -> datetime | None:
        """When it was made; None when Twilio does not say so in words that are understood."""
        try:
            moment = parsedate_to_datetime(self.date_created)
        except (ValueError, OverflowError):
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def form(**fields: str | int | None) -> list[tuple[str, str]]:
    """Write the fields that are set, by Twilio's own names."""
    return [(name, str(value)) for name, value in fields.items() if value is not None]


def parse_call(body: bytes) -> CallResource | None:
    """Read a call; None when the body is not one."""
    seen = json_object(body)
    return None if seen is None else _call(seen)


def parse_calls(body: bytes) -> list[CallResource] | None:
    """Read a list of calls, leaving out what is none; None when the body is no such list."""
    seen = json_object(body)
    listed = None if seen is None else seen.get("calls")
    if not isinstance(listed, list):
        return None
    found = [_call(one) for one in listed if isinstance(one, dict)]
    return [call for call in found if call is not None]


def json_object(body: bytes) -> dict[str, object] | None:
    """Read a JSON object; None when the body is none."""
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (ValueError, RecursionError):
        return None


def _call(seen: Mapping[str, object]) -> CallResource | None:
    if not text_of(seen, "sid"):
        return None
    return CallResource(
        sid=text_of(seen, "sid"),
        status=text_of(seen, "status"),
        direction=text_of(seen, "direction"),
        to_number=text_of(seen, "to"),
        from_number=text_of(seen, "from"),
        duration_s=_duration_s(seen.get("duration")),
        answered_by=text_of(seen, "answered_by"),
        parent_call_sid=text_of(seen, "parent_call_sid"),
        date_created=text_of(seen, "date_created"),
        start_time=text_of(seen, "start_time"),
        end_time=text_of(seen, "end_time"),
    )


def text_of(seen: Mapping[str, object], key: str) -> str:
    """Return a text; empty when there is none under that name."""
    value = seen.get(key)
    return value if isinstance(value, str) else ""


def _duration_s(value: object) -> int | None:
    """Read Twilio's duration, a string of digits."""
    if (
        isinstance(value, str)
        and len(value) <= _MAX_DURATION_DIGITS
        and value.isascii()
        and value.isdecimal()
    ):
        return int(value)
    return None
