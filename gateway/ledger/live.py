"""An event of a call as the nodes tell it to each other: the stored event, whole, as JSON. PURE.

Its number is that of the stored one, and it is told once it is stored: who reads the stored events and then
watches from the last of them on misses none and sees none twice.
"""

import json
from datetime import datetime

from gateway.storage.columns import dump_json
from gateway.storage.rows import CallEvent


def body_of(event: CallEvent) -> bytes:
    """Write an event as the body of a live event."""
    told = {"seq": event.seq, "at": event.at.isoformat(), "kind": event.kind, "data": event.data}
    return dump_json(told).encode()


def event_in(call_id: str, body: bytes) -> CallEvent:
    """Read the event of a call in the body of a live event."""
    told = json.loads(body)
    return CallEvent(
        call_id=call_id,
        seq=told["seq"],
        at=datetime.fromisoformat(told["at"]),
        kind=told["kind"],
        data=told["data"],
    )
