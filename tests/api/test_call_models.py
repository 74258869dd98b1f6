"""What calls are told as."""

import pytest

from gateway.api.call_models import connection_info, entries_told, recording_told
from gateway.storage.rows import Recording
from tests.tenants import NOW


def test_connection_is_described_as_the_contract_says() -> None:
    """Every name a client looks for is there."""
    info = connection_info("wss://gw/ws/calls/c")

    assert info == {
        "url": "wss://gw/ws/calls/c",
        "auth_method": "query_param",
        "auth_param": "api_key",
        "temp_auth_param": "session_token",
        "example": "wss://gw/ws/calls/c?api_key=YOUR_API_KEY",
        "example_session": "wss://gw/ws/calls/c?session_token=TEMP_TOKEN",
        "message_format": "json",
        "message_types": ["connected", "transcript_update", "call_status_update", "error"],
    }


def test_entries_of_both_origins_are_told_alike() -> None:
    """Ours with what was heard; the platform's, which knows less, with what it knows."""
    ours = {
        "index": 4,
        "role": "agent",
        "text": "one two",
        "final": True,
        "at_s": 1.5,
        "turn_id": "t",
        "heard_ms": 300,
        "heard_text": "one",
        "cut": True,
    }
    told = entries_told([ours, {"role": "caller", "text": "hm"}])

    assert told[0].model_dump() == {
        "index": 4,
        "role": "agent",
        "text": "one two",
        "final": True,
        "offset_s": 1.5,
        "heard_ms": 300,
        "heard_text": "one",
        "cut": True,
    }
    assert (told[1].index, told[1].role, told[1].text, told[1].final) == (1, "caller", "hm", True)
    assert (told[1].offset_s, told[1].heard_ms, told[1].cut) == (None, None, False)


@pytest.mark.parametrize(
    ("stored", "told"),
    [("ready", "available"), ("empty", "empty"), ("open", "processing"), ("waiting", "processing")],
)
def test_recording_says_whether_it_can_be_played(stored: str, told: str) -> None:
    """What is not made yet is being made, whatever it waits for."""
    row = Recording(
        call_id="c",
        organization_id="o",
        state=stored,
        location=None,
        size_bytes=0,
        duration_ms=1_500,
        truncated="full",
        created_at=NOW,
        finished_at=None,
        expires_at=None,
    )

    assert recording_told(row) == {"state": told, "duration_ms": 1_500, "truncated": "full"}


def test_call_without_a_recording_says_so() -> None:
    """There is no row of what was never recorded."""
    assert recording_told(None) == {"state": "none", "duration_ms": 0, "truncated": None}
