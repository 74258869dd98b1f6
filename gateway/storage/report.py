"""A call's report, made from its row and its events. PURE.

Talk times come from the call's counters where the audio was measured; else the agent's are the sum of what
was heard of its turns, and the caller's are unknown.
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.storage.rows import Call, CallEvent
from gateway.storage.transcript import transcript_of

_MEASURED = {
    "caller_talk_ms": "caller_talk_ms",
    "agent_talk_ms": "agent_talk_ms",
    "talk_over_ms": "talk_over_ms",
}


def report_of(
    call: Call, events: Iterable[CallEvent], platform: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the report of a call.

    Args:
        events: all of the call's, in order.
        platform: what the agent platform's record of the call says, once it was fetched.
    """
    told = list(events)
    entries = transcript_of(told)
    return {
        "call_id": call.id,
        "outcome": call.result,
        "reason": call.reason,
        "detail": call.detail,
        "answered_by": call.answered_by,
        "duration_s": duration_s(call),
        "turns": _turns(entries),
        "talk": _talk(call, entries),
        "response_latency": _latency(told),
        "interruptions": sum(event.kind == "interrupted" for event in told),
        "tools": _tools(told),
        "keys_pressed": sum(event.kind == "key" for event in told),
        "audio": dict(call.counters),
        "summary": (platform or {}).get("summary"),
        "extracted_data": (platform or {}).get("extracted_data", {}),
    }


def report_excerpt(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event webhook tells of a report."""
    return {name: report[name] for name in ("outcome", "reason", "detail", "duration_s", "turns", "summary")}


def duration_s(call: Call) -> float | None:
    """Return how long a call lasted, from its answer; None while it goes on or when nobody answered."""
    if call.ended_at is None or call.answered_at is None:
        return None
    return max(0.0, round((call.ended_at - call.answered_at).total_seconds(), 3))


def _turns(entries: list[dict[str, Any]]) -> dict[str, int]:
    return {role: sum(entry["role"] == role for entry in entries) for role in ("caller", "agent")}


def _talk(call: Call, entries: list[dict[str, Any]]) -> dict[str, int | None]:
    heard = [entry.get("heard_ms") for entry in entries if entry["role"] == "agent"]
    known = [amount for amount in heard if amount is not None]
    talk: dict[str, int | None] = {
        name: None if call.counters.get(counter) is None else int(call.counters[counter])
        for name, counter in _MEASURED.items()
    }
    if talk["agent_talk_ms"] is None and known:
        talk["agent_talk_ms"] = sum(known)
    return talk


def _latency(events: list[CallEvent]) -> dict[str, Any]:
    """Tell how long callers waited for the agent, from the end of their turn to its first audio."""
    waits = sorted(
        float(event.data["latency_ms"])
        for event in events
        if event.kind == "agent_responded" and event.data.get("latency_ms") is not None
    )
    if not waits:
        return {"turns": 0, "median_ms": None, "p95_ms": None}
    p95 = waits[max(0, math.ceil(0.95 * len(waits)) - 1)]
    return {"turns": len(waits), "median_ms": round(statistics.median(waits)), "p95_ms": round(p95)}


def _tools(events: list[CallEvent]) -> dict[str, Any]:
    runs = [event.data for event in events if event.kind == "tool_run"]
    latencies = [float(run["latency_ms"]) for run in runs]
    return {
        "count": len(runs),
        "failures": sum(run["status"] != "ok" for run in runs),
        "median_latency_ms": round(statistics.median(latencies)) if latencies else None,
        "max_latency_ms": round(max(latencies)) if latencies else None,
    }
