"""Events are plain frozen values, and the table knows every one of them."""

import dataclasses
from typing import get_args

import pytest

from gateway.bridge import events as on
from gateway.bridge.table import ARROWS

EVERY = get_args(on.Event)


@pytest.mark.parametrize("event", EVERY)
def test_event_is_a_frozen_value(event: type) -> None:
    """An event is frozen and slotted: nobody changes what has happened."""
    parameters = event.__dataclass_params__  # type: ignore[attr-defined]

    assert parameters.frozen
    assert parameters.eq
    assert "__slots__" in vars(event)


@pytest.mark.parametrize("event", EVERY)
def test_event_is_known_to_the_table(event: type) -> None:
    """No event exists that no state takes."""
    assert any(arrow.event is event for arrow in ARROWS)


@pytest.mark.parametrize("timer", get_args(on.Timer))
def test_timer_needs_no_words(timer: type) -> None:
    """A timer is made by the machine from its type alone."""
    assert dataclasses.fields(timer) == ()
    assert timer() == timer()


def test_equal_events_are_equal() -> None:
    """Two reports of the same thing are the same value; a detail tells them apart."""
    assert on.AgentLost("close_1006") == on.AgentLost("close_1006")
    assert on.AgentLost("close_1006") != on.AgentLost("close_1011")
    assert on.CallerLeft("hung_up") == on.CallerLeft("hung_up", "")
