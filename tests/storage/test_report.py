"""Reports from a call and its events."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.storage.queries import values_of
from gateway.storage.report import duration_s, report_excerpt, report_of
from gateway.storage.rows import Call, CallEvent, read
from tests.tenants import after, event, new_call, said


def call(**changes: Any) -> Call:
    """Return a call that was answered and ended after a minute."""
    empty = dict.fromkeys(Call.__dataclass_fields__)
    ended = {
        "status": "completed",
        "result": "completed",
        "reason": "caller_hung_up",
        "detail": "",
        "counters": {"frames": 3000},
        "answered_at": after(2),
        "ended_at": after(62),
    }
    return read(Call, empty | values_of(new_call("o", id="c")) | ended | changes)


def test_report_of_a_whole_call() -> None:
    """Every figure is there, by name."""
    events = [
        said("c", 1, 0, "caller", "hello"),
        event("c", 2, "agent_responded", latency_ms=900),
        said("c", 3, 1, "agent", "good day", heard_ms=1500),
        event("c", 4, "tool_run", status="ok", latency_ms=100),
        event("c", 5, "tool_run", status="error", latency_ms=300),
        event("c", 6, "interrupted", at_s=9.0, dropped_ms=800),
        said("c", 7, 2, "caller", "wait"),
        event("c", 8, "agent_responded", latency_ms=500),
        said("c", 9, 3, "agent", "yes", heard_ms=500),
        event("c", 10, "key", digit="*"),
    ]
    report = report_of(call(), events, {"summary": "a talk", "extracted_data": {"day": "monday"}})

    assert report == {
        "call_id": "c",
        "outcome": "completed",
        "reason": "caller_hung_up",
        "detail": "",
        "answered_by": None,
        "duration_s": 60.0,
        "turns": {"caller": 2, "agent": 2},
        "talk": {"caller_talk_ms": None, "agent_talk_ms": 2000, "talk_over_ms": None},
        "response_latency": {"turns": 2, "median_ms": 700, "p95_ms": 900},
        "interruptions": 1,
        "tools": {"count": 2, "failures": 1, "median_latency_ms": 200, "max_latency_ms": 300},
        "keys_pressed": 1,
        "audio": {"frames": 3000},
        "summary": "a talk",
        "extracted_data": {"day": "monday"},
    }


def test_report_of_a_call_in_which_nothing_happened() -> None:
    """What is unknown is None, what did not happen is nought."""
    report = report_of(call(answered_at=None, counters={}), [])

    assert report["duration_s"] is None
    assert report["turns"] == {"caller": 0, "agent": 0}
    assert report["talk"] == {"caller_talk_ms": None, "agent_talk_ms": None, "talk_over_ms": None}
    assert report["response_latency"] == {"turns": 0, "median_ms": None, "p95_ms": None}
    assert report["tools"] == {
        "count": 0,
        "failures": 0,
        "median_latency_ms": None,
        "max_latency_ms": None,
    }
    assert (report["summary"], report["extracted_data"]) == (None, {})


def test_measured_talk_times_win() -> None:
    """Where the audio was measured, the counters say who talked for how long."""
    counters = {"caller_talk_ms": 4000, "agent_talk_ms": 5000.4, "talk_over_ms": 0}
    events = [said("c", 1, 0, "agent", "hi", heard_ms=10)]

    assert report_of(call(counters=counters), events)["talk"] == {
        "caller_talk_ms": 4000,
        "agent_talk_ms": 5000,
        "talk_over_ms": 0,
    }


@pytest.mark.parametrize(
    ("waits", "median", "p95"),
    [([5], 5, 5), ([1, 3], 2, 3), (list(range(1, 101)), 50, 95), (list(range(1, 21)), 10, 19)],
)
def test_latency_is_told_by_median_and_95th_percentile(waits: list[int], median: int, p95: int) -> None:
    """The percentile is a wait that was measured (nearest rank); a response without a wait is none."""
    events: list[CallEvent] = [
        event("c", n, "agent_responded", latency_ms=wait) for n, wait in enumerate([*waits[::-1]])
    ]
    events.append(event("c", 999, "agent_responded", latency_ms=None))

    assert report_of(call(), events)["response_latency"] == {
        "turns": len(waits),
        "median_ms": median,
        "p95_ms": p95,
    }


def test_duration_is_never_negative() -> None:
    """A wall clock that was set back in between makes it nought."""
    assert duration_s(call(ended_at=after(1))) == 0.0
    assert duration_s(replace(call(), ended_at=None)) is None


def test_excerpt_is_a_part_of_the_report() -> None:
    """A webhook tells how it ended, how long it was and who said how much."""
    report = report_of(call(), [])

    assert report_excerpt(report).items() <= report.items()
    assert set(report_excerpt(report)) == {"outcome", "reason", "detail", "duration_s", "turns", "summary"}
