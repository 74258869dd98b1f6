"""Where calls get their tools, and which they keep."""

import asyncio
from dataclasses import replace

import pytest

from gateway.tools import toolbox as module
from gateway.tools.toolbox import opened
from tests.tools.workshop import CALL, after, catalog, question, run, says, serving


def named(url: str, answer: str) -> dict[str, object]:
    """Return the entry of a tool that is answered at a path of its own."""
    return {"name": "book", "url": f"{url}/{answer}"}


async def test_live_calls_keep_the_tools_they_began_with() -> None:
    """After a reload a call that is under way asks the old endpoint, a new one the new."""
    async with serving() as endpoint, opened(catalog(named(endpoint.url, "old"))) as toolbox:
        live = toolbox.enter(CALL)
        toolbox.replace(catalog(named(endpoint.url, "new")))
        fresh = toolbox.enter(replace(CALL, call_id="d" * 32))
        await run(live, question())
        await run(fresh, question())
        live.leave()
        fresh.leave()

    assert [seen.path for seen in endpoint.seen] == ["/old", "/new"]


async def test_call_that_comes_back_finds_its_own_tools() -> None:
    """A stream that broke and was resumed is the same call: same catalogue, same memory of what was done."""
    key = {"idempotency": {"key": "{{ call.id }}"}}
    async with (
        serving(says("once"), says("twice")) as endpoint,
        opened(catalog({**named(endpoint.url, "old"), **key})) as toolbox,
    ):
        first = toolbox.enter(CALL)
        await run(first, question())
        first.leave()
        toolbox.replace(catalog({**named(endpoint.url, "new"), **key}))
        again = toolbox.enter(CALL)
        outcome = await run(again, question(tool_call_id="t-2"))
        again.leave()

    assert (outcome.output, outcome.replayed) == ("once", True)


async def test_two_streams_of_one_call_share_its_tools() -> None:
    """The second stream may come before the first has said that it is over."""
    async with opened(catalog()) as toolbox:
        first, second = toolbox.enter(CALL), toolbox.enter(CALL)
        first.leave()
        third = toolbox.enter(CALL)
        second.leave()
        third.leave()

    assert first is second is third


async def test_call_is_forgotten_when_it_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A while after its last stream a call's tools are gone, and with them the catalogue nobody else has."""
    monkeypatch.setattr(module, "_LINGER_S", 0.01)
    async with serving() as endpoint, opened(catalog(named(endpoint.url, "old"))) as toolbox:
        tools = toolbox.enter(CALL)
        await run(tools, question())
        toolbox.replace(catalog())
        tools.leave()
        await asyncio.sleep(0.05)
        again = toolbox.enter(CALL)
        again.leave()

    assert again is not tools
    assert tools._generation.holders == 0


async def test_late_results_are_waited_for_at_the_end() -> None:
    """When the process leaves, a booking that is under way may still be told of."""
    async with serving(after(0.1, says("booked"))) as endpoint, serving() as office:
        entry = {**named(endpoint.url, "x"), "mode": "background", "callback_url": f"{office.url}/late"}
        async with opened(catalog(entry)) as toolbox:
            tools = toolbox.enter(CALL)
            await run(tools, question())
            tools.leave()

    assert len(office.seen) == 1


async def test_what_takes_too_long_at_the_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process does not wait for ever for somebody who never answers."""
    monkeypatch.setattr(module, "_LAST_RESULTS_S", 0.05)
    async with (
        serving(after(30.0, says())) as endpoint,
        asyncio.timeout(2.0),
        opened(catalog({**named(endpoint.url, "x"), "mode": "background"})) as toolbox,
    ):
        tools = toolbox.enter(CALL)
        outcome = await run(tools, question())
        tools.leave()

    assert outcome.failure == ""
