"""Signals that stop a command, and what they do before and after it waits."""

import asyncio
import os
import signal

import pytest

from gateway.stopping import stop_asked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_either_signal_is_the_end_of_the_wait(number: signal.Signals) -> None:
    """The process lives on, and nothing is left on the loop."""
    waiting = asyncio.get_running_loop().create_task(stop_asked())
    await asyncio.sleep(0)

    os.kill(os.getpid(), number)
    async with asyncio.timeout(5):
        await waiting

    assert not asyncio.get_running_loop().remove_signal_handler(number)


async def test_who_gives_up_waiting_leaves_no_handler() -> None:
    """A cancelled wait takes its handlers with it."""
    waiting = asyncio.get_running_loop().create_task(stop_asked())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert not asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
