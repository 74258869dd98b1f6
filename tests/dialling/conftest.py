"""Tests here take a SQLite ``database``: what they need of both engines is tested with the storage itself."""

import shutil
from pathlib import Path

import pytest

from gateway.storage.database import Database
from tests.databases import database, postgres, sqlite_template
from tests.tenants import Tenant, tenant

__all__ = ["database", "postgres", "sqlite_template"]


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh migrated database."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
async def acme(database: Database) -> Tenant:
    """An organization with an agent."""
    return await tenant(database)
