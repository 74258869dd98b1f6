"""config/tools.example.toml, and which model describes which of its tables."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from gateway.tools.spec import BuiltinTool, CallLimits, EgressTable, SigningTable, Table, WebhookTool

EXAMPLE: Final = Path(__file__).parents[2] / "config" / "tools.example.toml"
_BESIDE: Final[Mapping[str, type[Table]]] = {
    "egress": EgressTable,
    "signing": SigningTable,
    "calls": CallLimits,
}

Described = tuple[type[Table], dict[str, Any]]


def example_text(*, uncommented: bool = False) -> str:
    """Return the example, with the keys that are commented out uncommented if that is wanted."""
    text = EXAMPLE.read_text(encoding="utf-8")
    return re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE) if uncommented else text


def described(text: str) -> Iterator[Described]:
    """Yield every table of a tools file, at any depth, with the model that reads it."""
    document = tomllib.loads(text)
    for tool in (*document["tools"], document["default"]):
        yield from _within(BuiltinTool if "builtin" in tool else WebhookTool, tool)
    for name, model in _BESIDE.items():
        yield from _within(model, document[name])


def _within(model: type[Table], table: dict[str, Any]) -> Iterator[Described]:
    yield model, table
    for key, value in table.items():
        annotation = model.model_fields[key].annotation
        models = [one for one in (annotation, *get_args(annotation)) if _is_table(one)]
        if len(models) > 1:
            models = [one for one in models if value["type"] in get_args(one.model_fields["type"].annotation)]
        for one in models:
            yield from _within(one, value)


def _is_table(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)
