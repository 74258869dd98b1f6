import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.sandbox.callsheet import CallSheet, Subject, summary
from gateway.sandbox.stamps import Calendar
from gateway.vatel.messages import (
    Argument,
    InputTranscript,
    Interruption,
    ResponseAudio,
    ResponseText,
    SpeechStarted,
    ToolCall,
)

SUBJECT = Subject("c", "o", "a", "Ada", "v", variables=(("city", "Lyon"),))


class Book:
    """A sheet and every document it has shown. Lives as long as its test."""

    def __init__(self, subject: Subject = SUBJECT) -> None:
        self.shown: list[dict[str, Any]] = []
        calendar = Calendar(datetime(2026, 11, 26, tzinfo=UTC), 0.0)
        self.sheet = CallSheet(subject, calendar, 0.0, lambda document: self.shown.append(deepcopy(document)))

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The transcript as it stands."""
        entries: list[dict[str, Any]] = self.shown[-1]["transcript"]["entries"]
        return entries


def test_new_call_is_connected_and_knows_its_variables() -> None:
    """From the first moment there is a call, with what came along."""
    [call] = Book().shown
    assert (call["id"], call["organization_id"], call["agent_id"]) == ("c", "o", "a")
    assert (call["status"], call["source"], call["outbound"]) == ("connected", "api", False)
    assert call["created_at"] == call["connected_at"] == "2026-11-26T00:00:00.000000Z"
    assert call["extracted_variables"] == [
        {"name": "city", "type": "input", "value": "Lyon", "dataType": "string"}
    ]
    assert "ended_at" not in call


def test_entries_come_one_by_one_as_they_are_said() -> None:
    """Each final text is an entry at once; interim ones and mere events are none."""
    book = Book()
    book.sheet.started(0.5)
    book.sheet.sent(ResponseText("t1", "Hel", False), 1.0)
    book.sheet.sent(SpeechStarted(), 1.0)
    assert book.entries == []
    book.sheet.sent(ResponseText("t1", "Hello.", True), 1.0)
    assert [entry["message"] for entry in book.entries] == ["Hello."]
    book.sheet.sent(InputTranscript("hi", "u1", False), 2.0)
    book.sheet.sent(InputTranscript("hi there", "u1", True), 2.5)
    book.sheet.sent(InputTranscript("hm", None, True), 3.0)
    book.sheet.sent(Interruption(), 3.5)
    assert [(entry["index"], entry["role"], entry["type"]) for entry in book.entries] == [
        (0, "assistant", "message"),
        (1, "user", "message"),
        (2, "user", "message"),
        (3, "", "interruption"),
    ]
    assert [entry.get("turnId") for entry in book.entries] == ["t1", "u1", None, None]
    assert book.entries[1]["createdAt"] == "2026-11-26T00:00:02.500000Z"
    assert book.shown[-1]["status"] == "in_progress"


def test_tool_call_and_its_output_have_their_times() -> None:
    """Arguments are a JSON text of name and value; the answer closes the call and is an entry of its own."""
    book = Book()
    arguments = (Argument("people", "resolved", "number", "", True, 4), Argument("at", value=None))
    book.sheet.sent(ToolCall("call-1", "book_table", arguments), 1.0)
    asked = book.entries[0]["toolCall"]
    assert json.loads(asked["arguments"]) == {"people": 4, "at": None}
    assert (asked["callId"], asked["toolName"]) == ("call-1", "book_table")
    assert "endedAt" not in asked
    book.sheet.answered("call-1", "done", 3.0)
    [asked, answered] = book.entries
    assert (asked["toolCall"]["output"], asked["toolCall"]["endedAt"]) == (
        "done",
        "2026-11-26T00:00:03.000000Z",
    )
    assert (answered["type"], answered["toolCallOutput"]) == ("tool_call_output", "done")


@pytest.mark.parametrize("tool_call_id", ["call-1", "call-2"])
def test_second_and_unasked_answers_are_none(tool_call_id: str) -> None:
    """An answer counts once, for a call there was."""
    book = Book()
    book.sheet.sent(ToolCall("call-1", "look_up", ()), 1.0)
    book.sheet.answered("call-1", "first", 2.0)
    book.sheet.answered(tool_call_id, "again", 3.0)
    assert [entry["type"] for entry in book.entries] == ["tool_call", "tool_call_output"]
    assert book.entries[0]["toolCall"]["output"] == "first"


@pytest.mark.parametrize(
    ("value", "data_type"),
    [("x", "string"), (4, "number"), (1.5, "number"), (True, "boolean"), ([1], "array"), ({}, "object")],
)
def test_extracted_variable_replaces_an_older_one(value: object, data_type: str) -> None:
    """What the conversation brought to light is there once, the latest, with its type; inputs stay."""
    book = Book()
    book.sheet.extract("people", "three", "heard")
    book.sheet.extract("people", value, "heard again")
    given, found = book.shown[-1]["extracted_variables"]
    assert given["type"] == "input"
    assert (found["type"], found["value"], found["dataType"]) == ("extracted", value, data_type)
    assert found["rationale"] == "heard again"


def test_tags_are_a_set() -> None:
    """The same tag twice is one."""
    book = Book()
    for tag in ("booking", "booking", "vip"):
        book.sheet.tag(tag)
    assert book.shown[-1]["tags"] == ["booking", "vip"]


def test_end_says_why_how_long_and_what_it_cost() -> None:
    """Duration counts from the start, cost by the begun minute, turns by the audio sent for them."""
    book = Book()
    book.sheet.started(1.0)
    book.sheet.sent(ResponseAudio("t1", bytes(48 * 1_500), True), 1.0)
    book.sheet.sent(ResponseText("t1", "Hello.", True), 1.0)
    book.sheet.ended("ended_by_user", 62.4)
    call = book.shown[-1]
    assert (call["status"], call["termination_reason"]) == ("ended", "ended_by_user")
    assert (call["duration_seconds"], call["cost"]) == (61, 0.16)
    assert call["ended_at"] == "2026-11-26T00:01:02.400000Z"
    assert book.entries[0]["durationMs"] == 1_500
    assert "summary" not in call


def test_summary_comes_when_the_agent_wants_one() -> None:
    """An agent with summarize_calls has one on its call."""
    book = Book(Subject("c", "o", "a", "Ada", "v", summarize=True))
    book.sheet.sent(InputTranscript("a table please", None, True), 1.0)
    book.sheet.sent(ToolCall("1", "book_table", ()), 2.0)
    book.sheet.ended("ended_by_agent", 10.0)
    assert book.shown[-1]["summary"] == (
        "A call of 10 s with Ada, 1 utterances of the caller. "
        "It began with: 'a table please'. Tools called: book_table."
    )


def test_summary_of_a_call_without_words_is_short() -> None:
    """Nobody is quoted who said nothing."""
    assert summary("Ada", [], 3.0) == "A call of 3 s with Ada, 0 utterances of the caller."


def test_subject_does_not_tell_the_variables() -> None:
    """What callers are about stays out of logs."""
    assert "Lyon" not in repr(SUBJECT)
