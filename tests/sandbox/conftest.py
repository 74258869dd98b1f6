from collections.abc import AsyncIterator

import pytest

from tests.sandbox.rest.office import Office, opened


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """Somebody of the sandbox's own organization."""
    async with opened() as office:
        yield office
