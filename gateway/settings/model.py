"""Every key the gateway knows: its type, default, limits, and the sentence that the example file prints."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, model_validator
from pydantic.fields import FieldInfo

from gateway.errors import ConfigError
from gateway.settings.formats import (
    AccountSid,
    AgentId,
    Secret,
    ServiceUrl,
    WebhookUrl,
    is_loopback,
    url_host,
)


class Section(BaseModel):
    """One TOML table of settings, immutable; an unknown key in it is an error."""

    # hide_input: a value that does not fit may be a secret pasted into the wrong key.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class VatelSettings(Section):
    """Where the agent lives and how long the gateway waits for it."""

    base_url: ServiceUrl = Field(default="https://api.vatel.ai", description="Vatel's API")
    api_key: Secret | None = Field(
        default=None, description="the organization's API key; a secret", examples=["your-vatel-api-key"]
    )
    agent_id: AgentId | None = Field(
        default=None,
        description="the agent that answers the phone (UUID)",
        examples=["3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"],
    )
    connect_timeout_s: float = Field(
        default=3.0, gt=0, le=30, description="seconds for each try to get a session and open its socket"
    )
    silence_timeout_s: float = Field(
        default=20.0,
        gt=0,
        le=300,
        description="seconds a ready agent may owe its first word before the call is given up",
    )


class TwilioSettings(Section):
    """The phone account whose calls are taken."""

    account_sid: AccountSid | None = Field(
        default=None, description="the account's SID (AC...)", examples=["AC" + "0123456789abcdef" * 2]
    )
    auth_token: Secret | None = Field(
        default=None,
        description="the account's auth token: checks Twilio's signatures, signs our requests; a secret",
        examples=["your-twilio-auth-token"],
    )
    api_base_url: ServiceUrl = Field(default="https://api.twilio.com", description="Twilio's REST API")
    validate_signatures: bool = Field(
        default=True, description="refuse what Twilio has not signed; false only with a loopback public_url"
    )


class AudioSettings(Section):
    """How the two audio chains are built."""

    resampler: Literal["soxr", "low_delay"] = Field(
        default="soxr", description="soxr (best quality) or low_delay (less delay on each leg)"
    )
    lead_ms: int = Field(
        default=200,
        ge=20,
        le=2_000,
        description="milliseconds of speech sent ahead of what the caller has heard",
    )
    jitter_ms: int = Field(
        default=60,
        ge=0,
        le=1_000,
        description="milliseconds of speech gathered before an idle line starts to play",
    )
    buffer_ms: int = Field(
        default=120_000,
        ge=1_000,
        le=600_000,
        description="milliseconds of agent speech held at most per call",
    )
    barge_in: Literal["clear", "pause"] = Field(
        default="clear",
        description="when the caller interrupts: clear at once, or pause until the agent decides",
    )


class CallSettings(Section):
    """How many calls, and how long each may wait for what."""

    max_active: int = Field(
        default=200, ge=1, le=10_000, description="live calls of this process; further ones hear busy"
    )
    max_duration_s: float = Field(
        default=14_400.0, ge=10, le=86_400, description="seconds the longest call may take"
    )
    start_timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="seconds a media socket may take to send its start message"
    )
    no_media_timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="seconds without a caller frame after which the caller's leg is dead",
    )
    stream_token_ttl_s: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="seconds from the webhook's answer until its stream token expires",
    )
    goodbye_max_s: float = Field(
        default=30.0, gt=0, le=300, description="seconds the agent's last words may take to play out"
    )
    drain_grace_s: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="seconds between SIGTERM (readiness 503) and refusing new calls",
    )
    drain_max_s: float = Field(
        default=900.0,
        ge=0,
        le=86_400,
        description="seconds live calls get after SIGTERM before a goodbye clip ends them",
    )


class ToolSettings(Section):
    """Where the agent's tool calls go."""

    url: WebhookUrl | None = Field(
        default=None,
        description="the webhook that answers tool calls (POST JSON)",
        examples=["https://example.com/vatel-tools"],
    )
    deadline_s: float = Field(
        default=5.0, gt=0, le=60, description="seconds one tool call may take, connecting included"
    )


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least severe level shown"
    )
    format: Literal["json", "console", "auto"] = Field(
        default="auto", description="json, console (for people), or auto (console on a terminal)"
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition across keys, given by their dotted names; `holds` takes their values in that order."""

    keys: tuple[str, ...]
    holds: Callable[..., bool]
    sentence: str


RULES = (
    Rule(
        ("twilio.validate_signatures", "public_url"),
        lambda validate, url: validate or url is None or is_loopback(url_host(url)),
        "twilio.validate_signatures may be false only while public_url is a loopback address: on a public "
        "one anybody could start sessions on your Vatel key. Set it to true, or test on http://127.0.0.1",
    ),
    Rule(
        ("audio.lead_ms", "audio.buffer_ms"),
        lambda lead, buffer: bool(lead < buffer),
        "audio.lead_ms must be less than audio.buffer_ms, which has to hold it",
    ),
    Rule(
        ("calls.drain_grace_s", "calls.drain_max_s"),
        lambda grace, most: bool(grace <= most),
        "calls.drain_grace_s must not exceed calls.drain_max_s: it is a part of it",
    ),
)


def conflicts(values: Mapping[str, object]) -> list[str]:
    """Return the sentences of the rules that values (by dotted name) break; a rule lacking one is skipped."""
    known = [rule for rule in RULES if all(key in values for key in rule.keys)]
    return [rule.sentence for rule in known if not rule.holds(*(values[key] for key in rule.keys))]


class Settings(Section):
    """All settings of one process; lives as long as it does."""

    host: str = Field(default="0.0.0.0", min_length=1, description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65_535, description="TCP port to listen on (0: any free one)")
    public_url: ServiceUrl | None = Field(
        default=None,
        description="the https address at which Twilio reaches this gateway; signatures are checked with it",
        examples=["https://voice.example.com"],
    )
    vatel: VatelSettings = VatelSettings()
    twilio: TwilioSettings = TwilioSettings()
    audio: AudioSettings = AudioSettings()
    calls: CallSettings = CallSettings()
    tools: ToolSettings = ToolSettings()
    log: LogSettings = LogSettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        if broken := conflicts(self.values()):
            raise ValueError("; ".join(broken))
        return self

    def values(self) -> dict[str, Any]:
        """Return every value by its dotted name, in the order of declaration."""
        return {key.name: key.value_in(self) for key in KEYS.values()}

    def origin(self, name: str) -> str:
        """Name the source that gave the value of a dotted name, or 'default'."""
        return self._origins.get(name, "default")

    def with_origins(self, origins: Mapping[str, str]) -> Self:
        """Return a copy that knows where its values came from."""
        copy = self.model_copy()
        copy._origins = dict(origins)
        return copy

    def secrets(self) -> list[str]:
        """Return the plain text of every secret that is set, for the log's redaction."""
        return [value.get_secret_value() for value in self.values().values() if isinstance(value, SecretStr)]

    def require_serving(self) -> None:
        """Check that all that taking calls needs is set.

        Raises:
            ConfigError: with one line for each missing key.
        """
        needed = ["public_url", "vatel.api_key", "vatel.agent_id"]
        if self.twilio.validate_signatures:
            needed += ["twilio.account_sid", "twilio.auth_token"]
        missing = [KEYS[name] for name in needed if KEYS[name].value_in(self) is None]
        if missing:
            lines = (
                f"{key.env} is not set (TOML: {key.name}): {key.description}; for example {key.example}"
                for key in missing
            )
            raise ConfigError("\n".join(lines), reason="incomplete_settings")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its dotted name and what each source calls it."""

    name: str
    field: FieldInfo

    @property
    def env(self) -> str:
        return "GATEWAY_" + self.name.upper().replace(".", "__")

    @property
    def flag(self) -> str:
        return "--" + self.name.replace(".", "-").replace("_", "-")

    @property
    def description(self) -> str:
        return self.field.description or ""

    @property
    def optional(self) -> bool:
        return self.field.default is None

    @property
    def secret(self) -> bool:
        return Secret in get_args(self.field.annotation)

    @property
    def example(self) -> str:
        """Return a value that would be accepted, as one writes it in TOML."""
        value = (self.field.examples or [None])[0] if self.optional else self.field.default
        return json.dumps(value)

    def value_in(self, settings: Settings) -> Any:
        """Return this key's value."""
        section, _, name = self.name.rpartition(".")
        return getattr(getattr(settings, section) if section else settings, name)


def _declared(section: type[Section], prefix: str = "") -> Iterator[Key]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _declared(field.annotation, f"{name}.")
        else:
            yield Key(prefix + name, field)


KEYS: Mapping[str, Key] = MappingProxyType({key.name: key for key in _declared(Settings)})
"""Every setting by its dotted name, in the order of declaration."""
