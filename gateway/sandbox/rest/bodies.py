"""What the API's operations take, as strict as the contract (components of vatel-openapi.json).

PURE. A body that names a field of the contract must give it the contract's type; other fields are ignored,
but for the session token's, which refuses them. What the contract says in prose only is in :func:`faults`.
"""

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

T = TypeVar("T")

LLMS = (
    "anthropic/claude-haiku-4-5",
    "anthropic/claude-sonnet-4-5",
    "google/gemini-2.5-flash",
    "openai/gpt-4.1",
    "openai/gpt-4.1-mini",
)
LANGUAGES = ("multi", "en", "es", "fr", "de", "it", "pt", "ru", "zh", "ja", "ko", "ar", "hi")
VOICES: tuple[dict[str, Any], ...] = (
    {
        "id": "sandbox-ada",
        "name": "Ada",
        "description": "Calm and clear; what the sandbox speaks with.",
        "provider": "elevenlabs",
        "languages": ["en"],
        "preview_url": None,
        "featured": True,
    },
    {"id": "sandbox-basil", "name": "Basil", "provider": "cartesia", "languages": ["en", "fr"]},
    {"id": "sandbox-cleo", "name": "Cleo", "provider": "openai", "languages": list(LANGUAGES[1:])},
)
"""The catalogue; an agent's voice must be one of it, by id and provider."""

Provider = Literal["elevenlabs", "openai", "cartesia", "hume", "minimax", "fish"]
Status = Literal["active", "inactive"]
Pbx = Literal["3cx", "yeastar", "webex", "generic"]
InboundAuth = Literal["digest", "acl", "none"]
TimeoutAction = Literal["end_call", "transfer_call"]
TransformType = Literal["add_prefix", "add_suffix", "replace", "strip_digits_end", "strip_digits_start"]
_NOT_EMPTY = Annotated[str, msgspec.Meta(min_length=1)]


class VoiceSettings(msgspec.Struct, omit_defaults=True):
    """Which voice, and how it speaks."""

    id: str | UnsetType = UNSET
    provider: Provider | UnsetType = UNSET
    speed: float | UnsetType = UNSET
    stability: float | UnsetType = UNSET
    similarity_boost: float | UnsetType = UNSET
    volume: float | UnsetType = UNSET


class VadSettings(msgspec.Struct):
    """When speech starts and stops, in seconds."""

    start_secs: float | UnsetType = UNSET
    stop_secs: float | UnsetType = UNSET
    silence_timeout_secs: float | UnsetType = UNSET


class NoiseCancelSettings(msgspec.Struct):
    """Noise suppression."""

    enabled: bool | UnsetType = UNSET
    level: float | UnsetType = UNSET


class TimeoutSettings(msgspec.Struct):
    """What happens when a call lasts too long or falls silent."""

    default_timeout: float | UnsetType = UNSET
    timeout_action: TimeoutAction | UnsetType = UNSET
    transfer_number: str | UnsetType = UNSET
    transfer_message: str | UnsetType = UNSET
    silence_counter: int | UnsetType = UNSET
    silence_timeout_action: TimeoutAction | UnsetType = UNSET
    silence_transfer_number: str | UnsetType = UNSET


class AgentUpdate(msgspec.Struct, kw_only=True):
    """Body of PATCH /v1/agents/{id}: only what is sent changes."""

    phone_number_id: UUID | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    llm: str | UnsetType = UNSET
    fallback_llm: str | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    first_message: str | UnsetType = UNSET
    first_message_interruption_time: float | UnsetType = UNSET
    default_language: str | UnsetType = UNSET
    summarize_calls: bool | UnsetType = UNSET
    noise_cancel_settings: NoiseCancelSettings | UnsetType = UNSET
    vad_settings: VadSettings | UnsetType = UNSET
    enable_first_message_outbound: bool | UnsetType = UNSET
    timeout_settings: TimeoutSettings | UnsetType = UNSET
    keyterms: tuple[str, ...] | UnsetType = UNSET
    voice_settings: VoiceSettings | UnsetType = UNSET


class AgentCreate(AgentUpdate, kw_only=True):
    """Body of POST /v1/agents."""

    name: str


class NumberImport(msgspec.Struct, kw_only=True):
    """Body of POST /v1/twilio/numbers."""

    phone_number: Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]
    account_sid: Annotated[str, msgspec.Meta(pattern=r"^AC[0-9a-fA-F]{32}$")]
    auth_token: _NOT_EMPTY = msgspec.field()
    label: str = ""

    def __repr__(self) -> str:
        return "NumberImport(...)"


class NumberLabel(msgspec.Struct):
    """Body of PATCH /v1/twilio/numbers/{id}."""

    label: str


class Transform(msgspec.Struct):
    """A step that rewrites a caller id."""

    type: TransformType
    value: str | UnsetType = UNSET
    value2: str | UnsetType = UNSET
    number: int | UnsetType = UNSET


class TrunkUpdate(msgspec.Struct, kw_only=True):
    """Body of PATCH /v1/sip-trunks/{id}: null and the empty text clear."""

    pbx: Pbx | UnsetType = UNSET
    caller_id_transforms: tuple[Transform, ...] | UnsetType | None = UNSET
    inbound_host: str | UnsetType | None = UNSET
    inbound_auth_type: InboundAuth | UnsetType | None = UNSET
    inbound_sip_username: str | UnsetType | None = UNSET
    inbound_sip_password: str | UnsetType | None = UNSET
    outbound_host: str | UnsetType | None = UNSET
    outbound_sip_username: str | UnsetType | None = UNSET
    outbound_sip_password: str | UnsetType | None = UNSET
    register: bool | UnsetType | None = UNSET
    remain_in_dialog: bool | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return f"{type(self).__name__}(pbx={self.pbx!r}, ...)"


class TrunkCreate(TrunkUpdate, kw_only=True):
    """Body of POST /v1/sip-trunks."""

    pbx: Pbx
    caller_id_transforms: tuple[Transform, ...] | UnsetType = UNSET


class AssignmentUpdate(msgspec.Struct, kw_only=True):
    """Body of PATCH /v1/sip-trunks/assignments/{id}: null clears."""

    number: str | UnsetType | None = UNSET
    alternate_number: str | UnsetType | None = UNSET


class AssignmentCreate(msgspec.Struct, kw_only=True):
    """Body of POST /v1/sip-trunks/{id}/assignments."""

    agent_id: UUID
    number: str | UnsetType = UNSET
    alternate_number: str | UnsetType = UNSET


class Variable(msgspec.Struct, forbid_unknown_fields=True):
    """A variable of a session or of a dialled call, as the newest documentation has it."""

    key: str
    value: str


class DialRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /v1/agents/{id}/dial; it may be left out."""

    variables: tuple[Variable, ...] = ()


class TokenRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of POST /v1/session-token (vatel.md 1.3, the newest generation)."""

    agent_id: UUID
    version_id: UUID | UnsetType = UNSET
    chat_id: UUID | UnsetType = UNSET
    transport: Literal["websocket", "webrtc"] = "websocket"
    first_message: str | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    chat: bool = False
    variables: tuple[Variable, ...] | UnsetType = UNSET

    @property
    def given(self) -> tuple[tuple[str, str], ...]:
        """The variables, key and value."""
        return tuple((variable.key, variable.value) for variable in self.variables or ())


def read(body: bytes, kind: type[T]) -> T:
    """Read a body.

    Raises:
        ValueError: it is no JSON, or not what the contract says; the message is for people.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"body: {error}") from None


def plain(body: msgspec.Struct) -> dict[str, Any]:
    """Return what a body sets, ready for JSON."""
    fields: dict[str, Any] = msgspec.to_builtins(body)
    return fields


def faults(change: AgentUpdate) -> list[str]:
    """Say what the contract's prose does not allow of an agent's fields."""
    named = (("llm", change.llm), ("fallback_llm", change.fallback_llm))
    found = [
        f"{name}: {model!r} is none of GET /v1/llms" for name, model in named if model and model not in LLMS
    ]
    if change.default_language is not UNSET and change.default_language not in LANGUAGES:
        found.append(f"default_language: give one of {', '.join(LANGUAGES)}")
    noise = change.noise_cancel_settings
    if noise is not UNSET and noise.level is not UNSET and not 0 <= noise.level <= 100:
        found.append("noise_cancel_settings.level: give 0 to 100")
    if change.voice_settings is not UNSET:
        found += _voice_faults(change.voice_settings)
    return found


def _voice_faults(voice: VoiceSettings) -> list[str]:
    tuning = {name: getattr(voice, name) for name in ("speed", "stability", "similarity_boost", "volume")}
    found = [
        f"voice_settings.{name}: give 0 to 2"
        for name, value in tuning.items()
        if value is not UNSET and not 0 <= value <= 2
    ]
    known = {(entry["id"], entry["provider"]) for entry in VOICES}
    if (voice.id, voice.provider) not in known:
        found.append("voice_settings: id and provider must be those of a voice of GET /v1/voices")
    return found
