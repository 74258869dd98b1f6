"""The first schema. A frozen copy: later versions of the code must not change what it makes. PURE."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "v0001_first"
down_revision = None

_MOMENT: Any = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create every table."""
    _organizations()
    _users()
    _access_tokens()
    _agents()
    _api_keys()
    _calls()
    _invitations()
    _memberships()
    _sessions()
    _suppressed_numbers()
    _tasks()
    _call_events()
    _numbers()
    _outbox()
    _recordings()
    _reports()
    _delivery_attempts()


def _belongs(table: str, column: str, parents: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{parents}.id"], name=name, ondelete="CASCADE")


def _organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("default_agent_id", sa.Text),
        sa.Column("webhook_secret", sa.Text, nullable=False),
        sa.Column("previous_webhook_secret", sa.Text),
        sa.Column("webhook_secret_changed_at", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
    )


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )


def _access_tokens() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("api_key_id", sa.Text),
        sa.Column("expires_at", _MOMENT, nullable=False),
        _belongs("access_tokens", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_access_tokens"),
    )
    op.create_index("ix_access_tokens_expires_at", "access_tokens", ["expires_at"])


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("system_prompt", sa.Text, nullable=False),
        sa.Column("starting_message", sa.Text),
        sa.Column("enabled", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("voice_settings", sa.JSON, nullable=False),
        sa.Column("dtmf_rules", sa.JSON, nullable=False),
        sa.Column("vatel_agent_id", sa.Text),
        sa.Column("vatel_version_id", sa.Text),
        sa.Column("record", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        _belongs("agents", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
    )
    op.create_index("ix_agents_organization_id_created_at", "agents", ["organization_id", "created_at"])


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("public_id", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("last_used_at", _MOMENT),
        sa.Column("revoked_at", _MOMENT),
        _belongs("api_keys", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("public_id", name="uq_api_keys_public_id"),
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("from_number", sa.Text, nullable=False),
        sa.Column("to_number", sa.Text, nullable=False),
        sa.Column("call_sid", sa.Text),
        sa.Column("account_sid", sa.Text),
        sa.Column("vatel_session_id", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("answered_by", sa.Text),
        sa.Column("phone_status", sa.Text, nullable=False),
        sa.Column("phone_rank", sa.Integer, server_default="-1", nullable=False),
        sa.Column("counters", sa.JSON, nullable=False),
        sa.Column("node", sa.Text),
        sa.Column("fence", sa.Integer, server_default="0", nullable=False),
        sa.Column("lease_until", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("asked_at", _MOMENT),
        sa.Column("ringing_at", _MOMENT),
        sa.Column("answered_at", _MOMENT),
        sa.Column("agent_joined_at", _MOMENT),
        sa.Column("stop_asked_at", _MOMENT),
        sa.Column("ended_at", _MOMENT),
        sa.Column("erased_at", _MOMENT),
        _belongs("calls", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
        sa.UniqueConstraint("call_sid", name="uq_calls_call_sid"),
    )
    op.create_index("ix_calls_organization_id_created_at", "calls", ["organization_id", "created_at"])
    op.create_index("ix_calls_status_lease_until", "calls", ["status", "lease_until"])
    op.create_index("ix_calls_task_id", "calls", ["task_id"])
    op.create_index("ix_calls_to_number_created_at", "calls", ["to_number", "created_at"])


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("accepted_at", _MOMENT),
        _belongs("invitations", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.UniqueConstraint("token_hash", name="uq_invitations_token_hash"),
    )


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        _belongs("memberships", "organization_id", "organizations"),
        _belongs("memberships", "user_id", "users"),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name="pk_memberships"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        _belongs("sessions", "organization_id", "organizations"),
        _belongs("sessions", "user_id", "users"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])


def _suppressed_numbers() -> None:
    op.create_table(
        "suppressed_numbers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        _belongs("suppressed_numbers", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_suppressed_numbers"),
        sa.UniqueConstraint("organization_id", "number", name="uq_suppressed_numbers_organization_id_number"),
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("to_number", sa.Text, nullable=False),
        sa.Column("starting_message", sa.Text),
        sa.Column("context_data", sa.JSON, nullable=False),
        sa.Column("priority", sa.Integer, server_default="0", nullable=False),
        sa.Column("scheduled_at", _MOMENT),
        sa.Column("time_zone", sa.Text),
        sa.Column("answering_machine", sa.Text, nullable=False),
        sa.Column("webhook_url", sa.Text),
        sa.Column("webhook_events", sa.JSON, nullable=False),
        sa.Column("webhook_disabled", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        _belongs("tasks", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
    )
    op.create_index("ix_tasks_agent_id", "tasks", ["agent_id"])
    op.create_index("ix_tasks_organization_id_created_at", "tasks", ["organization_id", "created_at"])
    op.create_index("ix_tasks_status_scheduled_at", "tasks", ["status", "scheduled_at"])


def _call_events() -> None:
    op.create_table(
        "call_events",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        _belongs("call_events", "call_id", "calls"),
        _belongs("call_events", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("call_id", "seq", name="pk_call_events"),
    )


def _numbers() -> None:
    op.create_table(
        "numbers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        _belongs("numbers", "agent_id", "agents"),
        _belongs("numbers", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_numbers"),
        sa.UniqueConstraint("number", name="uq_numbers_number"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("slot", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, server_default="0", nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("next_attempt_at", _MOMENT, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_until", _MOMENT),
        sa.Column("delivered_at", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        _belongs("outbox", "call_id", "calls"),
        _belongs("outbox", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("call_id", "slot", name="uq_outbox_call_id_slot"),
    )
    op.create_index("ix_outbox_organization_id_created_at", "outbox", ["organization_id", "created_at"])
    op.create_index("ix_outbox_state_next_attempt_at", "outbox", ["state", "next_attempt_at"])


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("location", sa.Text),
        sa.Column("size_bytes", sa.Integer, server_default="0", nullable=False),
        sa.Column("duration_ms", sa.Integer, server_default="0", nullable=False),
        sa.Column("truncated", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT),
        sa.Column("expires_at", _MOMENT),
        _belongs("recordings", "call_id", "calls"),
        _belongs("recordings", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("call_id", name="pk_recordings"),
    )


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("report", sa.JSON),
        sa.Column("platform", sa.JSON),
        sa.Column("fetched_at", _MOMENT),
        sa.Column("updated_at", _MOMENT, nullable=False),
        _belongs("reports", "call_id", "calls"),
        _belongs("reports", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("call_id", name="pk_reports"),
    )


def _delivery_attempts() -> None:
    op.create_table(
        "delivery_attempts",
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("latency_ms", sa.Integer, server_default="0", nullable=False),
        _belongs("delivery_attempts", "event_id", "outbox"),
        _belongs("delivery_attempts", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("event_id", "number", name="pk_delivery_attempts"),
    )
