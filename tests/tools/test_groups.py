"""Task groups of the process."""

import asyncio

import pytest

from gateway.tools.groups import task_group


async def test_error_of_the_body_comes_out_as_it_is() -> None:
    """Whoever holds the group catches what was raised, and not a group of one."""

    async def break_off() -> None:
        async with task_group() as group:
            group.create_task(asyncio.sleep(5.0))
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await break_off()


async def test_several_errors_stay_together() -> None:
    """None of them is hidden."""

    async def broken(number: int) -> None:
        raise LookupError(str(number))

    async def break_twice() -> None:
        async with task_group() as group:
            group.create_task(broken(1))
            group.create_task(broken(2))

    with pytest.raises(ExceptionGroup) as raised:
        await break_twice()

    assert len(raised.value.exceptions) == 2


async def test_tasks_are_waited_for() -> None:
    """As in any group."""
    done: list[bool] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(True)

    async with task_group() as group:
        group.create_task(work())

    assert done == [True]
