"""The demo's own watch over the machine it runs on."""

import asyncio
import time

import pytest

from gateway.demo.lateness import TICK_S, Lateness


async def lateness_of(*stalls_s: float) -> float:
    """Return what was seen while the loop stood still for a while, several times."""
    lateness = Lateness()
    watching = asyncio.get_running_loop().create_task(lateness.watch())
    for stall_s in stalls_s:
        await asyncio.sleep(2 * TICK_S)
        time.sleep(stall_s)  # noqa: ASYNC251 - the stall to be seen
    await asyncio.sleep(2 * TICK_S)
    watching.cancel()
    return lateness.worst_s


@pytest.mark.parametrize("stalls_s", [(0.3,), (0.1, 0.3, 0.1)])
async def test_worst_stall_is_remembered(stalls_s: tuple[float, ...]) -> None:
    """A loop that stood still was late by that, less the part of a tick that was not over yet."""
    assert 0.3 - TICK_S <= await lateness_of(*stalls_s) < 1.0


async def test_stalls_do_not_add_up() -> None:
    """Ten short stalls are not one long one."""
    assert await lateness_of(*[0.03] * 10) < 0.25


async def test_loop_that_is_never_asked_has_kept_time() -> None:
    """Before it watches, nothing was late."""
    assert Lateness().worst_s == 0.0
