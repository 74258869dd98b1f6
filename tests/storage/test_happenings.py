"""Happenings as stored events."""

import json
from types import MappingProxyType
from typing import Any, get_args

import pytest

from gateway.records import (
    AgentJoined,
    AgentResponded,
    CallEnded,
    DtmfRuleRan,
    Happening,
    Interrupted,
    KeyPressed,
    StateChanged,
    StreamLost,
    ToolAsked,
    ToolRun,
    TranscriptEntry,
)
from gateway.storage.happenings import KINDS, event_of, masked
from tests.tenants import HUNG_UP, LOST

EVERY: list[Happening] = [
    AgentJoined(0.5, "s1"),
    TranscriptEntry(0, "caller", "hello", True, 1.0),
    ToolAsked("t1", "book", {"day": "monday", "seats": [2, {"of": (1, None)}]}),
    ToolRun("t1", "book", "ok", 120, "done"),
    Interrupted(3.0, 400),
    AgentResponded(3.5, 640),
    StateChanged(0.1, "talking"),
    KeyPressed(4.0, "7"),
    DtmfRuleRan(4.5, "**", "transfer", "error", "transfer_busy"),
    StreamLost(5.0, LOST, {"frames": 2}),
    CallEnded(6.0, HUNG_UP, {"frames": 3}),
]


def test_every_happening_has_a_kind_of_its_own() -> None:
    """None is forgotten, no two share a name."""
    assert set(KINDS) == set(get_args(Happening)) == {type(one) for one in EVERY}
    assert len(set(KINDS.values())) == len(KINDS)


@pytest.mark.parametrize("happening", EVERY, ids=lambda one: type(one).__name__)
def test_happening_is_json(happening: Happening) -> None:
    """Its data is plain JSON that holds what happened."""
    kind, data = event_of(happening)

    assert kind == KINDS[type(happening)]
    assert json.loads(json.dumps(data)) == data


def test_ending_is_told_by_its_parts() -> None:
    """Result, reason and detail are words."""
    assert event_of(EVERY[-2])[1]["ending"] == {
        "result": "failed",
        "reason": "agent_lost",
        "detail": "close_1011",
    }


def test_read_only_arguments_are_stored_too() -> None:
    """Mappings of any kind become objects, at every depth."""
    frozen: Any = MappingProxyType({"day": MappingProxyType({"of": ("week", 1)})})

    assert event_of(ToolAsked("t1", "book", frozen))[1]["arguments"] == {"day": {"of": ["week", 1]}}


def test_key_is_masked() -> None:
    """That a key was pressed is stored, which one is not."""
    assert event_of(KeyPressed(4.0, "7")) == ("key", {"at_s": 4.0, "digit": "*"})


def test_digits_of_a_rule_are_masked() -> None:
    """How many there were is stored, with what the rule did."""
    assert event_of(DtmfRuleRan(4.0, "*97", "webhook", "ok")) == (
        "dtmf_rule",
        {"at_s": 4.0, "digits": "***", "action": "webhook", "status": "ok", "detail": ""},
    )
    assert masked("0123456789#") == "*" * 11
