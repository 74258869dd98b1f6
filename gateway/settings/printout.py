"""What people read of the settings: the effective configuration, and the example file."""

import json
from itertools import groupby

from pydantic import SecretStr

from gateway.settings.model import KEYS, Key, Settings

_HEADER = """\
# vatel-gateway: every setting with its default. A test keeps this file equal to the program.
#
# Use it with `vatel-gateway serve --config FILE` or GATEWAY_CONFIG=FILE. Command line wins over environment
# wins over this file wins over the default. In the environment audio.lead_ms is GATEWAY_AUDIO__LEAD_MS.
# Lines with "#" before a key are settings without a default. A secret can also be given as a file:
# auth_token_file = "/run/secrets/twilio" (relative paths start at this file's folder).
"""


def describe(settings: Settings) -> str:
    """Return one line per setting: its name, its effective value (never a secret's), where it came from."""
    rows = [(key.name, _shown(key.value_in(settings)), settings.origin(key.name)) for key in KEYS.values()]
    name_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:{name_width}}  {value:{value_width}}  {origin}" for name, value, origin in rows)


def example_toml() -> str:
    """Return config/gateway.example.toml: every key, its default, its unit, what it is."""
    blocks = [_HEADER]
    for section, keys in groupby(KEYS.values(), lambda key: key.name.rpartition(".")[0]):
        heading = [f"[{section}]"] if section else []
        blocks.append("\n".join([*heading, *(_lines(key) for key in keys)]) + "\n")
    return "\n".join(blocks)


def _lines(key: Key) -> str:
    name = key.name.rpartition(".")[2]
    return f"# {key.description}\n{'# ' if key.optional else ''}{name} = {key.example}"


def _shown(value: object) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, SecretStr):
        return "******** (set)"
    return value if isinstance(value, str) else json.dumps(value)
