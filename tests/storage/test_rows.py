"""Rows as frozen values: they fit their tables, and keep secrets out of sight."""

from dataclasses import fields
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.storage import rows, schema
from gateway.storage.queries import values_of
from tests.tenants import agent, call_of, event, new_call, organization, task

KINDS: dict[type[Any], sa.Table] = {
    rows.Organization: schema.organizations,
    rows.User: schema.users,
    rows.Session: schema.sessions,
    rows.Invitation: schema.invitations,
    rows.ApiKey: schema.api_keys,
    rows.AccessToken: schema.access_tokens,
    rows.Agent: schema.agents,
    rows.Number: schema.numbers,
    rows.Task: schema.tasks,
    rows.NewCall: schema.calls,
    rows.Call: schema.calls,
    rows.CallEvent: schema.call_events,
    rows.StoredReport: schema.reports,
    rows.Recording: schema.recordings,
    rows.OutboxEvent: schema.outbox,
    rows.DeliveryAttempt: schema.delivery_attempts,
    rows.SuppressedNumber: schema.suppressed_numbers,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_a_column(kind: type[Any]) -> None:
    """A value has only fields that its table has columns for, and None only where NULL may stand."""
    columns = KINDS[kind].c

    for one in fields(kind):
        assert one.name in columns, one.name
        if kind is not rows.NewCall:
            assert ("None" in str(one.type)) is bool(columns[one.name].nullable), one.name


def test_reading_takes_the_columns_that_it_knows() -> None:
    """Columns without a field, secrets' hashes among them, do not get into the value."""
    given = agent("o")

    assert rows.read(rows.Agent, values_of(given) | {"more": 1}) == given


@pytest.mark.parametrize(
    "value",
    [
        organization(),
        agent("o"),
        task("o", "a"),
        new_call("o"),
        event("c", 1, text="+4930123456 Be kind. Ada"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_repr_tells_no_secret_and_no_caller(value: object) -> None:
    """What may end in a log holds no number, prompt, context or secret."""
    text = repr(value)

    assert not [secret for secret in ("+4930", "Be kind", "Ada", "whsec_") if secret in text]


def test_call_is_live_until_it_is_over() -> None:
    """The two statuses before the end are live, the two after are not."""
    row = dict.fromkeys(one.name for one in fields(rows.Call))
    live = {
        status: rows.read(rows.Call, row | {"status": status}).live
        for status in ("initiated", "in_progress", "completed", "failed")
    }

    assert live == {"initiated": True, "in_progress": True, "completed": False, "failed": False}
    assert (
        rows.read(rows.Call, row | values_of(call_of(task("o", "a"))) | {"status": "failed"}).source == "task"
    )
