"""What the REST tests share: a host that knows the contract, and a client of it."""

from collections.abc import AsyncIterator

import pytest

from gateway.vatel.rest import VatelClient
from tests.vatel.rest_host import RestHost, client_of, serving


@pytest.fixture
def host() -> RestHost:
    """Return the host the client talks to."""
    return RestHost()


@pytest.fixture
async def client(host: RestHost) -> AsyncIterator[VatelClient]:
    """Yield a client of the host."""
    async with serving(host.handle) as base_url, client_of(base_url) as made:
        yield made
