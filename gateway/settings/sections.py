"""The TOML tables of the settings: each key's type, default, limits, and the sentence that people read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.settings.formats import AccountSid, AgentId, DatabaseUrl, FilePath, Secret, ServiceUrl


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
        default=True,
        description="refuse what Twilio has not signed; false only with loopback host and public_url",
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
        description="seconds live calls get after that grace before a goodbye clip ends them",
    )


class ToolSettings(Section):
    """Where the agent's tool calls go."""

    file: FilePath | None = Field(
        default=None,
        description="the tools file: which endpoint answers which tool, see tools.example.toml",
        examples=["tools.toml"],
    )


class MetricsSettings(Section):
    """Where Prometheus reads the metrics: a port of its own, which nobody else has to reach."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to serve /metrics on")
    port: int | None = Field(
        default=None, ge=0, le=65_535, description="TCP port of /metrics; unset: not served", examples=[9090]
    )


class DatabaseSettings(Section):
    """Where records are kept."""

    url: DatabaseUrl | None = Field(
        default=None,
        description="where records are kept: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; "
        "unset: the file gateway.db in the working directory; a secret",
        examples=["postgresql://gateway:your-password@db.example.com/gateway"],
    )

    @property
    def effective_url(self) -> str:
        """The URL in force, plain."""
        return "sqlite:///gateway.db" if self.url is None else self.url.get_secret_value()


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least severe level shown"
    )
    format: Literal["json", "console", "auto"] = Field(
        default="auto", description="json, console (for people), or auto (console on a terminal)"
    )
