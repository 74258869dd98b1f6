from collections.abc import AsyncIterator

import pytest

from gateway.sandbox.store import Store
from tests.sandbox.rest.office import Office, opened


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """An empty store in memory."""
    store = Store()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """Somebody of the sandbox's own organization."""
    async with opened() as office:
        yield office
