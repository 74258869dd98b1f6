"""What every answer looks like: success or error, with when and which request. PURE."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


class Refusal(Exception):
    """A request is refused; the message and the details are for who asked.

    Attributes:
        status: the HTTP status.
        details: ``reason``, a short stable slug, and what narrows it.
        retry_after_s: how long to wait before another try.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str,
        retry_after_s: float | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details: dict[str, Any] = {"reason": reason, **details}
        self.retry_after_s = retry_after_s


def not_found(what: str) -> Refusal:
    """Refuse what is not there, or another organization's: the two cannot be told apart."""
    return Refusal(404, f"There is no such {what}.", reason="not_found")


def invalid(fields: Mapping[str, str]) -> Refusal:
    """Refuse a request by the fields that do not fit, each with what is wrong."""
    first, problem = next(iter(fields.items()))
    return Refusal(400, f"{first}: {problem}", reason="validation", field=first, fields=dict(fields))


def wrong_state(message: str, reason: str) -> Refusal:
    """Refuse what the thing's state does not allow."""
    return Refusal(400, message, reason=reason)


def forbidden(message: str, reason: str, **details: Any) -> Refusal:
    """Refuse what this key, user or policy may not do."""
    return Refusal(403, message, reason=reason, **details)


def unavailable(message: str, reason: str, retry_after_s: float | None = None) -> Refusal:
    """Refuse because an external service failed."""
    return Refusal(503, message, reason=reason, retry_after_s=retry_after_s)


def iso(moment: datetime) -> str:
    """Return a moment as the API spells it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def success(data: Any, request_id: str, now: datetime) -> dict[str, Any]:
    """Return the body of a good answer."""
    return {"success": True, "data": data, "meta": _meta(request_id, now)}


def failure(refusal: Refusal, request_id: str, now: datetime) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {
        "success": False,
        "error": refusal.message,
        "details": refusal.details,
        "meta": _meta(request_id, now),
    }


def _meta(request_id: str, now: datetime) -> dict[str, str]:
    return {"timestamp": iso(now), "request_id": request_id}
