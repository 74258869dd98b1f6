"""Schemathesis over Vatel's contract, bounded; ``python -m tests.contract.fuzzing`` makes the long run."""

import pytest

from tests.contract.fuzzing import fuzz
from tests.contract.openapi import ABSENT, PUBLISHED, published, tightened

pytestmark = pytest.mark.skipif(not PUBLISHED.exists(), reason=ABSENT)


@pytest.mark.timeout(90)
async def test_nothing_is_found() -> None:
    """Valid data and invalid, all checks, stateful: no unexpected status, no schema violation, no 500."""
    verdict = await fuzz(examples=2, seed=4)

    assert verdict.status == 0, verdict.output[-6_000:]
    assert verdict.cases >= 200


def test_contract_is_tightened_and_not_loosened() -> None:
    """What is added narrows the requests; answers, paths and statuses are the published ones."""
    before, after = published(), tightened(published())

    assert after["paths"].keys() == before["paths"].keys()
    for path, methods in before["paths"].items():
        for method, operation in methods.items():
            tight = after["paths"][path][method]
            assert tight["responses"].keys() == operation["responses"].keys()
            for status, answer in operation["responses"].items():
                assert {**tight["responses"][status], "links": None} == {**answer, "links": None}
    answered = {
        "Agent",
        "Call",
        "SipTrunk",
        "SipTrunkAgentAssignment",
        "ErrorResponse",
        "SessionTokenResponse",
    }
    schemas = after["components"]["schemas"]
    assert {name: schemas[name] for name in answered} == {
        name: before["components"]["schemas"][name] for name in answered
    }
