"""What is remembered of a call: frozen, comparable, and discreet in every repr."""

import dataclasses
from typing import get_args

import pytest

from gateway.records import (
    OUTLIVED,
    CallEnded,
    CallInfo,
    Ending,
    Happening,
    KeyPressed,
    Opening,
    Reason,
    Result,
    ToolAsked,
    ToolRun,
    TranscriptEntry,
)


@pytest.mark.parametrize("record", [*get_args(Happening), CallInfo, Ending, Opening])
def test_record_is_a_frozen_value(record: type) -> None:
    """A record is frozen, slotted and comparable: what happened does not change."""
    parameters = record.__dataclass_params__  # type: ignore[attr-defined]

    assert dataclasses.is_dataclass(record)
    assert parameters.frozen
    assert parameters.eq
    assert "__slots__" in vars(record)


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (Ending(Result.COMPLETED, Reason.AGENT_ENDED), "completed/agent_ended"),
        (Ending(Result.FAILED, Reason.AGENT_LOST, "close_1011"), "failed/agent_lost (close_1011)"),
    ],
)
def test_ending_reads_well(ending: Ending, text: str) -> None:
    """An ending says result, reason and, where there is one, the detail."""
    assert str(ending) == text


def test_reasons_are_the_contract() -> None:
    """Metrics and API are built on these words: none is renamed or lost."""
    assert {str(reason) for reason in Reason} == {
        "caller_hung_up",
        "agent_ended",
        "operator_ended",
        "transferred",
        "time_limit",
        "shutdown",
        "agent_unreachable",
        "agent_lost",
        "agent_silent",
        "caller_lost",
        "caller_silent",
        "caller_protocol",
        "not_placed",
        "not_answered",
        "machine_answered",
        "node_lost",
        "internal_error",
    }
    assert [str(result) for result in Result] == ["completed", "failed"]


def test_streams_that_a_call_may_outlive() -> None:
    """A call whose stream broke may go on, and one that was put through; one that anybody ended may not."""
    broken = {"caller_lost", "caller_silent", "caller_protocol"}

    assert {str(reason) for reason in OUTLIVED} == broken | {"transferred"}


@pytest.mark.parametrize(
    "record",
    [
        ToolRun("t-1", "book", "ok", 5, "pin 4711", arguments={"pin": "4711"}),
        ToolAsked("t-1", "book", {"pin": "4711"}),
        KeyPressed(1.0, "4711"),
        Opening(prompt="4711", first_message="4711", variables=(("pin", "4711"),)),
    ],
)
def test_secret_of_the_caller_is_in_no_repr(record: object) -> None:
    """Digits, tool arguments and outputs, and what an agent is told do not show where one is printed."""
    assert "4711" not in repr(record)


def test_records_with_the_same_contents_are_equal() -> None:
    """Two records that say the same are the same."""
    ending = Ending(Result.COMPLETED, Reason.AGENT_ENDED)

    assert CallEnded(1.0, ending, {"frames": 1}) == CallEnded(1.0, ending, {"frames": 1})
    assert TranscriptEntry(0, "agent", "Hi", True, 1.0) == TranscriptEntry(0, "agent", "Hi", True, 1.0, "")
