"""Whole calls, and what is left of them in memory."""

import asyncio
import gc
from typing import Final

import pytest

from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from tests.e2e.asking import Asking
from tests.e2e.running import run
from tests.e2e.town import Plan, town
from tests.tools.workshop import says, serving
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
def test_calls_that_are_over_leave_nothing_to_the_collector() -> None:
    """Sessions, sockets and tools are freed with their call: none refers back to what holds it."""

    async def scene() -> list[str]:
        script = Asking([("look_up",) * 4])
        async with (
            serving(says('{"free": true}')) as endpoint,
            town(Plan(script, tools={"default": {"url": endpoint.url}})) as place,
        ):
            await place.call(SilentCaller(), CallOptions(max_seconds=20.0))
            gc.collect()  # what is made with the first call, and once
            with uncollected():
                for _ in range(3):
                    await place.call(SilentCaller(), CallOptions(max_seconds=20.0))
                await asyncio.sleep(SETTLE_S)
                return left_to_the_collector(*OURS)

    assert run(scene()) == []
