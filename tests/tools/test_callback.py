"""Telling the callback URL of results that came too late."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook as Receiver

from gateway.egress.client import Egress
from gateway.errors import ToolError
from gateway.tools import callback
from gateway.tools.callback import Callbacks
from gateway.tools.catalog import Webhook
from gateway.tools.runner import Run
from tests.tools.workshop import CALL, Handler, catalog, question, says, serving

KEY = "whsec_" + "a2V5LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait between tries."""
    monkeypatch.setattr(callback, "_PAUSES_S", (0.0, 0.0, 0.0))


async def told(*answers: Handler, error: ToolError | None = None) -> list[Any]:
    """Tell an office of a result; return the requests it got."""
    async with serving(*answers) as office:
        shelf = catalog(
            {"name": "book", "url": "https://example.com/", "callback_url": f"{office.url}/late"},
            signing={"keys": [KEY]},
        )
        tool = shelf.find("book", CALL.agent_id)
        assert isinstance(tool, Webhook)
        run = Run(tool, question(people=4), "key", "r" * 32, attempts=2, output="booked", error=error)
        egress = Egress(shelf.policy)
        try:
            await Callbacks(egress, shelf.signing, lambda: datetime.now(UTC)).tell(run, 1.25)
        finally:
            await egress.close()
        return list(office.seen)


async def test_result_is_told_in_full_and_signed() -> None:
    """The stock package believes it, and finds what was asked and what came of it."""
    (seen,) = await told(says())
    body: Any = Receiver(KEY).verify(seen.body, {name.lower(): value for name, value in seen.headers.items()})

    assert (seen.method, seen.path) == ("POST", "/late")
    assert body == {
        "type": "tool.result",
        "tool_call_id": "t-1",
        "tool": "book",
        "arguments": {"people": 4},
        "call": body["call"],
        "status": "ok",
        "reason": "",
        "output": "booked",
        "attempts": 2,
        "latency_ms": 1250,
    }
    assert body["call"]["id"] == CALL.call_id


async def test_failure_is_told_with_its_reason() -> None:
    """What was promised and did not work is a result too."""
    (seen,) = await told(says(), error=ToolError("The tool book did not answer.", reason="timeout"))
    body = json.loads(seen.body)

    assert (body["status"], body["reason"], body["output"]) == (
        "error",
        "timeout",
        "The tool book did not answer.",
    )


@pytest.mark.parametrize(
    ("answers", "requests"),
    [
        ([says(status=500), says()], 2),
        ([says(status=500)], 4),
        ([says(status=302, location="http://127.0.0.1/")], 4),
        ([says(status=410)], 1),
    ],
    ids=["recovers", "stays broken", "redirects", "gone"],
)
async def test_tries_are_repeated_with_the_same_id_until_one_succeeds(
    answers: list[Handler], requests: int
) -> None:
    """Four tries at most, none after 410, and each is the same message for the receiver."""
    seen = await told(*answers)

    assert len(seen) == requests
    assert {one.headers["webhook-id"] for one in seen} == {"late_" + "r" * 32}


async def test_office_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try has its own deadline, and nobody is told of an error."""
    monkeypatch.setattr(callback, "_TIMEOUT_S", 0.05)

    async def hang(request: Any) -> Any:
        await asyncio.sleep(1.0)

    assert len(await told(hang)) == 4
