"""Runs experiments on the loop that the gateway runs on, and looks at what they leave behind."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import uvloop

from tests.heap import freeze_heap

K = TypeVar("K")
T = TypeVar("T")

Scene = Callable[[], Coroutine[Any, Any, T]]

_BEAT_S: Final = 0.005
DISTURBED_S: Final = 0.030  # half the gateway's cushion
_TRIES: Final = 3
_SETTLE_TURNS: Final = 1_000


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; after it no task, no open file and no exception that nobody saw may be left."""
    unseen: list[dict[str, Any]] = []
    freeze_heap()  # as the gateway does before it serves
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: unseen.append(context))
        try:
            result = runner.run(_leaving_nothing(work))
        finally:
            gc.enable()  # which a town switches off
        gc.collect()
    assert not unseen, f"exceptions that nobody saw: {unseen}"
    return result


def run_all(scenes: Mapping[K, Scene[T]], stagger_s: float = 0.0) -> dict[K, T]:
    """Run scenes at the same time, each beginning a little after the one before; return what each came to."""

    async def all_of_them() -> dict[K, T]:
        playing = {}
        async with asyncio.TaskGroup() as tasks:
            for name, scene in scenes.items():
                playing[name] = tasks.create_task(_named(name, scene))
                await asyncio.sleep(stagger_s)
        return {name: task.result() for name, task in playing.items()}

    return run(all_of_them())


async def _named(name: object, scene: Scene[T]) -> T:
    try:
        return await scene()
    except Exception as error:
        error.add_note(f"in the scene {name!r}")
        raise


async def undisturbed(experiment: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """Repeat an experiment that came out badly while this very process was kept from its CPU.

    Three parties in one process share one fate: when it stands still for longer than the gateway's cushion
    the caller's ear finds a gap that no gateway made. The last of three tries counts in any case.
    """
    for _ in range(_TRIES - 1):
        async with felt() as pulse:
            result = await experiment()
        if good(result) or pulse.worst_late_s < DISTURBED_S:
            return result
    return await experiment()


@asynccontextmanager
async def felt() -> AsyncIterator["Pulse"]:
    """Feel the loop's pulse."""
    pulse = Pulse()
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(pulse.beat())
        yield pulse
        beating.cancel()


class Pulse:
    """Feels how late the loop runs.

    Attributes:
        worst_late_s: the longest that anything had to wait for the loop.
    """

    def __init__(self) -> None:
        self.worst_late_s = 0.0

    async def beat(self) -> None:
        """Feel it for ever."""
        now = asyncio.get_running_loop().time
        while True:
            due = now() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self.worst_late_s = max(self.worst_late_s, now() - due)


def open_files() -> list[str]:
    """Name what this process holds open, sockets above all; sorted.

    /dev/null does not count: libuv keeps one in hand for the day when there are no more.
    """
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue  # the listing's own
    return sorted(name for name in names if name != "/dev/null")


async def _leaving_nothing(work: Coroutine[Any, Any, T]) -> T:
    await asyncio.to_thread(int)  # the executor's own
    before = open_files()
    result = await work
    gc.collect()  # a cursor in a cycle keeps its whole database open
    for _ in range(_SETTLE_TURNS):
        # A transport closes its socket a turn of the loop after it is told to.
        if len(asyncio.all_tasks()) == 1 and len(open_files()) <= len(before):
            return result
        await asyncio.sleep(_BEAT_S)
    left = [name for name in open_files() if name not in before]
    raise AssertionError(f"left behind: {left}, {asyncio.all_tasks()}")
