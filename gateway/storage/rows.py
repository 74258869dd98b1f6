"""What the tables hold, as frozen values. PURE.

Secrets, and what callers said or who they are, stay out of ``repr``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, Generic, Literal, TypeVar

import sqlalchemy as sa

Row = TypeVar("Row")

TaskStatus = Literal["pending", "in_progress", "completed", "failed"]
CallStatus = Literal["initiated", "in_progress", "completed", "failed"]
Scope = Literal["read", "write", "calls"]
AnsweringMachine = Literal["continue", "hang_up", "leave_message"]
DeliveryState = Literal["pending", "delivered", "dead", "disabled"]
EventType = Literal["call_started", "call_completed", "call_failed"]
DialledType = Literal["dtmf_received"]

LIVE: tuple[CallStatus, ...] = ("initiated", "in_progress")
"""The statuses of a call that is not over."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A part of a list, newest first, and how many there are in all."""

    items: tuple[Row, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A tenant. ``webhook_secret`` signs its event webhooks; the previous one signs too, for a while."""

    id: str
    name: str
    default_agent_id: str | None
    webhook_secret: str = field(repr=False)
    previous_webhook_secret: str | None = field(repr=False)
    webhook_secret_changed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who signs in."""

    id: str
    email: str = field(repr=False)
    name: str = field(repr=False)
    password_hash: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A sign-in; ``organization_id`` is where its user works."""

    token_hash: str = field(repr=False)
    user_id: str
    organization_id: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A person who may join an organization."""

    id: str
    organization_id: str
    email: str = field(repr=False)
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An organization's key; of its secret only the SHA-256 is known."""

    id: str
    organization_id: str
    name: str
    public_id: str
    secret_hash: str = field(repr=False)
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A short-lived right to one call for one purpose; ends with the API key that it was made with."""

    organization_id: str
    call_id: str
    purpose: str
    api_key_id: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A Vatel agent plus what this gateway adds."""

    id: str
    organization_id: str
    name: str
    description: str
    system_prompt: str = field(repr=False)
    starting_message: str | None = field(repr=False)
    enabled: bool
    voice_settings: dict[str, Any]
    dtmf_rules: dict[str, Any]
    vatel_agent_id: str | None
    vatel_version_id: str | None
    record: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A dialled number and the agent that answers it."""

    id: str
    organization_id: str
    number: str = field(repr=False)
    agent_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A call to be made. ``call_id`` is its latest call, ``attempts`` how many it has had."""

    id: str
    organization_id: str
    agent_id: str
    name: str
    description: str
    to_number: str = field(repr=False)
    starting_message: str | None = field(repr=False)
    context_data: dict[str, Any] = field(repr=False)
    priority: int
    scheduled_at: datetime | None
    time_zone: str | None
    answering_machine: AnsweringMachine
    webhook_url: str | None = field(repr=False)
    webhook_events: list[EventType]
    webhook_disabled: bool
    status: TaskStatus
    call_id: str | None
    attempts: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """A call about to be answered or asked for."""

    id: str
    organization_id: str
    agent_id: str | None
    task_id: str | None = None
    source: Literal["inbound", "task"]
    direction: Literal["inbound", "outbound"]
    from_number: str = field(repr=False)
    to_number: str = field(repr=False)
    call_sid: str | None = None
    account_sid: str | None = None
    node: str | None = None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call, the time of each of its steps, and how it ended.

    Attributes:
        phone_status: the last state that Twilio told, by rank (see ``calls.note_phone_status``).
        fence: grows with each node that takes the call over; writes of an earlier one are refused.
        stop_asked_at: when somebody asked to end it before it was known to Twilio.
    """

    id: str
    organization_id: str
    agent_id: str | None
    task_id: str | None
    source: str
    direction: Literal["inbound", "outbound"]
    from_number: str = field(repr=False)
    to_number: str = field(repr=False)
    call_sid: str | None
    account_sid: str | None
    vatel_session_id: str | None
    status: CallStatus
    result: str | None
    reason: str | None
    detail: str
    answered_by: str | None
    phone_status: str
    phone_rank: int
    counters: dict[str, int | float]
    node: str | None
    fence: int
    lease_until: datetime | None
    created_at: datetime
    asked_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    agent_joined_at: datetime | None
    stop_asked_at: datetime | None
    ended_at: datetime | None
    erased_at: datetime | None

    @property
    def live(self) -> bool:
        """Whether it is not over."""
        return self.status in LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """Something that happened in a call; ``seq`` counts from 1 without gaps."""

    call_id: str
    seq: int
    at: datetime
    kind: str
    data: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A call's report as made, and what the agent platform's record of the call says."""

    call_id: str
    organization_id: str
    report: dict[str, Any] | None = field(repr=False)
    platform: dict[str, Any] | None = field(repr=False)
    fetched_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Where a call's audio is. ``truncated`` says why it ends before the call did."""

    call_id: str
    organization_id: str
    state: str
    location: str | None
    size_bytes: int
    duration_ms: int
    truncated: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    """An event webhook to be delivered; its ``id`` is the receiver's deduplication key."""

    id: str
    organization_id: str
    call_id: str
    task_id: str | None
    event_type: EventType | DialledType
    seq: int
    url: str = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    delivered_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One try to deliver; ``status`` is the HTTP status, None when there was no answer."""

    event_id: str
    number: int
    at: datetime
    status: int | None
    error: str
    latency_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedNumber:
    """A number that must not be called."""

    id: str
    organization_id: str
    number: str = field(repr=False)
    reason: str
    created_at: datetime


def read(kind: type[Row], row: Mapping[str, Any] | sa.RowMapping) -> Row:
    """Make a value of a table's row, leaving out the columns it has no field for."""
    return kind(**{name: row[name] for name in _names(kind)})  # type: ignore[arg-type]  # dataclasses all


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))
