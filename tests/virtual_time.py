"""An event loop whose clock jumps: waits of minutes take no time, and come out the same on every machine.

    @on_virtual_time
    async def test_something() -> None: ...

When nothing is ready the loop's time leaps to the next timer; when there is none either, the test hangs for
good and fails at once. After the test no task may be left, and no exception that nobody looked at.
"""

import asyncio
import functools
import gc
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class _Leaping(selectors.SelectSelector):
    """Tells the loop's clock to leap instead of waiting."""

    def __init__(self, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("the test waits for something that will never happen")
        if not ready and timeout:
            self._leap(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Lives as long as one test."""

    def __init__(self) -> None:
        self._now = 1_000.0
        self.unhandled: list[dict[str, Any]] = []
        super().__init__(_Leaping(self._leap))
        self.set_exception_handler(lambda loop, context: self.unhandled.append(context))

    def _leap(self, seconds: float) -> None:
        self._now += seconds

    def time(self) -> float:
        """Return the virtual time (seconds)."""
        return self._now


def on_virtual_time(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test on a :class:`VirtualLoop`."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop, debug=True) as runner:
            runner.run(_alone(test(*args, **kwargs)))
            gc.collect(1)  # what this test made is young
            loop = runner.get_loop()
            assert isinstance(loop, VirtualLoop)
            assert not loop.unhandled, f"unhandled: {loop.unhandled}"

    return run


async def _alone(work: Coroutine[None, None, None]) -> None:
    await work
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks outlive the test: {left}"
