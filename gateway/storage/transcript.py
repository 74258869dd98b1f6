"""A call's transcript, read from its events. PURE."""

from collections.abc import Iterable
from typing import Any

from gateway.storage.rows import CallEvent

_EXCERPT_ENTRIES = 10
_EXCERPT_CHARACTERS = 500


def transcript_of(events: Iterable[CallEvent]) -> list[dict[str, Any]]:
    """Return the entries in the order of the conversation; a later entry of the same index replaces one."""
    entries = {event.data["index"]: event.data for event in events if event.kind == "transcript"}
    return [entries[index] for index in sorted(entries)]


def heard_text(entry: dict[str, Any]) -> str:
    """Return the words that reached the other side: of a turn that was cut, those that were heard."""
    heard = entry.get("heard_text") if entry.get("cut") else None
    return str(entry["text"] if heard is None else heard)


def excerpt(entries: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the last words of a transcript, as an event webhook tells them."""
    final = [entry for entry in entries if entry.get("final", True)]
    return [
        {"role": str(entry["role"]), "text": heard_text(entry)[:_EXCERPT_CHARACTERS]}
        for entry in final[-_EXCERPT_ENTRIES:]
    ]
