"""All settings of a process: the sections together, the rules across them, and every key by its name."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self, get_args
from urllib.parse import unquote, urlsplit

from pydantic import Field, PrivateAttr, SecretStr, model_validator
from pydantic.fields import FieldInfo

from gateway.errors import ConfigError
from gateway.settings.control import (
    ApiSettings,
    ClusterSettings,
    OutboundSettings,
    RecordingSettings,
    WebhookSettings,
)
from gateway.settings.formats import (
    ClusterUrl,
    DatabaseUrl,
    FilePath,
    RecordingKeys,
    Secret,
    ServiceUrl,
    is_loopback,
    url_host,
)
from gateway.settings.sections import (
    AudioSettings,
    CallSettings,
    DatabaseSettings,
    LogSettings,
    MetricsSettings,
    Section,
    ToolSettings,
    TwilioSettings,
    VatelSettings,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition across keys, given by their dotted names; `holds` takes their values in that order."""

    keys: tuple[str, ...]
    holds: Callable[..., bool]
    sentence: str


RULES = (
    Rule(
        ("twilio.validate_signatures", "host", "public_url"),
        lambda validate, host, url: (
            validate or (is_loopback(host) and (url is None or is_loopback(url_host(url))))
        ),
        "twilio.validate_signatures may be false only while both host and public_url are loopback addresses: "
        "else anybody who reaches the gateway could start sessions on your Vatel key. Set it to true, or "
        "test with host 127.0.0.1 and a public_url like http://127.0.0.1:8080",
    ),
    Rule(
        ("audio.lead_ms", "audio.buffer_ms"),
        lambda lead, buffer: bool(lead < buffer),
        "audio.lead_ms must be less than audio.buffer_ms, which has to hold it",
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
    metrics: MetricsSettings = MetricsSettings()
    database: DatabaseSettings = DatabaseSettings()
    cluster: ClusterSettings = ClusterSettings()
    recordings: RecordingSettings = RecordingSettings()
    outbound: OutboundSettings = OutboundSettings()
    api: ApiSettings = ApiSettings()
    webhooks: WebhookSettings = WebhookSettings()
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
        """Return the plain text of every secret that is set, for the log's redaction.

        A URL that holds a password is one, and so is the password alone, which a driver may quote.
        """
        plain = [value.get_secret_value() for value in self.values().values() if isinstance(value, SecretStr)]
        return plain + [password for text in plain if (password := _password(text))]

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
        return bool({Secret, DatabaseUrl, ClusterUrl, RecordingKeys} & set(get_args(self.field.annotation)))

    @property
    def path(self) -> bool:
        return FilePath in get_args(self.field.annotation)

    @property
    def example(self) -> str:
        """Return a value that would be accepted, as one writes it in TOML."""
        value = (self.field.examples or [None])[0] if self.optional else self.field.default
        return json.dumps(value)

    def value_in(self, settings: Settings) -> Any:
        """Return this key's value."""
        section, _, name = self.name.rpartition(".")
        return getattr(getattr(settings, section) if section else settings, name)


def _password(text: str) -> str:
    return unquote(urlsplit(text).password or "") if "://" in text else ""


def _declared(section: type[Section], prefix: str = "") -> Iterator[Key]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _declared(field.annotation, f"{name}.")
        else:
            yield Key(prefix + name, field)


KEYS: Mapping[str, Key] = MappingProxyType({key.name: key for key in _declared(Settings)})
"""Every setting by its dotted name, in the order of declaration."""
