"""The clock that leaps: it must be right, or every test on it is worth nothing."""

import asyncio
import time

import pytest

from tests.virtual_time import on_virtual_time


def test_waits_take_no_time() -> None:
    """An hour passes on the loop's clock and hardly any on the wall."""

    @on_virtual_time
    async def wait() -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(3600)
        assert loop.time() - before == pytest.approx(3600)

    started = time.monotonic()
    wait()
    assert time.monotonic() - started < 5


def test_timers_keep_their_order() -> None:
    """Timers fire at their own times, in order."""
    fired: list[tuple[str, float]] = []

    @on_virtual_time
    async def wait() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        def fire(name: str) -> None:
            fired.append((name, loop.time() - start))

        for delay in (3.0, 1.0, 2.0):
            loop.call_later(delay, fire, str(delay))
        await asyncio.sleep(5)

    wait()
    assert [name for name, _ in fired] == ["1.0", "2.0", "3.0"]
    assert [at for _, at in fired] == pytest.approx([1.0, 2.0, 3.0])


def test_wait_for_nothing_fails() -> None:
    """A test that can never go on fails instead of hanging."""

    @on_virtual_time
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="never happen"):
        wait()


def test_task_left_behind_fails() -> None:
    """A test that leaves a task behind fails."""
    left: list[asyncio.Task[None]] = []

    @on_virtual_time
    async def leave() -> None:
        left.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))

    with pytest.raises(AssertionError, match="outlive"):
        leave()


def test_error_nobody_saw_fails() -> None:
    """A test in which a task dies unseen fails."""

    async def die() -> None:
        raise ValueError("unseen")

    @on_virtual_time
    async def lose() -> None:
        asyncio.get_running_loop().create_task(die())
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="unhandled"):
        lose()
