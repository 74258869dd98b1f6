"""The tables, as the code in this version sees them. PURE.

Every row of a tenant carries ``organization_id``. Ids are UUIDs, as text. Where rows of several tables end
together, the database deletes them together; agents and tasks may go while their calls stay, so calls only
remember their ids. What changes here needs a new file in ``versions/``, and may only add (see there).
"""

from typing import Any

import sqlalchemy as sa

from gateway.storage.columns import Instant, Words, json_column

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _id() -> sa.Column[str]:
    return sa.Column("id", Words, primary_key=True)


def _text(name: str, **more: Any) -> sa.Column[str]:
    return sa.Column(name, Words, nullable=False, **more)


def _optional(name: str) -> sa.Column[str]:
    return sa.Column(name, Words)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, Instant)


def _made() -> sa.Column[Any]:
    return sa.Column("created_at", Instant, nullable=False)


def _number(name: str, default: str = "0") -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=default)


def _flag(name: str, default: sa.ColumnElement[bool]) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=default)


def _parent(name: str, target: str) -> sa.Column[str]:
    return sa.Column(name, Words, sa.ForeignKey(target, ondelete="CASCADE"), nullable=False)


def _owner() -> sa.Column[str]:
    return _parent("organization_id", "organizations.id")


organizations = sa.Table(
    "organizations",
    metadata,
    _id(),
    _text("name"),
    _optional("default_agent_id"),
    _text("webhook_secret"),
    _optional("previous_webhook_secret"),
    _moment("webhook_secret_changed_at"),
    _made(),
)

users = sa.Table(
    "users",
    metadata,
    _id(),
    _text("email", unique=True),
    _text("name"),
    _text("password_hash"),
    _made(),
)

memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column(
        "organization_id", Words, sa.ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("user_id", Words, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    _made(),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", Words, primary_key=True),
    _parent("user_id", "users.id"),
    _owner(),
    _made(),
    sa.Column("expires_at", Instant, nullable=False, index=True),
)

invitations = sa.Table(
    "invitations",
    metadata,
    _id(),
    _owner(),
    _text("email"),
    _text("token_hash", unique=True),
    _made(),
    sa.Column("expires_at", Instant, nullable=False),
    _moment("accepted_at"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    _id(),
    _owner(),
    _text("name"),
    _text("public_id", unique=True),
    _text("secret_hash"),
    json_column("scopes"),
    _made(),
    _moment("last_used_at"),
    _moment("revoked_at"),
)

access_tokens = sa.Table(
    "access_tokens",
    metadata,
    sa.Column("token_hash", Words, primary_key=True),
    _owner(),
    _text("call_id"),
    _text("purpose"),
    _optional("api_key_id"),
    sa.Column("expires_at", Instant, nullable=False, index=True),
)

agents = sa.Table(
    "agents",
    metadata,
    _id(),
    _owner(),
    _text("name"),
    _text("description"),
    _text("system_prompt"),
    _optional("starting_message"),
    _flag("enabled", sa.true()),
    json_column("voice_settings"),
    json_column("dtmf_rules"),
    _optional("vatel_agent_id"),
    _optional("vatel_version_id"),
    _flag("record", sa.false()),
    _made(),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_agents_organization_id_created_at", "organization_id", "created_at"),
)

numbers = sa.Table(
    "numbers",
    metadata,
    _id(),
    _owner(),
    _text("number", unique=True),
    _parent("agent_id", "agents.id"),
    _made(),
)

tasks = sa.Table(
    "tasks",
    metadata,
    _id(),
    _owner(),
    _text("agent_id", index=True),
    _text("name"),
    _text("description"),
    _text("to_number"),
    _optional("starting_message"),
    json_column("context_data"),
    _number("priority"),
    _moment("scheduled_at"),
    _optional("time_zone"),
    _text("answering_machine"),
    _optional("webhook_url"),
    json_column("webhook_events"),
    _flag("webhook_disabled", sa.false()),
    _text("status"),
    _optional("call_id"),
    _number("attempts"),
    _made(),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_tasks_organization_id_created_at", "organization_id", "created_at"),
    sa.Index("ix_tasks_status_scheduled_at", "status", "scheduled_at"),
)

calls = sa.Table(
    "calls",
    metadata,
    _id(),
    _owner(),
    _optional("agent_id"),
    _optional("task_id"),
    _text("source"),
    _text("direction"),
    _text("from_number"),
    _text("to_number"),
    sa.Column("call_sid", Words, unique=True),
    _optional("account_sid"),
    _optional("vatel_session_id"),
    _text("status"),
    _optional("result"),
    _optional("reason"),
    _text("detail"),
    _optional("answered_by"),
    _text("phone_status"),
    _number("phone_rank", "-1"),
    json_column("counters"),
    _optional("node"),
    _number("fence"),
    _moment("lease_until"),
    _made(),
    _moment("asked_at"),
    _moment("ringing_at"),
    _moment("answered_at"),
    _moment("agent_joined_at"),
    _moment("stop_asked_at"),
    _moment("ended_at"),
    _moment("erased_at"),
    sa.Index("ix_calls_organization_id_created_at", "organization_id", "created_at"),
    sa.Index("ix_calls_status_lease_until", "status", "lease_until"),
    sa.Index("ix_calls_task_id", "task_id"),
    sa.Index("ix_calls_to_number_created_at", "to_number", "created_at"),
)

call_events = sa.Table(
    "call_events",
    metadata,
    sa.Column("call_id", Words, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    _owner(),
    sa.Column("at", Instant, nullable=False),
    _text("kind"),
    json_column("data"),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("call_id", Words, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    _owner(),
    json_column("report", nullable=True),
    json_column("platform", nullable=True),
    _moment("fetched_at"),
    sa.Column("updated_at", Instant, nullable=False),
)

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("call_id", Words, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    _owner(),
    _text("state"),
    _optional("location"),
    _number("size_bytes"),
    _number("duration_ms"),
    _optional("truncated"),
    _made(),
    _moment("finished_at"),
    _moment("expires_at"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    _id(),
    _owner(),
    _parent("call_id", "calls.id"),
    _optional("task_id"),
    _text("event_type"),
    _text("slot"),
    _number("seq"),
    _text("url"),
    json_column("body"),
    _text("state"),
    _number("attempts"),
    sa.Column("next_attempt_at", Instant, nullable=False),
    _optional("claimed_by"),
    _moment("claimed_until"),
    _moment("delivered_at"),
    _made(),
    sa.UniqueConstraint("call_id", "slot", name="uq_outbox_call_id_slot"),
    sa.Index("ix_outbox_state_next_attempt_at", "state", "next_attempt_at"),
    sa.Index("ix_outbox_organization_id_created_at", "organization_id", "created_at"),
)

delivery_attempts = sa.Table(
    "delivery_attempts",
    metadata,
    sa.Column("event_id", Words, sa.ForeignKey("outbox.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    _owner(),
    sa.Column("at", Instant, nullable=False),
    sa.Column("status", sa.Integer),
    _text("error"),
    _number("latency_ms"),
)

suppressed_numbers = sa.Table(
    "suppressed_numbers",
    metadata,
    _id(),
    _owner(),
    _text("number"),
    _text("reason"),
    _made(),
    sa.UniqueConstraint("organization_id", "number", name="uq_suppressed_numbers_organization_id_number"),
)
