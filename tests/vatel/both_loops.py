"""Run a test on asyncio and on uvloop, and see that it leaves no task behind."""

import asyncio
import functools
import gc
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_both_loops(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Make a plain test of an async one, run once on each kind of loop."""

    @functools.wraps(test)
    def run(loop_name: str, **arguments: object) -> None:
        unhandled: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
            runner.get_loop().set_exception_handler(lambda loop, context: unhandled.append(context))
            runner.run(_alone(test(**arguments)))
            gc.collect(1)
        assert not unhandled, f"unhandled: {unhandled}"

    signature = inspect.signature(test)
    loop_parameter = inspect.Parameter("loop_name", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [loop_parameter, *signature.parameters.values()]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # for pytest
    both: Callable[..., None] = pytest.mark.parametrize("loop_name", list(LOOPS))(run)
    return both


async def _alone(work: Coroutine[None, None, None]) -> None:
    await work
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks outlive the test: {left}"
