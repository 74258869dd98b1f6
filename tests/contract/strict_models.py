"""What Vatel's contract says of every answer and message, as strict as its published SDKs and a little more.

Required fields are required, words that the contract lists are those and no others, times are RFC 3339, ids
are UUIDs, and a field that the contract does not know is an error everywhere.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Id = Annotated[UUID, Field(strict=False)]
When = Annotated[datetime, Field(strict=False)]


class Strict(BaseModel):
    """Knows its fields, and takes no type for another."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Organization(Strict):
    """GET /v1/organization."""

    id: Id
    name: str
    created_at: When


class Llms(Strict):
    """GET /v1/llms."""

    llms: list[Annotated[str, Field(pattern="^[^/]+/[^/]+$")]]


Provider = Literal["elevenlabs", "openai", "cartesia", "hume", "minimax", "fish"]


class Voice(Strict):
    """A voice of the catalogue."""

    id: str
    name: str
    provider: Provider
    languages: list[str]
    description: str | None = None
    preview_url: str | None = None
    featured: bool = False


class Voices(Strict):
    """GET /v1/voices."""

    voices: list[Voice]


class VoiceSettings(Strict):
    """An agent's voice."""

    id: str | None = None
    provider: Provider | None = None
    speed: float | None = None
    stability: float | None = None
    similarity_boost: float | None = None
    volume: float | None = None


class VadSettings(Strict):
    """An agent's patience."""

    start_secs: float | None = None
    stop_secs: float | None = None
    silence_timeout_secs: float | None = None


class NoiseCancelSettings(Strict):
    """An agent's filter."""

    enabled: bool | None = None
    level: float | None = None


TimeoutAction = Literal["end_call", "transfer_call"]


class TimeoutSettings(Strict):
    """An agent's limits."""

    default_timeout: float | None = None
    timeout_action: TimeoutAction | None = None
    transfer_number: str | None = None
    transfer_message: str | None = None
    silence_counter: int | None = None
    silence_timeout_action: TimeoutAction | None = None
    silence_transfer_number: str | None = None


class Agent(Strict):
    """An agent; the contract requires nothing of it, a complete stand-in shows all."""

    id: Id
    phone_number_id: str
    name: str
    llm: str
    fallback_llm: str
    status: Literal["active", "inactive"]
    prompt: str
    first_message: str
    first_message_interruption_time: float
    default_language: str
    summarize_calls: bool
    created_at: When
    updated_at: When
    noise_cancel_settings: NoiseCancelSettings
    vad_settings: VadSettings
    enable_first_message_outbound: bool
    voice_settings: VoiceSettings
    timeout_settings: TimeoutSettings
    keyterms: list[str]


class GraphVersion(Strict):
    """A version of an agent."""

    id: Id
    agent_id: Id
    created_at: When
    published_at: When | None
    tag: str


class GraphVersionDetail(Strict):
    """A version and its nodes."""

    version: GraphVersion
    nodes: list[dict[str, Any]]


class Dialled(Strict):
    """POST /v1/agents/{id}/dial."""

    success: Literal[True]


class ContextVariable(Strict):
    """A variable of a call."""

    name: str
    type: Literal["system", "input", "extracted"]
    value: Any
    dataType: Literal["string", "number", "boolean", "object", "array"]
    description: str | None = None
    rationale: str | None = None


class TranscriptToolCall(Strict):
    """A tool call in a transcript."""

    itemId: str | None = None
    callId: str
    toolName: str
    arguments: str | None = None
    output: str | None = None
    startedAt: When | None = None
    endedAt: When | None = None


class TranscriptEntry(Strict):
    """A line of a transcript."""

    index: int
    role: Literal["user", "assistant", "system", ""]
    type: Literal["message", "tool_call", "tool_call_output", "interruption"]
    createdAt: When
    message: str | None = None
    toolCall: TranscriptToolCall | None = None
    toolCallOutput: str | None = None
    durationMs: int | None = None
    turnId: str | None = None


class Transcript(Strict):
    """What was said."""

    entries: list[TranscriptEntry]


class Feedback(Strict):
    """What the caller thought of it."""

    stars: int
    notes: str


class Call(Strict):
    """A call; what is absent is absent, never null."""

    id: Id
    agent_id: Id
    graph_version_id: Id = None  # type: ignore[assignment]
    organization_id: Id
    party_number: str
    status: Literal["connected", "started", "in_progress", "auth_failed", "ended"]
    source: Literal["twilio", "sip", "simulation", "api"]
    termination_reason: str = ""
    extracted_variables: list[ContextVariable]
    outbound: bool
    outbound_contact_id: Id = None  # type: ignore[assignment]
    outbound_list_run_id: Id = None  # type: ignore[assignment]
    created_at: When
    connected_at: When = None  # type: ignore[assignment]
    started_at: When = None  # type: ignore[assignment]
    ended_at: When = None  # type: ignore[assignment]
    summary: str = ""
    transcript: Transcript = None  # type: ignore[assignment]
    cost: float = 0.0
    tags: list[str]
    duration_seconds: int = 0
    feedback: Feedback = None  # type: ignore[assignment]


class Pagination(Strict):
    """Where a page stands."""

    page: int
    page_size: int
    total: int
    total_pages: int
    has_next: bool
    has_prev: bool


class CallPage(Strict):
    """GET /v1/calls."""

    calls: list[Call]
    pagination: Pagination


class TwilioNumber(Strict):
    """An imported number."""

    id: Id
    phone_number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
    phone_sid: Annotated[str, Field(pattern="^PN[0-9a-f]{32}$")]
    label: str
    account_sid: Annotated[str, Field(pattern="^AC[0-9a-fA-F]{32}$")]
    created_at: str
    updated_at: str


class Transform(Strict):
    """A rule on caller ids."""

    type: Literal["add_prefix", "add_suffix", "replace", "strip_digits_end", "strip_digits_start"]
    value: str = ""
    value2: str = ""
    number: int = 0


Registration = Literal["not_registered", "pending", "registered", "failed", "auth_failed"]


class SipTrunk(Strict):
    """A trunk; no password among its fields."""

    id: Id
    created_at: When
    pbx: Literal["3cx", "yeastar", "webex", "generic"]
    caller_id_transforms: list[Transform]
    inbound_host: str = ""
    inbound_auth_type: Literal["digest", "acl", "none"] = "none"
    inbound_sip_username: str = ""
    inbound_registration_status: Registration
    outbound_host: str = ""
    outbound_sip_username: str = ""
    register_: bool = Field(default=False, alias="register")
    outbound_registration_status: Registration
    remain_in_dialog: bool = False


class SipAssignment(Strict):
    """An agent's place on a trunk."""

    id: Id
    agent_id: Id
    sip_trunk_id: Id
    number: str = ""
    alternate_number: str = ""
    created_at: When


class SessionToken(Strict):
    """POST /v1/session-token."""

    token: Annotated[str, Field(pattern=r"^[\w-]+\.[\w-]+\.[\w-]+$")]
    room: str = ""
    identity: str = ""
    url: str = ""
    webrtc_token: str = ""


class Error(Strict):
    """The body of most refusals."""

    error: Annotated[str, Field(min_length=1)]


class Started(Strict):
    """Data of session_started."""

    id: Id


class Audio(Strict):
    """Data of response_audio."""

    turn_id: str
    audio: str
    is_final: bool


class Text(Strict):
    """Data of response_text."""

    turn_id: str
    text: str
    is_final: bool


class InputTranscript(Strict):
    """Data of input_audio_transcript."""

    transcript: str
    turn_id: str = ""
    is_final: bool


class SpeechStarted(Strict):
    """Data of speech_started."""

    emulated: bool


class Binding(Strict):
    """An argument of a tool call."""

    name: str
    type: str
    dataType: str
    description: str
    required: bool
    value: Any


class ToolCall(Strict):
    """Data of tool_call."""

    toolCallId: Annotated[str, Field(min_length=1)]
    toolName: Annotated[str, Field(min_length=1)]
    arguments: list[Binding]


class Nothing(Strict):
    """Data of the messages that carry none."""


MESSAGES: dict[str, type[Strict]] = {
    "session_started": Started,
    "response_audio": Audio,
    "response_text": Text,
    "input_audio_transcript": InputTranscript,
    "speech_started": SpeechStarted,
    "speech_stopped": Nothing,
    "interruption": Nothing,
    "session_ended": Nothing,
    "tool_call": ToolCall,
}
_EMPTY = ("speech_stopped", "interruption", "session_ended")


class _Envelope(Strict):
    type: str
    data: dict[str, Any] | None


def read_message(text: str) -> tuple[str, Strict]:
    """Read a message as the Python SDK of 0.4.1 does: null stands for nothing in three types only.

    Raises:
        ValueError: the contract knows no such message.
    """
    envelope = _Envelope.model_validate_json(text)
    data = {} if envelope.data is None and envelope.type in _EMPTY else envelope.data
    if envelope.type not in MESSAGES:
        raise ValueError(f"unknown type {envelope.type}")
    return envelope.type, MESSAGES[envelope.type].model_validate(data)


def read_answer(content: bytes, kind: Any) -> Any:
    """Read an answer's body as what the contract says it is."""
    return TypeAdapter(kind).validate_json(content)
