"""The playbook itself: a test of the machine that cannot fail would prove nothing."""

import pytest

from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.bridge.machine import CallMachine
from tests.playbook import Playbook


def test_unexpected_command_fails_the_play() -> None:
    """A command nobody expected is reported with the line that brought it."""
    play = Playbook(CallMachine())

    with pytest.raises(AssertionError, match="after start: did not expect"):
        play >> on.AgentReady()


def test_missing_command_fails_the_play() -> None:
    """A command that does not come is reported."""
    play = Playbook(CallMachine()) << do.ConnectAgent()

    with pytest.raises(AssertionError, match=r"expected HoldCaller.*got nothing more"):
        play << do.HoldCaller()


def test_wrong_command_fails_the_play() -> None:
    """Another command than the expected one is reported with both."""
    play = Playbook(CallMachine())

    with pytest.raises(AssertionError, match=r"expected ClearCaller.*got ConnectAgent"):
        play << do.ClearCaller()
