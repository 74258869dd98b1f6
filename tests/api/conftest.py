"""Every test here that takes the ``room`` runs on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from gateway.storage.database import Database
from tests.control_room import ControlRoom, control_room


@pytest.fixture
async def room(database: Database) -> AsyncIterator[ControlRoom]:
    """The control API over the database."""
    async with control_room(database) as opened:
        yield opened
