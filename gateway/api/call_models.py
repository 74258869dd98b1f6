"""What requests about calls take, and what they are told. PURE."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from gateway.api.fields import Given, Id, Moment, PageQuery, PhoneNumber, Told
from gateway.storage.rows import Recording

Status = Literal["initiated", "in_progress", "completed", "failed"]


class CallQuery(PageQuery):
    """Which calls to list; ``number`` is either side's, ``until`` is the first moment that is too late."""

    task_id: Id | None = None
    agent_id: Id | None = None
    status: Status | None = None
    outcome: Literal["completed", "failed"] | None = None
    number: PhoneNumber | None = None
    since: Moment | None = None
    until: Moment | None = None


class CallTold(Told):
    """A call, the time of each of its steps, and how it ended."""

    id: str
    agent_id: str | None
    task_id: str | None
    source: str
    direction: Literal["inbound", "outbound"]
    from_number: str
    to_number: str
    call_sid: str | None
    vatel_session_id: str | None
    status: Status
    result: str | None
    reason: str | None
    detail: str
    answered_by: str | None
    created_at: Moment
    asked_at: Moment | None
    ringing_at: Moment | None
    answered_at: Moment | None
    agent_joined_at: Moment | None
    ended_at: Moment | None
    erased_at: Moment | None


class EntryTold(Told):
    """One thing said; of an agent's turn also how much of it the caller heard."""

    index: int
    role: str
    text: str
    final: bool
    offset_s: float | None
    heard_ms: int | None
    heard_text: str | None
    cut: bool


class TranscriptTold(Told):
    """A call's transcript."""

    call_id: str
    transcript: list[EntryTold]


class ReportTold(Told):
    """A call's report; what is not known (yet) is null."""

    call_id: str
    outcome: str | None
    reason: str | None
    detail: str
    answered_by: str | None
    duration_s: float | None
    turns: dict[str, int]
    talk: dict[str, int | None]
    response_latency: dict[str, int | None]
    interruptions: int
    tools: dict[str, int | None]
    keys_pressed: int
    audio: dict[str, float]
    summary: str | None
    extracted_data: dict[str, Any]


class CallDetail(CallTold):
    """A call with what was said and its report."""

    transcript: list[EntryTold]
    report: ReportTold


class TranscriptRefreshed(TranscriptTold):
    """What the voice platform's record has added."""

    extracted_data: dict[str, Any]
    report: ReportTold


class EventTold(Told):
    """Something that happened in a call."""

    seq: int
    at: Moment
    kind: str
    data: dict[str, Any]


RecordingState = Literal["processing", "available", "empty", "none"]
"""Not made yet, can be played, nothing was heard or written, not recorded."""


class RecordingLink(Told):
    """Where a recording can be played, and until when; ``truncated`` says why it ends before its call did."""

    call_id: str
    recording_url: str
    expires_at: Moment
    state: RecordingState
    duration_ms: int
    truncated: str | None


def recording_told(row: Recording | None) -> dict[str, Any]:
    """Return what is told of the recording of a call that is over; None: there is no row of one."""
    if row is None:
        return {"state": "none", "duration_ms": 0, "truncated": None}
    states: dict[str, RecordingState] = {"ready": "available", "empty": "empty"}
    state = states.get(row.state, "processing")
    return {"state": state, "duration_ms": row.duration_ms, "truncated": row.truncated}


class LinkQuery(Given):
    """The token of a recording's link, for players that cannot send a key."""

    token: str | None = None


class LiveAccess(Told):
    """How to watch a call live."""

    websocket_url: str
    call_id: str
    temp_token: str
    connection_info: dict[str, Any]


class Transfer(Given):
    """Where to hand the caller."""

    to_number: PhoneNumber


class Signalled(Told):
    """A call after something was asked of it."""

    call_id: str
    status: Status
    message: str


class Capacity(Told):
    """How many calls there are and may be."""

    active: int
    limit: int
    available: int


def connection_info(url: str) -> dict[str, Any]:
    """Return how a client connects to a call's live transcript."""
    return {
        "url": url,
        "auth_method": "query_param",
        "auth_param": "api_key",
        "temp_auth_param": "session_token",
        "example": f"{url}?api_key=YOUR_API_KEY",
        "example_session": f"{url}?session_token=TEMP_TOKEN",
        "message_format": "json",
        "message_types": ["connected", "transcript_update", "call_status_update", "error"],
    }


def entries_told(entries: Iterable[Mapping[str, Any]]) -> list[EntryTold]:
    """Return stored entries, ours or the voice platform's, as they are told."""
    return [
        EntryTold(
            index=entry.get("index", place),
            role=entry["role"],
            text=entry["text"],
            final=entry.get("final", True),
            offset_s=entry.get("at_s"),
            heard_ms=entry.get("heard_ms"),
            heard_text=entry.get("heard_text"),
            cut=entry.get("cut", False),
        )
        for place, entry in enumerate(entries)
    ]
