"""``{{name}}`` in prompts and first messages, filled from a task's context. PURE."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def missing_names(texts: Iterable[str | None], context: Mapping[str, Any]) -> list[str]:
    """Return the names that texts ask for and the context does not give."""
    asked = {name for text in texts if text for name in _PLACE.findall(text)}
    return sorted(asked - context.keys())


def fill(text: str, context: Mapping[str, Any]) -> str:
    """Return a text with its places filled; one whose name is not given stays as it is.

    What is put in is not looked at again, so that a value cannot ask for another one.
    """
    return _PLACE.sub(lambda place: str(context.get(place[1], place[0])), text)
