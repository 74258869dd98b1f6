"""Whole calls, and what is left of them in memory."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import pytest

from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from tests.e2e.asking import Asking
from tests.e2e.process import free_port
from tests.e2e.running import run
from tests.e2e.town import Plan, Town, town
from tests.tools.workshop import Handler, after, says, serving
from tests.uncollected import left_to_the_collector, uncollected

OURS: Final = (
    "gateway.audio",
    "gateway.bridge",
    "gateway.egress",
    "gateway.ledger",
    "gateway.recording",
    "gateway.tools",
    "gateway.twilio",
    "gateway.vatel",
)
SETTLE_S: Final = 1.5  # a connection's last timer runs for a second after its call


FATES: Final[dict[str, Handler | None]] = {
    "answered": says('{"free": true}'),
    "broken": says("broken", 500),
    "too late": after(2.0, says()),
    "unreachable": None,
}
"""What may become of tools, by what answers."""


@asynccontextmanager
async def asking(answer: Handler | None) -> AsyncIterator[Town]:
    """Give an agent that asks for four tools at once, with an endpoint that answers so, or none."""
    async with AsyncExitStack() as stack:
        if answer is None:
            url = f"http://127.0.0.1:{free_port()}/"
        else:
            url = (await stack.enter_async_context(serving(answer))).url
        plan = Plan(Asking([("look_up",) * 4]), tools={"default": {"url": url, "deadline_s": 0.5}})
        yield await stack.enter_async_context(town(plan))


@pytest.mark.timeout(60)
def test_calls_that_are_over_leave_nothing_to_the_collector() -> None:
    """Sessions, sockets and tools are freed with their call: none refers back to what holds it."""

    async def scene() -> list[str]:
        async with AsyncExitStack() as stack:
            places = [await stack.enter_async_context(asking(answer)) for answer in FATES.values()]

            async def a_call_in_each() -> None:
                async with asyncio.TaskGroup() as calls:
                    for place in places:
                        calls.create_task(place.call(SilentCaller(), CallOptions(max_seconds=20.0)))

            await a_call_in_each()
            gc.collect()  # what is made with the first call, and once
            with uncollected():
                for _ in range(3):
                    await a_call_in_each()
                await asyncio.sleep(SETTLE_S)
                return left_to_the_collector(*OURS)

    assert run(scene()) == []
