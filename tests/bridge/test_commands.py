"""Commands are plain frozen values, and the shell can carry out every one of them."""

from typing import get_args

import pytest

from gateway.bridge import commands as do
from gateway.records import Ending, Reason, Result
from tests.bridge.stage import Stage
from tests.virtual_time import on_virtual_time

EVERY = get_args(do.Command)


@pytest.mark.parametrize("command", EVERY)
def test_command_is_a_frozen_value(command: type) -> None:
    """A command is frozen and slotted: what was asked for stays what it was."""
    parameters = command.__dataclass_params__  # type: ignore[attr-defined]

    assert parameters.frozen
    assert parameters.eq
    assert "__slots__" in vars(command)


@on_virtual_time
async def test_shell_carries_out_every_command() -> None:
    """The session has a hand for each command there is, and for nothing else."""
    assert set(Stage().session._do) == set(EVERY)


def test_connect_is_at_once_unless_told_otherwise() -> None:
    """The first attempt waits for nothing."""
    assert do.ConnectAgent() == do.ConnectAgent(after_s=0.0)
    assert do.ConnectAgent(1.0) != do.ConnectAgent()


def test_end_names_ending_and_hang_up() -> None:
    """The last command carries the one value that says how the call ended."""
    end = do.End(Ending(Result.COMPLETED, Reason.AGENT_ENDED), hang_up=True)

    assert (end.ending.reason, end.hang_up) == (Reason.AGENT_ENDED, True)
