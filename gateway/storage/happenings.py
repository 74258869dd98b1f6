"""What happened in a call, as its stored events. PURE.

Keys are stored as a mask: which one was pressed is the caller's secret.
"""

from dataclasses import asdict
from typing import Any

from gateway.records import (
    AgentJoined,
    AgentResponded,
    CallEnded,
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
    StreamLost: "stream_lost",
    CallEnded: "call_ended",
}
"""The kind of event that each happening is stored as."""

MASKED_DIGIT = "*"


def event_of(happening: Happening) -> tuple[str, dict[str, Any]]:
    """Return the kind and the data under which a happening is stored."""
    data = asdict(happening)
    if isinstance(happening, KeyPressed):
        data["digit"] = MASKED_DIGIT
    return KINDS[type(happening)], data
