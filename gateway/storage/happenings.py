"""What happened in a call, as its stored events. PURE.

Keys are stored as a mask: which one was pressed is the caller's secret.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

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

KINDS: dict[type[Happening], str] = {
    AgentJoined: "agent_joined",
    TranscriptEntry: "transcript",
    ToolAsked: "tool_asked",
    ToolRun: "tool_run",
    Interrupted: "interrupted",
    AgentResponded: "agent_responded",
    StateChanged: "state",
    KeyPressed: "key",
    DtmfRuleRan: "dtmf_rule",
    StreamLost: "stream_lost",
    CallEnded: "call_ended",
}
"""The kind of event that each happening is stored as."""

MASKED_DIGIT = "*"


def event_of(happening: Happening) -> tuple[str, dict[str, Any]]:
    """Return the kind and the data under which a happening is stored."""
    data: dict[str, Any] = _plain(happening)
    if isinstance(happening, KeyPressed):
        data["digit"] = MASKED_DIGIT
    elif isinstance(happening, DtmfRuleRan):
        data["digits"] = masked(happening.digits)
    return KINDS[type(happening)], data


def masked(digits: str) -> str:
    """Return digits as they may be kept and shown: how many there are."""
    return MASKED_DIGIT * len(digits)


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it. Not by ``asdict``, which cannot copy read-only mappings."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): _plain(field) for name, field in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
