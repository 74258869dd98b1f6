"""What the API tells of one session while it runs and after: a Call, entry by entry.

PURE. Times are readings of the loop's clock; a calendar turns them into the API's.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.sandbox.documents import Document
from gateway.sandbox.stage import BYTES_PER_MS
from gateway.sandbox.stamps import Calendar
from gateway.vatel.messages import (
    Argument,
    InputTranscript,
    Interruption,
    ResponseAudio,
    ResponseText,
    ServerMessage,
    ToolCall,
)

Reason = Literal["ended_by_agent", "ended_by_user", "connection_lost", "server_stopped"]

_COST_PER_MINUTE = 0.08
_LONGEST_QUOTE = 160


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about.

    Attributes:
        summarize: the agent asks for a summary of its calls.
        variables: given by whoever asked for the session.
    """

    call_id: str
    organization_id: str
    agent_id: str
    agent_name: str
    version_id: str
    summarize: bool = False
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class CallSheet:
    """Keeps one Call up to date. Lives as long as its session.

    Args:
        keep: called with the whole document when there is news in it.
    """

    def __init__(
        self, subject: Subject, calendar: Calendar, now: float, keep: Callable[[Document], None]
    ) -> None:
        self._subject = subject
        self._calendar = calendar
        self._keep = keep
        self._began = now
        self._entries: list[dict[str, Any]] = []
        self._turn_ms: dict[str, float] = {}
        self._spoken: dict[str, dict[str, Any]] = {}
        self._tools: dict[str, dict[str, Any]] = {}
        self._document = _opened(subject, calendar.at(now), self._entries)
        self._kept()

    def _kept(self) -> None:
        self._keep(self._document)

    def started(self, now: float) -> None:
        """Take note that the session has started."""
        self._document |= {"status": "in_progress", "started_at": self._calendar.at(now)}
        self._began = now
        self._kept()

    def sent(self, message: ServerMessage, now: float) -> None:
        """Take note of what the agent did."""
        match message:
            case ResponseAudio(turn_id, audio):
                self._turn_ms[turn_id] = self._turn_ms.get(turn_id, 0.0) + len(audio) / BYTES_PER_MS
            case ResponseText(turn_id, text, True):
                self._spoken[turn_id] = self._add("message", now, "assistant", message=text, turnId=turn_id)
            case InputTranscript(text, caller_turn, True):
                turn = {} if caller_turn is None else {"turnId": caller_turn}
                self._add("message", now, "user", message=text, **turn)
            case Interruption():
                self._add("interruption", now)
            case ToolCall(tool_call_id, name, arguments):
                self._call_tool(tool_call_id, name, arguments, now)
            case _:
                pass

    def _call_tool(self, tool_call_id: str, name: str, arguments: tuple[Argument, ...], now: float) -> None:
        values = {argument.name: argument.value for argument in arguments}
        call = {
            "itemId": f"item-{len(self._entries)}",
            "callId": tool_call_id,
            "toolName": name,
            "arguments": json.dumps(values),
            "startedAt": self._calendar.at(now),
        }
        self._tools[tool_call_id] = call
        self._add("tool_call", now, toolCall=call)

    def answered(self, tool_call_id: str, output: str, now: float) -> None:
        """Take note of a tool's answer; a second one, and one nobody asked for, is none."""
        call = self._tools.get(tool_call_id)
        if call is None or "endedAt" in call:
            return
        call |= {"output": output, "endedAt": self._calendar.at(now)}
        whose = {"callId": tool_call_id, "toolName": call["toolName"]}
        self._add("tool_call_output", now, toolCall=whose, toolCallOutput=output)

    def extract(self, name: str, value: object, rationale: str) -> None:
        """Take note of a variable that the conversation brought to light."""
        variables: list[dict[str, Any]] = self._document["extracted_variables"]
        variables[:] = [known for known in variables if (known["name"], known["type"]) != (name, "extracted")]
        variables.append(
            {
                "name": name,
                "type": "extracted",
                "value": value,
                "dataType": _data_type(value),
                "rationale": rationale,
            }
        )
        self._kept()

    def tag(self, tag: str) -> None:
        """Put a tag on the call."""
        if tag not in self._document["tags"]:
            self._document["tags"].append(tag)
            self._kept()

    def ended(self, reason: Reason, now: float) -> None:
        """Close the call."""
        seconds = max(0.0, now - self._began)
        for turn_id, entry in self._spoken.items():
            entry["durationMs"] = round(self._turn_ms.get(turn_id, 0.0))
        self._document |= {
            "status": "ended",
            "termination_reason": reason,
            "ended_at": self._calendar.at(now),
            "duration_seconds": round(seconds),
            "cost": round(math.ceil(seconds / 60) * _COST_PER_MINUTE, 4),
        }
        if self._subject.summarize:
            self._document["summary"] = summary(self._subject.agent_name, self._entries, seconds)
        self._kept()

    def _add(self, kind: str, now: float, role: str = "", **more: Any) -> dict[str, Any]:
        entry = {
            "index": len(self._entries),
            "role": role,
            "type": kind,
            "createdAt": self._calendar.at(now),
            **more,
        }
        self._entries.append(entry)
        self._kept()
        return entry


def _opened(subject: Subject, at: str, entries: list[dict[str, Any]]) -> Document:
    return {
        "id": subject.call_id,
        "agent_id": subject.agent_id,
        "graph_version_id": subject.version_id,
        "organization_id": subject.organization_id,
        "party_number": "",
        "status": "connected",
        "source": "api",
        "outbound": False,
        "created_at": at,
        "connected_at": at,
        "extracted_variables": given(subject.variables),
        "transcript": {"entries": entries},
        "tags": [],
    }


def given(variables: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    """Return variables that came with the request, as a Call shows them."""
    return [{"name": key, "type": "input", "value": value, "dataType": "string"} for key, value in variables]


def _data_type(value: object) -> str:
    names = {bool: "boolean", str: "string", int: "number", float: "number", list: "array"}
    return names.get(type(value), "object")


def summary(agent_name: str, entries: list[dict[str, Any]], seconds: float) -> str:
    """Sum a call up, by counting: a sandbox understands nothing."""
    said = [entry["message"] for entry in entries if entry["role"] == "user"]
    tools = [entry["toolCall"]["toolName"] for entry in entries if entry["type"] == "tool_call"]
    parts = [f"A call of {seconds:.0f} s with {agent_name}, {len(said)} utterances of the caller."]
    if said:
        parts.append(f"It began with: {said[0][:_LONGEST_QUOTE]!r}.")
    if tools:
        parts.append(f"Tools called: {', '.join(tools)}.")
    return " ".join(parts)
