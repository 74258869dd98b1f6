"""One run of a tool: its requests, their retries, and the result that stands in the end."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.egress.client import Egress
from gateway.tools.catalog import Webhook
from gateway.tools.runner import Run, Runner
from tests.tools.workshop import CALL, Handler, after, catalog, question, says, serving

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
RETRY = {"count": 2, "on": ["5xx", "429", "connect"], "backoff_s": 0.001}


async def ran(
    *answers: Handler, deadline_s: float = 1.0, url: str | None = None, **keys: Any
) -> tuple[Run, list[Any]]:
    """Run a tool once; return the run and what the endpoint saw."""
    async with serving(*answers) as endpoint:
        shelf = catalog({"name": "book", "url": url or f"{endpoint.url}/book", **keys})
        tool = shelf.find("book", CALL.agent_id)
        assert isinstance(tool, Webhook)
        run = Run(tool, question(people=4), "key", "r" * 32)
        egress = Egress(shelf.policy)
        try:
            runner = Runner(egress, shelf.signing, lambda: NOW, lambda: 0.0)
            await runner.finish(run, asyncio.get_running_loop().time() + deadline_s)
        finally:
            await egress.close()
        return run, endpoint.seen


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_listed_failure_is_tried_again(status: int) -> None:
    """The second request is told which it is, and is otherwise the same message."""
    run, seen = await ran(says(status=status), says("done"), retry=RETRY)

    assert (run.output, run.error, run.attempts, run.http_status) == ("done", None, 2, 200)
    assert [json.loads(one.body)["attempt"] for one in seen] == [1, 2]
    assert len({one.headers["webhook-id"] for one in seen}) == 1
    assert len({one.headers["Idempotency-Key"] for one in seen}) == 1
    assert len({one.headers["traceparent"] for one in seen}) == 2


async def test_last_failure_stands() -> None:
    """After the last retry the run says what was wrong in the end."""
    run, seen = await ran(says(status=500), says(status=502), says(status=503), retry=RETRY)

    assert run.error is not None
    assert (run.error.reason, run.attempts, run.http_status) == ("http_503", 3, 503)
    assert len(seen) == 3


@pytest.mark.parametrize("status", [400, 404, 302])
async def test_other_failures_are_not_repeated(status: int) -> None:
    """A request that was refused for what it is would be refused again."""
    run, seen = await ran(says(status=status), says(), retry=RETRY)

    assert run.error is not None
    assert (run.error.reason, len(seen)) == (f"http_{status}", 1)


async def test_bad_answer_is_not_repeated() -> None:
    """The endpoint did what it was asked: it only says so in a way that nobody can read."""
    run, seen = await ran(says("{", content_type="application/json"), says(), retry=RETRY)

    assert run.error is not None
    assert (run.error.reason, len(seen)) == ("bad_json", 1)


@pytest.mark.parametrize("retry_after", ["1", "Thu, 26 Nov 2026 12:00:01 GMT"])
async def test_retry_after_is_honoured(retry_after: str) -> None:
    """An endpoint that asks for a pause, by its length or by its end, gets it."""
    now = asyncio.get_running_loop().time
    began_at = now()
    run, _ = await ran(says(status=429, retry_after=retry_after), says("done"), retry=RETRY, deadline_s=3.0)

    assert run.output == "done"
    assert now() - began_at >= 1.0


@pytest.mark.parametrize("retry_after", ["soon", "Thu, 26 Nov 2026 11:00:00 GMT", "-1"])
async def test_retry_after_that_asks_for_nothing_costs_nothing(retry_after: str) -> None:
    """A date that is past asks for no pause, and what is neither form leaves the backoff as it is."""
    run, seen = await ran(says(status=429, retry_after=retry_after), says("done"), retry=RETRY)

    assert (run.output, len(seen)) == ("done", 2)


@pytest.mark.parametrize("retry_after", ["30", "Thu, 26 Nov 2026 12:00:30 GMT"])
async def test_pause_beyond_the_deadline_is_not_waited_for(retry_after: str) -> None:
    """What would come too late is not begun: the agent is told at once, and told the real reason."""
    now = asyncio.get_running_loop().time
    began_at = now()
    run, seen = await ran(says(status=429, retry_after=retry_after), retry=RETRY)

    assert run.error is not None
    assert (run.error.reason, len(seen)) == ("http_429", 1)
    assert now() - began_at < 0.5


async def test_deadline_ends_it() -> None:
    """An endpoint that takes too long has not answered."""
    run, _ = await ran(after(2.0, says()), deadline_s=0.1)

    assert run.error is not None
    assert run.error.reason == "timeout"


async def test_endpoint_that_is_not_there_is_tried_again_as_well() -> None:
    """A connection that nobody takes has done no harm."""
    run, _ = await ran(url="http://127.0.0.1:9/", retry=RETRY)

    assert run.error is not None
    assert (run.error.reason, run.attempts, run.http_status) == ("connect", 3, 0)


async def test_answer_without_the_part_that_is_picked_is_no_failure_of_the_endpoint() -> None:
    """It answered, and may well be right that there is nothing: its circuit stays closed."""
    async with serving(says('{"customer": null}', content_type="application/json")) as endpoint:
        shelf = catalog(
            {"name": "b", "url": endpoint.url, "response": {"pick": "$.order"}, "breaker": {"failures": 1}}
        )
        tool = shelf.find("b", CALL.agent_id)
        assert isinstance(tool, Webhook)
        egress = Egress(shelf.policy)
        try:
            runner = Runner(egress, (), lambda: NOW, lambda: 0.0)
            runs = [Run(tool, question("b"), "k", "r" * 32) for _ in range(3)]
            for run in runs:
                await runner.finish(run, asyncio.get_running_loop().time() + 1.0)
        finally:
            await egress.close()

    assert [run.reason for run in runs] == ["no_match"] * 3


async def test_template_that_cannot_be_filled_sends_nothing() -> None:
    """The agent left something out: it is told, and the endpoint is not to blame."""
    run, seen = await ran(headers={"X-Size": "{{ arguments.size }}"}, breaker={"failures": 1})

    assert run.error is not None
    assert (run.error.reason, seen) == ("bad_template", [])
