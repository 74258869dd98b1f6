"""What Vatel's REST API takes and gives, typed (vatel.md 1.2; components of vatel-openapi.json). PURE.

Reading is tolerant: unknown fields are ignored, nearly everything may be missing, sets of words the server
may extend (statuses, sources) are plain strings. Writing is sparing: a field left `UNSET` is not sent, so
that an update touches nothing else and an older deployment meets nothing it would refuse.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

Language = Literal["multi", "en", "es", "fr", "de", "it", "pt", "ru", "zh", "ja", "ko", "ar", "hi"]
AgentStatus = Literal["active", "inactive"]
Pbx = Literal["3cx", "yeastar", "webex", "generic"]
Transport = Literal["websocket", "webrtc"]
CallStatus = Literal["connected", "started", "in_progress", "auth_failed", "ended"]
CallSource = Literal["twilio", "sip", "simulation", "api"]
CallOutcome = Literal["transferred", "ended_by_agent", "ended_by_user"]


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """The organization the API key belongs to."""

    id: str | None = None
    name: str | None = None
    created_at: str | None = None


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """A voice an agent can have: ``id`` and ``provider`` go into its voice settings."""

    id: str
    name: str
    provider: str
    languages: tuple[str, ...] = ()
    description: str | None = None
    preview_url: str | None = None
    featured: bool = False


class VoiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which voice, and how it speaks; non-zero tuning values are 0 to 2."""

    id: str | UnsetType = UNSET
    provider: str | UnsetType = UNSET
    speed: float | UnsetType = UNSET
    stability: float | UnsetType = UNSET
    similarity_boost: float | UnsetType = UNSET
    volume: float | UnsetType = UNSET


class VadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When speech starts and stops, in seconds."""

    start_secs: float | UnsetType = UNSET
    stop_secs: float | UnsetType = UNSET
    silence_timeout_secs: float | UnsetType = UNSET


class NoiseCancelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Noise suppression; ``level`` is 0 to 100 percent."""

    enabled: bool | UnsetType = UNSET
    level: float | UnsetType = UNSET


class TimeoutSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What happens when a call lasts too long (``default_timeout`` seconds) or falls silent."""

    default_timeout: float | UnsetType = UNSET
    timeout_action: str | UnsetType = UNSET
    transfer_number: str | UnsetType = UNSET
    transfer_message: str | UnsetType = UNSET
    silence_counter: int | UnsetType = UNSET
    silence_timeout_action: str | UnsetType = UNSET
    silence_transfer_number: str | UnsetType = UNSET
    silence_transfer_message: str | UnsetType = UNSET


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """A voice agent as stored. ``phone_number_id`` is empty while it has no number."""

    id: str | None = None
    phone_number_id: str | None = None
    name: str | None = None
    llm: str | None = None
    fallback_llm: str | None = None
    status: str | None = None
    prompt: str | None = None
    first_message: str | None = None
    first_message_interruption_time: float | None = None
    default_language: str | None = None
    summarize_calls: bool | None = None
    created_at: str | None = None
    updated_at: str | None = None
    noise_cancel_settings: NoiseCancelSettings | None = None
    vad_settings: VadSettings | None = None
    enable_first_message_outbound: bool | None = None
    voice_settings: VoiceSettings | None = None
    timeout_settings: TimeoutSettings | None = None
    keyterms: tuple[str, ...] = ()


class AgentChange(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of an agent to create or to change.

    ``phone_number_id`` None takes its number away; ``keyterms`` replaces the list; ``vad_settings`` merges.
    """

    phone_number_id: str | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    llm: str | UnsetType = UNSET
    fallback_llm: str | UnsetType = UNSET
    status: AgentStatus | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    first_message: str | UnsetType = UNSET
    first_message_interruption_time: float | UnsetType = UNSET
    default_language: Language | UnsetType = UNSET
    summarize_calls: bool | UnsetType = UNSET
    noise_cancel_settings: NoiseCancelSettings | UnsetType = UNSET
    vad_settings: VadSettings | UnsetType = UNSET
    enable_first_message_outbound: bool | UnsetType = UNSET
    timeout_settings: TimeoutSettings | UnsetType = UNSET
    keyterms: tuple[str, ...] | UnsetType = UNSET
    voice_settings: VoiceSettings | UnsetType = UNSET


class GraphVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A state of an agent's conversation graph; ``published_at`` is None while it is a draft."""

    id: str | None = None
    agent_id: str | None = None
    created_at: str | None = None
    published_at: str | None = None
    tag: str | None = None


class GraphVersionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A version and its nodes, whose shape Vatel leaves open."""

    version: GraphVersion
    nodes: tuple[dict[str, object], ...] = ()


class ContextVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of a call: given, of the system, or extracted from what was said."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    value: object = None
    data_type: str | None = msgspec.field(default=None, name="dataType")
    rationale: str | None = None


class TranscriptToolCall(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tool call in a transcript; ``arguments`` is a JSON text."""

    item_id: str | None = None
    call_id: str | None = None
    tool_name: str | None = None
    arguments: str | None = None
    output: str | None = None
    started_at: str | None = None
    ended_at: str | None = None


class TranscriptEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A line of a transcript; ``role`` may be empty for tools and interruptions."""

    index: int | None = None
    role: str | None = None
    message: str | None = None
    type: str | None = None
    tool_call: TranscriptToolCall | None = None
    tool_call_output: str | None = None
    created_at: str | None = None
    duration_ms: float | None = None
    turn_id: str | None = None


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """What was said, in order."""

    entries: tuple[TranscriptEntry, ...] = ()


class CallFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller thought of it."""

    stars: int
    notes: str


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call as stored; times are RFC 3339 texts."""

    id: str | None = None
    agent_id: str | None = None
    graph_version_id: str | None = None
    organization_id: str | None = None
    party_number: str | None = None
    status: str | None = None
    source: str | None = None
    termination_reason: str | None = None
    extracted_variables: tuple[ContextVariable, ...] = ()
    outbound: bool | None = None
    outbound_contact_id: str | None = None
    outbound_list_run_id: str | None = None
    created_at: str | None = None
    connected_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    summary: str | None = None
    transcript: Transcript | None = None
    cost: float | None = None
    tags: tuple[str, ...] = ()
    duration_seconds: float | None = None
    feedback: CallFeedback | None = None


class Pagination(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page of calls stands."""

    page: int
    page_size: int
    total: int
    total_pages: int
    has_next: bool
    has_prev: bool


class CallPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of calls, newest first as far as is known."""

    calls: tuple[Call, ...] = ()
    pagination: Pagination


class CallQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls to list; dates are RFC 3339 texts on ``created_at``, ``search`` is a part of a number."""

    page: int | None = None
    page_size: int | None = None
    agent_ids: tuple[str, ...] = ()
    status: CallStatus | None = None
    source: CallSource | None = None
    date_from: str | None = None
    date_to: str | None = None
    outbound: bool | None = None
    search: str | None = None
    tag: str | None = None
    outcome: CallOutcome | None = None
    organization_id: str | None = None

    def parameters(self) -> dict[str, str]:
        """Return the query parameters of what is set."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        fields["agent_ids"] = ",".join(self.agent_ids) or None
        if self.outbound is not None:
            fields["outbound"] = "true" if self.outbound else "false"
        return {name: str(value) for name, value in fields.items() if value is not None}


class TwilioNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A Twilio number imported into Vatel."""

    id: str | None = None
    phone_number: str | None = None
    phone_sid: str | None = None
    label: str | None = None
    account_sid: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class CallerIdTransform(msgspec.Struct, frozen=True, kw_only=True):
    """A step that rewrites a caller id; applied in order."""

    type: str
    value: str | UnsetType = UNSET
    value2: str | UnsetType = UNSET
    number: int | UnsetType = UNSET


class SipTrunk(msgspec.Struct, frozen=True, kw_only=True):
    """A SIP trunk as stored; passwords never come back."""

    id: str | None = None
    created_at: str | None = None
    pbx: str | None = None
    caller_id_transforms: tuple[CallerIdTransform, ...] = ()
    inbound_host: str | None = None
    inbound_auth_type: str | None = None
    inbound_sip_username: str | None = None
    inbound_registration_status: str | None = None
    outbound_host: str | None = None
    outbound_sip_username: str | None = None
    outbound_registration_status: str | None = None
    register: bool | None = None
    remain_in_dialog: bool | None = None


class SipTrunkChange(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of a SIP trunk to create or to change; None clears. A new trunk needs ``pbx``."""

    pbx: Pbx | UnsetType = UNSET
    caller_id_transforms: tuple[CallerIdTransform, ...] | UnsetType | None = UNSET
    inbound_host: str | UnsetType | None = UNSET
    inbound_auth_type: Literal["digest", "acl", "none"] | UnsetType | None = UNSET
    inbound_sip_username: str | UnsetType | None = UNSET
    inbound_sip_password: str | UnsetType | None = UNSET
    outbound_host: str | UnsetType | None = UNSET
    outbound_sip_username: str | UnsetType | None = UNSET
    outbound_sip_password: str | UnsetType | None = UNSET
    register: bool | UnsetType | None = UNSET
    remain_in_dialog: bool | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return f"SipTrunkChange(pbx={self.pbx!r}, ...)"


class SipAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """An agent on a trunk: ``number`` routes under digest auth, ``alternate_number`` under ACL."""

    id: str | None = None
    agent_id: str | None = None
    sip_trunk_id: str | None = None
    number: str | None = None
    alternate_number: str | None = None
    created_at: str | None = None


class SessionToken(msgspec.Struct, frozen=True, kw_only=True):
    """A short-lived token for one connection; ``room``, ``identity`` and ``url`` come with WebRTC only."""

    token: str
    room: str | None = None
    identity: str | None = None
    url: str | None = None
    webrtc_token: str | None = None

    @property
    def media_token(self) -> str:
        """The token for the WebRTC room: before 2026-04-24 it came as ``token``."""
        return self.webrtc_token or self.token

    def __repr__(self) -> str:
        return f"SessionToken(room={self.room!r}, ...)"
