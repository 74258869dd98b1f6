"""The tables as declared."""

import sqlalchemy as sa

from gateway.storage import schema

# Known by their parents alone, or the tenants' own roots.
NOT_OF_A_TENANT = {"organizations", "users"}


def test_every_row_of_a_tenant_names_it() -> None:
    """Each table but the roots has an organization_id that must be there and goes with its organization."""
    for table in schema.metadata.tables.values():
        if table.name in NOT_OF_A_TENANT:
            continue
        column = table.c.organization_id
        assert not column.nullable, table.name
        [key] = column.foreign_keys
        assert key.target_fullname == "organizations.id"
        assert key.ondelete == "CASCADE"


def test_terminal_event_is_unique_per_call() -> None:
    """A call has one place for its terminal event, whichever of the two it is."""
    unique = {
        tuple(column.name for column in constraint.columns)
        for constraint in schema.outbox.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    }

    assert ("call_id", "slot") in unique


def test_only_hashes_of_secrets_have_columns() -> None:
    """Keys, sessions, invitations and tokens are stored by their hash."""
    for table in (schema.api_keys, schema.sessions, schema.invitations, schema.access_tokens):
        assert not {"secret", "token", "key"} & set(table.c.keys()), table.name
