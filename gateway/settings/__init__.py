"""The configuration of one process: read once, at start, from every source; only `app` and `cli` see it."""

from gateway.settings.control import ApiSettings, ClusterSettings, OutboundSettings, RecordingSettings
from gateway.settings.flags import add_flags, overrides
from gateway.settings.model import Settings
from gateway.settings.printout import describe, example_toml
from gateway.settings.sections import (
    AudioSettings,
    CallSettings,
    DatabaseSettings,
    LogSettings,
    MetricsSettings,
    ToolSettings,
    TwilioSettings,
    VatelSettings,
)
from gateway.settings.sources import environment, load

__all__ = [
    "ApiSettings",
    "AudioSettings",
    "CallSettings",
    "ClusterSettings",
    "DatabaseSettings",
    "LogSettings",
    "MetricsSettings",
    "OutboundSettings",
    "RecordingSettings",
    "Settings",
    "ToolSettings",
    "TwilioSettings",
    "VatelSettings",
    "add_flags",
    "describe",
    "environment",
    "example_toml",
    "load",
    "overrides",
]
