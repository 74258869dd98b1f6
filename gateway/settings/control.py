"""The TOML tables of the control plane: its API, its nodes, its recordings, the calls that it places."""

from pydantic import Field

from gateway.settings.formats import (
    ClockTime,
    ClusterUrl,
    FilePath,
    Networks,
    Origins,
    PhoneNumber,
    Prefixes,
    RecordingKeys,
    StoreUrl,
    TimeZone,
    items,
)
from gateway.settings.sections import Section


class ApiSettings(Section):
    """The control API."""

    origins: Origins = Field(
        default="",
        description="further origins whose pages may use the API and its live socket, by commas; "
        "public_url's own always may",
    )
    requests_per_minute: int = Field(
        default=1_000, ge=1, le=1_000_000, description="requests of one key in any minute, over all nodes"
    )

    @property
    def origin_list(self) -> tuple[str, ...]:
        """The origins."""
        return items(self.origins)


class WebhookSettings(Section):
    """Event webhooks."""

    allow_private: Networks = Field(
        default="",
        description="networks that event webhooks may reach although they are not public, such as "
        "10.1.2.0/24, by commas; whoever may create tasks can have requests sent there",
    )

    @property
    def private_list(self) -> tuple[str, ...]:
        """The networks."""
        return items(self.allow_private)


class ClusterSettings(Section):
    """What joins several nodes."""

    url: ClusterUrl | None = Field(
        default=None,
        description="the Redis or Valkey that joins nodes; unset: this process is the only one; a secret",
        examples=["valkey://:your-password@valkey.example.com:6379"],
    )


class RecordingSettings(Section):
    """Where recordings are made and kept; whether a call is recorded is its agent's to say."""

    folder: FilePath | None = Field(
        default=None,
        description="folder where calls are recorded while they last; unset: recordings, in the working "
        "directory",
        examples=["/var/lib/vatel-gateway/recordings"],
    )
    url: StoreUrl | None = Field(
        default=None,
        description="where finished recordings are kept: a folder on the same file system, s3://BUCKET, "
        "gs://BUCKET or az://CONTAINER; unset: kept, in the folder above",
        examples=["s3://your-bucket/recordings"],
    )
    keys: RecordingKeys | None = Field(
        default=None,
        description="NAME:KEY of the key that seals recordings at rest, older keys behind it by commas; "
        "a secret",
        examples=["k1:" + "A" * 43 + "="],
    )
    keep_days: int = Field(
        default=0, ge=0, le=36_500, description="days that recordings are kept; 0: until they are erased"
    )

    @property
    def effective_folder(self) -> str:
        """The folder in force."""
        return self.folder or "recordings"

    @property
    def effective_url(self) -> str:
        """The store in force."""
        return self.url or f"{self.effective_folder}/kept"


class OutboundSettings(Section):
    """The calls that tasks place, and what they must keep to."""

    from_number: PhoneNumber | None = Field(
        default=None,
        description="our number that the called party sees; unset: no calls are placed",
        examples=["+15005550006"],
    )
    calls_per_second: float = Field(
        default=1.0, gt=0, le=1_000, description="calls placed in a second by this process, at most"
    )
    max_active: int = Field(
        default=50, ge=1, le=10_000, description="placed calls that may be live at once, of all nodes"
    )
    ring_timeout_s: int = Field(default=60, ge=5, le=600, description="seconds that a placed call may ring")
    allowed_prefixes: Prefixes = Field(
        default="+", description="what called numbers may begin with, by commas; + allows them all"
    )
    quiet_from: ClockTime = Field(
        default="00:00", description="when, on the called party's clock, calls must stop"
    )
    quiet_until: ClockTime = Field(
        default="00:00", description="when they may be made again; the same as quiet_from: no quiet hours"
    )
    time_zone: TimeZone = Field(
        default="UTC", description="the called party's time zone where the task names none (IANA)"
    )
    max_attempts: int = Field(
        default=10, ge=1, le=10_000, description="calls to one number within attempt_window_s, at most"
    )
    attempt_window_s: float = Field(
        default=86_400.0, ge=60, le=31_536_000, description="seconds over which calls to one number count"
    )
    with_variables: bool = Field(
        default=False, description="give a task's context_data to the agent's session as variables, too"
    )

    @property
    def prefix_list(self) -> tuple[str, ...]:
        """The prefixes."""
        return items(self.allowed_prefixes)
