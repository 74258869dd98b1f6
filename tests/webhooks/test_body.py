"""What an event webhook says, and how it is made to fit."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks.body import LIMIT_BYTES, encode


def event(entries: list[Any] | None = None, report: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an event as the outbox holds it."""
    return {
        "event_type": "call_completed",
        "task_id": "t",
        "call_id": "c",
        "status": "completed",
        "data": {"transcript_excerpt": entries or [], "report_excerpt": report or {}},
    }


def test_small_event_is_sent_as_it_is() -> None:
    """The contract's fields, in their order, without white space, in UTF-8."""
    body = encode(event([{"role": "caller", "text": "Grüß Gott"}], {"turns": 2}))

    assert body.decode() == (
        '{"event_type":"call_completed","task_id":"t","call_id":"c","status":"completed",'
        '"data":{"transcript_excerpt":[{"role":"caller","text":"Grüß Gott"}],'
        '"report_excerpt":{"turns":2}}}'
    )


def test_long_transcript_loses_its_oldest_entries() -> None:
    """What does not fit goes from the front, the rest stays whole, and it is said."""
    entries = [{"role": "agent", "text": f"{number} " + "ä" * 300} for number in range(100)]

    body = encode(event(entries, {"turns": 100}))

    said = json.loads(body)["data"]
    assert LIMIT_BYTES - 700 < len(body) < LIMIT_BYTES
    assert said["transcript_excerpt"] == entries[-len(said["transcript_excerpt"]) :]
    assert said["report_excerpt"] == {"turns": 100}
    assert said["truncated"] is True


@pytest.mark.parametrize("entries", [[], [{"text": "x" * 30_000}], [{"text": "short"}]])
def test_long_report_goes_when_it_alone_is_too_much(entries: list[Any]) -> None:
    """A report that leaves no room is left out, and the transcript's latest entries take its place."""
    body = encode(event(entries, {"summary": "x" * 30_000}))

    said = json.loads(body)["data"]
    assert said["report_excerpt"] == {}
    assert said["transcript_excerpt"] == (entries if entries == [{"text": "short"}] else [])
    assert said["truncated"] is True
    assert len(body) < LIMIT_BYTES


def test_event_without_data_is_sent_as_it_is() -> None:
    """An event that tells nothing but its name is no fault."""
    assert encode({"event_type": "x"}) == b'{"event_type":"x"}'


@given(
    st.lists(st.text(max_size=3_000), max_size=30),
    st.dictionaries(st.text(max_size=10), st.text(max_size=5_000), max_size=8),
)
def test_every_body_is_json_of_less_than_20_kb_and_the_same_each_time(
    texts: list[str], report: dict[str, str]
) -> None:
    """Whatever was said, the body fits, reads as JSON, and does not change from try to try."""
    whole = event([{"role": "caller", "text": text} for text in texts], report)

    body = encode(whole)

    assert len(body) < LIMIT_BYTES
    assert json.loads(body)["call_id"] == "c"
    assert encode(whole) == body
