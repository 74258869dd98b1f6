import re

import pytest

from gateway.sandbox.rest.routes import OPERATIONS
from tests.contract.openapi import ABSENT, PUBLISHED, published
from tests.sandbox.rest.office import NOBODY, Office


@pytest.mark.skipif(not PUBLISHED.exists(), reason=ABSENT)
def test_every_operation_of_the_contract_is_offered_and_no_other() -> None:
    """Methods and paths are the contract's, word for word; the socket has a route of its own."""
    contract = {
        (method.upper(), path) for path, methods in published()["paths"].items() for method in methods
    }
    assert {(method, path) for method, path, _ in OPERATIONS} == contract - {("GET", "/v1/connection")}


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in OPERATIONS])
async def test_every_operation_wants_a_key(office: Office, method: str, path: str) -> None:
    """Without a good one each is 401, without a body but for dialling, whatever else is wrong."""
    path = re.sub(r"\{\w+\}", NOBODY, path)
    for key in ("", "wrong", office.key + "x"):
        office.key, kept = key, office.key
        answer = await office.ask(method, path, b"{")
        office.key = kept
        assert answer.status == 401
        assert (answer.body == b"") is not path.endswith("/dial")
