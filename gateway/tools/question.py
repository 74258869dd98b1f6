"""A tool call on its way through the house: what was asked, and what came of it. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.records import CallInfo


@dataclass(frozen=True, slots=True)
class Question:
    """The agent's tool call.

    Attributes:
        tool_call_id: the agent platform's id; unique within one session, not within the call.
        arguments: name → value, as the agent resolved them.
    """

    tool_call_id: str
    tool: str
    arguments: Mapping[str, object] = field(repr=False)
    call: CallInfo = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool came to.

    Attributes:
        output: the text the agent gets; a failure is told in it as well.
        kept: the same as the record keeps it: sensitive values masked.
        failure: a short slug, or empty when the tool answered well.
        attempts: requests sent, or tried.
        http_status: of the last answer; 0 without one.
        replayed: an earlier success of the same call, given once more.
    """

    output: str = field(repr=False)
    kept: str = field(default="", repr=False)
    failure: str = ""
    attempts: int = 0
    http_status: int = 0
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ComfortPlan:
    """What the caller hears while a tool takes its time.

    Attributes:
        filler_s: from the question to the filler; 0 for none.
        filler: µ-law at 8 kHz.
        hold_s: from the question to the hold tone; 0 for none.
    """

    filler_s: float = 0.0
    filler: bytes = field(default=b"", repr=False)
    hold_s: float = 0.0


def call_facts(call: CallInfo) -> dict[str, object]:
    """Return what endpoints and templates are told of a call."""
    return {
        "id": call.call_id,
        "from": call.caller_number,
        "to": call.called_number,
        "direction": call.direction,
        "agent": call.agent_id,
        "context": dict(call.context),
    }
