"""What an event webhook says: the contract's JSON, cut to the size that receivers take. PURE.

The same event gives the same bytes at every try.
"""

import json
from collections.abc import Mapping
from typing import Any

LIMIT_BYTES = 20_000
"""Standard Webhooks advises less than 20 kB."""


def encode(event: Mapping[str, Any]) -> bytes:
    """Return the body of an event as it is sent.

    Where it is too long the oldest entries of the transcript's excerpt go first, then the report's excerpt,
    and ``data.truncated`` says so: everything is to be had by the API.

    Args:
        event: ``event_type``, ``task_id``, ``call_id``, ``status`` and ``data`` with ``transcript_excerpt``
            and ``report_excerpt``.
    """
    whole = _dump(event)
    if len(whole) < LIMIT_BYTES:
        return whole
    data = dict(event.get("data", {})) | {"truncated": True}
    entries = list(data.get("transcript_excerpt") or [])
    without = _dump({**event, "data": data | {"transcript_excerpt": []}})
    if len(without) >= LIMIT_BYTES:
        data["report_excerpt"] = {}
        without = _dump({**event, "data": data | {"transcript_excerpt": []}})
    data["transcript_excerpt"] = _latest(entries, LIMIT_BYTES - len(without))
    return _dump({**event, "data": data})


def _latest(entries: list[Any], room_bytes: int) -> list[Any]:
    """Return the latest entries that fit."""
    kept = len(entries)
    while kept and (room_bytes := room_bytes - len(_dump(entries[kept - 1])) - 1) > 0:
        kept -= 1
    return entries[kept:]


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
