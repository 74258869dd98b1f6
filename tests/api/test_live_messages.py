"""What the live socket says, message by message."""

import json
from typing import Any

import pytest

from gateway.api import live_messages as say
from gateway.ledger.live import body_of
from gateway.storage.rows import Call, CallEvent
from tests.tenants import NOW, event
from tests.tenants import said as entry

CALL_ID = "11111111-2222-4333-8444-555555555555"


def call(**changes: Any) -> Call:
    """Return a call that rings."""
    plain: dict[str, Any] = dict.fromkeys(Call.__dataclass_fields__) | {
        "id": CALL_ID,
        "organization_id": "o",
        "status": "initiated",
        "detail": "",
        "created_at": NOW,
    }
    return Call(**(plain | changes))


def told(message: say.Message | None) -> Any:
    """Return a message as JSON reads it."""
    assert message is not None
    return json.loads(message.text)


def message_of(happened: CallEvent) -> say.Message | None:
    """Return what watchers are told of an event."""
    return say.message_of(CALL_ID, body_of(happened))


def test_connected_names_call_and_status() -> None:
    """The first message."""
    assert told(say.connected(call())) == {
        "type": "connected",
        "data": {"call_id": CALL_ID, "status": "initiated"},
    }


def test_status_of_a_call() -> None:
    """A live status stands alone; a final one comes with how the call ended."""
    live = say.status_of(call(status="in_progress"))
    over = say.status_of(call(status="failed", result="failed", reason="agent_lost", detail="close_1011"))

    assert (live.status, live.final) == ("in_progress", False)
    assert told(live)["data"] == {"call_id": CALL_ID, "status": "in_progress"}
    assert (over.status, over.final) == ("failed", True)
    assert told(over)["data"] == {
        "call_id": CALL_ID,
        "status": "failed",
        "result": "failed",
        "reason": "agent_lost",
        "detail": "close_1011",
    }


def test_transcript_entry_is_told_as_the_api_tells_it() -> None:
    """An entry that is said live looks like one that is read later."""
    happened = entry(CALL_ID, 3, 1, "agent", "Grüß Gott", heard_ms=700, heard_text="Grüß", cut=True)
    message = message_of(happened)

    assert told(message) == {
        "type": "transcript_update",
        "data": {
            "call_id": CALL_ID,
            "transcript": [
                {
                    "index": 1,
                    "role": "agent",
                    "text": "Grüß Gott",
                    "final": True,
                    "offset_s": 3.0,
                    "heard_ms": 700,
                    "heard_text": "Grüß",
                    "cut": True,
                }
            ],
        },
    }
    assert message is not None
    assert "ü" in message.text
    assert not message.final


def test_joined_agent_begins_the_talk() -> None:
    """The status of a call changes when its agent joins."""
    message = message_of(event(CALL_ID, 1, "agent_joined", at_s=0.0, session_id="secret"))

    assert told(message)["data"] == {"call_id": CALL_ID, "status": "in_progress"}


def test_end_of_a_call() -> None:
    """The last event tells how the call ended."""
    ending = {"result": "completed", "reason": "caller_hung_up", "detail": ""}
    message = message_of(event(CALL_ID, 9, "call_ended", at_s=9.0, ending=ending, counters={}))

    assert told(message)["data"] == {"call_id": CALL_ID, "status": "completed", **ending}
    assert message is not None
    assert message.final


@pytest.mark.parametrize("kind", ["state", "key", "tool_asked", "tool_run", "interrupted", "stream_lost"])
def test_what_is_not_for_watchers(kind: str) -> None:
    """The contract knows four kinds of messages; what fits none is not told."""
    assert message_of(event(CALL_ID, 1, kind, at_s=1.0)) is None


def test_message_is_written_once_for_all_watchers() -> None:
    """Hundreds who watch the same call share one text."""
    body = body_of(entry(CALL_ID, 1, 0, "caller", "hello"))

    assert say.message_of(CALL_ID, body) is say.message_of(CALL_ID, bytes(body))


@pytest.mark.parametrize("reason", sorted(say.ERRORS))
def test_errors_are_told_in_words(reason: str) -> None:
    """What went wrong is told with words and a slug."""
    assert told(say.error_of(reason)) == {
        "type": "error",
        "error": say.ERRORS[reason],
        "data": {"reason": reason},
    }


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ('{"type": "ping"}', True),
        ('{"type": "ping", "id": 1}', True),
        ('{"type": "pong"}', False),
        ("{}", False),
        ("[]", None),
        ("null", None),
        ('"ping"', None),
        ("ping", None),
        ("", None),
        ("[" * 4_000, None),
    ],
)
def test_what_clients_say(text: str, wants: bool | None) -> None:
    """A ping is answered, another object passed over, anything else is a mistake."""
    assert say.wants_pong(text) is wants


def test_pong_is_json() -> None:
    """The answer to a ping."""
    assert told(say.PONG) == {"type": "pong"}
