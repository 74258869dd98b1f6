"""Every test here that takes ``database`` runs on SQLite and on PostgreSQL."""

import pytest

from gateway.storage.database import Database
from tests.databases import database, database_url, postgres, sqlite_template
from tests.tenants import Tenant, tenant

__all__ = ["database", "database_url", "postgres", "sqlite_template"]


@pytest.fixture
async def acme(database: Database) -> Tenant:
    """An organization with an agent."""
    return await tenant(database)
