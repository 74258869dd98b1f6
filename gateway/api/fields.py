"""The kinds of values that requests and answers are made of, and how they are checked. PURE."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.api.envelope import iso
from gateway.egress import destinations
from gateway.egress.addresses import Allowance
from gateway.egress.destinations import Policy

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
_WEBHOOK = rf"^https://{_HOST}(?::(?:443|8443|9443))?(?:/[!\"$-\[\]-~]*)?$"
_MOST_URL_CHARS = destinations.MAX_URL_CHARS
_INNER_NAMES = (".localhost", ".local", ".internal", ".lan", ".home", ".corp", ".arpa", ".onion")
PUBLIC_WEBHOOKS = Policy(Allowance(), table="webhooks")
"""Where event webhooks may go unless the operator allows more."""


class Given(BaseModel):
    """A body or query that somebody sent: no field unknown, no value bent to fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Told(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("must be a date and time with its zone, like 2026-11-26T09:30:00Z")
    try:
        # Python reads six digits of a second; RFC 3339 allows more.
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no date and time that there is") from None
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("must lie between the years 2000 and 2200")
    return moment


def webhooks_context(policy: Policy) -> dict[str, Policy]:
    """Return the context of a validation in which webhooks may go where a policy says."""
    return {"webhooks": policy}


def _webhook_url(value: str, info: ValidationInfo) -> str:
    if re.fullmatch(_WEBHOOK, value) and not _is_inner(value):
        return value
    policy = (info.context or {}).get("webhooks", PUBLIC_WEBHOOKS)
    if not policy.allowed.networks:
        raise ValueError(
            "must be https, with a public host name, without user or fragment, on port 443, 8443 or 9443; "
            "the operator can allow private addresses (webhooks.allow_private)"
        )
    if not value.startswith("https://"):
        raise ValueError("must begin with https://")
    if problem := destinations.fault(value, policy):
        raise ValueError(problem)
    return value


def _is_inner(url: str) -> bool:
    return (urlsplit(url).hostname or "").lower().endswith(_INNER_NAMES)


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be an IANA time zone, like Europe/Berlin")
    return value


def _digits(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    return value


def _whole(value: Any) -> Any:
    """Take 3.0 for 3, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _flag(value: Any) -> Any:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment; RFC 3339 with a zone in, UTC with milliseconds out."""

PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
"""E.164."""

Id = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Line = Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Prose = Annotated[str, StringConstraints(max_length=5_000)]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=50_000)]
Email = Annotated[
    str, StringConstraints(max_length=254, pattern=r"^[!-?A-~]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")
]
WebhookUrl = Annotated[
    str,
    StringConstraints(max_length=_MOST_URL_CHARS),
    AfterValidator(_webhook_url),
    WithJsonSchema({"type": "string", "maxLength": _MOST_URL_CHARS, "pattern": _WEBHOOK}),
]
"""https, a public host name (never an address), no user name, a usual port; checked again when connecting.

Where the operator allows private addresses, what `destinations.fault` finds no fault with will do as well.
"""

TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
Limit = Annotated[int, Field(ge=1, le=100), BeforeValidator(_digits)]
Offset = Annotated[int, Field(ge=0, le=1_000_000), BeforeValidator(_digits)]
Whole = BeforeValidator(_whole)
"""Marks integers in bodies: JSON has one kind of number."""

Flag = Annotated[bool, BeforeValidator(_flag)]
Scope = Literal["read", "write", "calls"]
EventType = Literal["call_started", "call_completed", "call_failed"]


Item = TypeVar("Item")


def left_out() -> Any:
    """Declare a field of a change that may be left out: it then stays as it is."""
    return Field(default_factory=lambda: None)


class NoQuery(Given):
    """No query at all."""


class PageQuery(Given):
    """Which part of a list."""

    limit: Limit = 50
    offset: Offset = 0


class Done(Told):
    """That it was done."""

    message: str


class Listing(Told, Generic[Item]):
    """A part of a list, newest first."""

    items: list[Item]
    total: int
    limit: int
    offset: int


def listing(page: Any, query: PageQuery) -> dict[str, Any]:
    """Return a page of a repository as an answer."""
    return {"items": page.items, "total": page.total, "limit": query.limit, "offset": query.offset}
