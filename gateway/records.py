"""What the gateway remembers of a call: frozen values that logs, the journal and the API all read.

Times are seconds since the call's media stream started unless a name says otherwise; amounts of audio are
milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Role = Literal["caller", "agent"]
DtmfAction = Literal["hangup", "transfer", "webhook", "ignore"]
INTER_DIGIT_TIMEOUT_MS = 2_000
"""How long a digit of a DTMF rule may take after the one before, where the rule does not say."""


class Result(StrEnum):
    """Whether the call did what a call is for."""

    COMPLETED = "completed"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a call ended. The set is closed: metrics and API contracts are built on it."""

    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_ENDED = "agent_ended"
    OPERATOR_ENDED = "operator_ended"
    TRANSFERRED = "transferred"
    TIME_LIMIT = "time_limit"
    SHUTDOWN = "shutdown"
    AGENT_UNREACHABLE = "agent_unreachable"
    AGENT_LOST = "agent_lost"
    AGENT_SILENT = "agent_silent"
    CALLER_LOST = "caller_lost"
    CALLER_SILENT = "caller_silent"
    CALLER_PROTOCOL = "caller_protocol"
    NOT_PLACED = "not_placed"
    NOT_ANSWERED = "not_answered"
    MACHINE_ANSWERED = "machine_answered"
    NODE_LOST = "node_lost"
    INTERNAL_ERROR = "internal_error"


OUTLIVED = frozenset({Reason.CALLER_LOST, Reason.CALLER_SILENT, Reason.CALLER_PROTOCOL, Reason.TRANSFERRED})
"""Endings of a media stream that the phone call behind it may outlive: it may get a fresh stream."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended: the one value that logs, metrics, API and webhooks read.

    Attributes:
        result: whether the call did what a call is for.
        reason: who or what ended it.
        detail: a short slug that narrows the reason (``unauthorized``, ``close_1011``), or empty.
    """

    result: Result
    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.result}/{self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Opening:
    """How the agent is to begin this call; None leaves it as the agent platform has it.

    Attributes:
        variables: name and value pairs that the session is given.
    """

    vatel_version_id: str | None = None
    prompt: str | None = field(default=None, repr=False)
    first_message: str | None = field(default=None, repr=False)
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class DtmfRule:
    """What happens when the caller has dialled certain digits.

    Attributes:
        inter_digit_timeout_s: how long each digit may take after the one before.
        number: who gets the caller by ``transfer``; empty otherwise.
        url: who is told of the digits by ``webhook``; empty otherwise.
    """

    action: DtmfAction
    inter_digit_timeout_s: float
    number: str = field(default="", repr=False)
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CallInfo:
    """Who talks to whom. Made from the signed voice webhook, before any audio flows.

    Attributes:
        call_id: of the call's row: a UUID in lower case, with dashes.
        agent_id: the agent platform's agent, who talks.
        direction: as the phone sees it: outbound is a call that we placed.
        context: what the operator gave the call to know, by name; empty for a call that rang here.
        organization_id: whose call it is.
        gateway_agent_id: this gateway's agent; empty when none is behind the call.
        record: whether its audio is kept.
        opening: how the agent is to begin.
        dtmf_rules: what happens when the caller has dialled certain digits, by these.
    """

    call_id: str
    call_sid: str
    account_sid: str
    caller_number: str
    called_number: str
    agent_id: str
    direction: Literal["inbound", "outbound"] = "inbound"
    context: Mapping[str, object] = field(default_factory=dict, repr=False)
    organization_id: str = ""
    gateway_agent_id: str = ""
    record: bool = False
    opening: Opening = field(default_factory=Opening)
    dtmf_rules: Mapping[str, DtmfRule] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class TranscriptEntry:
    """One thing said. An entry with the index of an earlier one replaces it.

    Attributes:
        index: place in the conversation, from 0.
        role: whose words.
        text: the words; the whole turn, never a delta.
        final: False while the words may still change.
        at_s: when the entry began.
        turn_id: the agent platform's id of the turn, behind ``2/`` when the second session of the call spoke
            it; empty when it gave none.
        heard_ms: how much of an agent turn's audio the caller heard; None until known, and for the caller.
        total_ms: how much audio the agent sent for the turn; None likewise.
        cut: True when the caller interrupted the turn before its end.
        heard_text: the words the caller can have heard of a cut turn (by share of the audio, whole words).
    """

    index: int
    role: Role
    text: str
    final: bool
    at_s: float
    turn_id: str = ""
    heard_ms: int | None = None
    total_ms: int | None = None
    cut: bool = False
    heard_text: str | None = None


@dataclass(frozen=True, slots=True)
class AgentJoined:
    """The agent platform's session began; ``session_id`` is its name for it (and for its call record)."""

    at_s: float
    session_id: str


@dataclass(frozen=True, slots=True)
class ToolAsked:
    """The agent asked for a tool.

    Attributes:
        arguments: name → value, sensitive ones masked.
    """

    tool_call_id: str
    name: str
    arguments: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One tool call of the agent and what became of it; there is one for each :class:`ToolAsked`.

    Attributes:
        status: ``ok``; ``error`` (the tool failed, the agent was told so); ``undeliverable`` (the session
            that asked was gone before the answer was there, or the call was).
        latency_ms: from the agent's question to our answer.
        output: what the agent got, or would have got, sensitive values masked.
        detail: a short slug of the failure, or empty.
        arguments: as they were asked for.
        attempts: requests sent to the tool's endpoint, or tried.
        http_status: of its last answer; 0 without one.
        output_bytes: the length of what the agent got, in UTF-8.
        replayed: an earlier success of the same call was given once more.
    """

    tool_call_id: str
    name: str
    status: Literal["ok", "error", "undeliverable"]
    latency_ms: int
    output: str = field(repr=False)
    detail: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict, repr=False)
    attempts: int = 0
    http_status: int = 0
    output_bytes: int = 0
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The caller talked over the agent and the agent's audio was cleared.

    Attributes:
        dropped_ms: agent audio that the caller will not hear.
    """

    at_s: float
    dropped_ms: int


@dataclass(frozen=True, slots=True)
class AgentResponded:
    """The first audio of the agent after something the caller said went out.

    Attributes:
        latency_ms: from the end of what the caller said to that audio.
    """

    at_s: float
    latency_ms: int


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The call machine took an arrow to another state."""

    at_s: float
    state: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed a key, and no rule took it. The digit is the caller's secret: it is never logged."""

    at_s: float
    digit: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DtmfRuleRan:
    """The caller dialled digits that the agent has a rule for, and what became of that.

    The keys themselves are told by this alone.

    Attributes:
        digits: the caller's secret, as in :class:`KeyPressed`.
        status: ``ok``; ``error`` (the call was not put through, or ended first).
        detail: a short slug of the failure, or empty.
    """

    at_s: float
    digits: str = field(repr=False)
    action: DtmfAction
    status: Literal["ok", "error"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StreamLost:
    """The call's media stream is gone: it broke, or the caller was put through to somebody else.

    Another may take its place, else the call ends with this ending.

    Attributes:
        counters: of this stream.
    """

    at_s: float
    ending: Ending
    counters: dict[str, int | float]


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over; said once.

    Attributes:
        at_s: when the last stream that ran ended, counted from its start.
        ending: of that stream.
        counters: of that stream, and as ``streams`` the number it had within the call.
    """

    at_s: float
    ending: Ending
    counters: dict[str, int | float]


Happening = (
    AgentJoined
    | TranscriptEntry
    | ToolAsked
    | ToolRun
    | Interrupted
    | AgentResponded
    | StateChanged
    | KeyPressed
    | DtmfRuleRan
    | StreamLost
    | CallEnded
)
