"""What the live socket of a call says. PURE.

A message is written once and sent to all who watch, however many they are.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.api.call_models import entries_told
from gateway.records import Result
from gateway.storage.rows import LIVE, Call

ERRORS = {
    "token_expired": "The session token has expired; ask for another one.",
    "key_revoked": "The API key was revoked.",
    "events_missed": "Events of the call cannot be read now; connect again.",
    "bad_message": 'Only JSON objects are understood, such as {"type": "ping"}.',
    "going_away": "The gateway is stopping; connect again.",
}
"""What went wrong, in words, by the slug that also closes the socket."""

_MOST_REMEMBERED = 1_024


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as it is sent.

    Attributes:
        status: the call's status that it tells; empty for other messages.
    """

    text: str
    status: str = ""

    @property
    def final(self) -> bool:
        """Whether it tells that the call is over."""
        return self.status not in ("", *LIVE)


def _message(kind: str, data: Mapping[str, Any], **more: Any) -> Message:
    body = {"type": kind, **more, "data": data}
    status = data["status"] if kind == "call_status_update" else ""
    return Message(json.dumps(body, ensure_ascii=False, separators=(",", ":")), status)


PONG = Message('{"type":"pong"}')


def connected(call: Call) -> Message:
    """Say that the socket watches the call; the first message."""
    return _message("connected", {"call_id": call.id, "status": call.status})


def transcript_update(call_id: str, entries: Iterable[Mapping[str, Any]]) -> Message:
    """Tell entries that are new or have changed; an entry of an index told before takes its place."""
    told = [entry.model_dump(mode="json") for entry in entries_told(entries)]
    return _message("transcript_update", {"call_id": call_id, "transcript": told})


def status_of(call: Call) -> Message:
    """Tell a call's status as it is stored; a final one with how the call ended."""
    ending = {} if call.live else {"result": call.result, "reason": call.reason, "detail": call.detail}
    return _message("call_status_update", {"call_id": call.id, "status": call.status, **ending})


def error_of(reason: str) -> Message:
    """Tell what went wrong."""
    return _message("error", {"reason": reason}, error=ERRORS[reason])


@lru_cache(_MOST_REMEMBERED)
def message_of(call_id: str, body: bytes) -> Message | None:
    """Return what watchers are told of a live event; None when it is not for them."""
    event = json.loads(body)
    kind, data = event["kind"], event["data"]
    match kind:
        case "transcript":
            return transcript_update(call_id, [data])
        case "agent_joined":
            return _message("call_status_update", {"call_id": call_id, "status": "in_progress"})
        case "call_ended":
            ending = {"result": Result.FAILED, "reason": None, "detail": ""} | data["ending"]
            status = str(ending["result"])
            return _message("call_status_update", {"call_id": call_id, "status": status, **ending})
        case _:
            return None


def wants_pong(text: str) -> bool | None:
    """Read what a client says: True for its ping, False for other JSON objects, None for anything else."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said.get("type") == "ping" if isinstance(said, dict) else None
