"""Whole calls, and what is left of them in memory."""

import asyncio
import gc
from contextlib import AsyncExitStack
from typing import Final

import pytest

from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from tests.e2e.asking import Asking
from tests.e2e.process import free_port
from tests.e2e.running import run
from tests.e2e.town import Plan, town
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


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("answer", "nobody"),
    [
        (says('{"free": true}'), False),
        (says("broken", 500), False),
        (after(2.0, says()), False),
        (says(), True),
    ],
    ids=["answers", "fails", "too_late", "unreachable"],
)
def test_calls_that_are_over_leave_nothing_to_the_collector(answer: Handler, nobody: bool) -> None:
    """Sessions, sockets and tools are freed with their call: none refers back to what holds it."""

    async def scene() -> list[str]:
        script = Asking([("look_up",) * 4])
        async with serving(answer) as endpoint, AsyncExitStack() as stack:
            url = f"http://127.0.0.1:{free_port()}/" if nobody else endpoint.url
            plan = Plan(script, tools={"default": {"url": url, "deadline_s": 0.5}})
            place = await stack.enter_async_context(town(plan))
            await place.call(SilentCaller(), CallOptions(max_seconds=20.0))
            gc.collect()  # what is made with the first call, and once
            with uncollected():
                for _ in range(3):
                    await place.call(SilentCaller(), CallOptions(max_seconds=20.0))
                await asyncio.sleep(SETTLE_S)
                return left_to_the_collector(*OURS)

    assert run(scene()) == []
