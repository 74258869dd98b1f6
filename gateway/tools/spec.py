"""What a tool is, as the tools file writes it (and an agent of the control plane may). PURE.

These tables check each value by itself; what needs more than one of them, or a template, a secret or a
schema to be read, is checked by :mod:`gateway.tools.catalog`, which turns them into something that runs.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_NAME = re.compile(r"[A-Za-z0-9_.:\-*?\[\]!]{1,128}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_STATUS = re.compile(r"[1-5][0-9]{2}|[45]xx|connect|reset")


class Table(BaseModel):
    """One TOML table, immutable; an unknown key in it is an error."""

    # strict: TOML has types of its own, so a quoted number is a slip.
    # hide_input: a value that does not fit may be a secret pasted into the wrong key.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be 1 to 128 letters, digits and _ . : - or the wildcards * ? [ ]")
    return value


def _agent_id(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError("must be the UUID of a Vatel agent") from None


def _number(value: str) -> str:
    if not _E164.fullmatch(value):
        raise ValueError("must be a number in E.164 form, such as +15005550006")
    return value


def _retried(value: str) -> str:
    if not _STATUS.fullmatch(value):
        raise ValueError("must be connect, reset, 4xx, 5xx or an HTTP status such as 429")
    return value


AgentId = Annotated[str, AfterValidator(_agent_id)]
E164 = Annotated[str, AfterValidator(_number)]
RetriedOn = Annotated[str, AfterValidator(_retried)]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class NoAuth(Table):
    """The endpoint asks for nothing."""

    type: Literal["none"] = "none"


class BearerAuth(Table):
    """``Authorization: Bearer …``."""

    type: Literal["bearer"]
    token: str = Field(min_length=1, repr=False, description="a secret: ${ENV} or ${file:/path}")


class BasicAuth(Table):
    """``Authorization: Basic …``."""

    type: Literal["basic"]
    username: str = Field(min_length=1, description="without a colon")
    password: str = Field(repr=False, description="a secret: ${ENV} or ${file:/path}")


class HeaderAuth(Table):
    """A header of the endpoint's own, such as ``X-Api-Key``."""

    type: Literal["header"]
    header: str = Field(min_length=1, description="the header's name")
    value: str = Field(min_length=1, repr=False, description="a secret: ${ENV} or ${file:/path}")


Auth = Annotated[NoAuth | BearerAuth | BasicAuth | HeaderAuth, Field(discriminator="type")]


class Retry(Table):
    """When a request is sent once more, always within the tool's deadline.

    A request that may have been acted on is repeated with the same ``webhook-id`` and ``Idempotency-Key``.
    """

    count: int = Field(default=0, ge=0, le=5, description="how many times more at most")
    on: tuple[RetriedOn, ...] = Field(
        default=("connect", "429", "503"),
        strict=False,
        description="which failures: connect (nothing was sent), reset (broke after sending), 5xx, 4xx, 503",
    )
    backoff_s: float = Field(
        default=0.2, ge=0, le=10, description="seconds before the first, doubled each time, with jitter"
    )


class Response(Table):
    """What the agent gets of an answer; by default its whole body."""

    pick: str | None = Field(default=None, description="JSONPath of the part wanted, such as $.result.text")
    template: str | None = Field(default=None, description="text made with {{ answer.json }} or answer.text")
    output: str | None = Field(default=None, description="this text, whatever a good answer says")
    limit_kb: int = Field(default=256, ge=1, le=1024, description="kilobytes; larger answers fail")


class Idempotency(Table):
    """Asked for again with the same key in one call, a tool that succeeded is not run a second time."""

    key: str = Field(min_length=1, description="template; also sent as Idempotency-Key")


class Comfort(Table):
    """What the caller hears while a tool keeps the agent waiting; never over the caller."""

    filler_s: float = Field(default=2.0, ge=0, le=60, description="seconds until the filler; 0 for none")
    filler: str = Field(default="one_moment", description="a clip of the gateway's, or a path to a WAV file")
    hold_s: float = Field(default=0.0, ge=0, le=60, description="seconds until the hold tone; 0 for none")


class Breaker(Table):
    """A tool that keeps failing is not asked for a while."""

    failures: int = Field(default=5, ge=0, le=100, description="failures in a row that open it; 0 for never")
    open_s: float = Field(default=10.0, gt=0, le=600, description="seconds until one request may try again")


class ToolTable(Table):
    """What every tool can say of itself; printed, it shows its name only."""

    name: Annotated[str, AfterValidator(_name)] = Field(description="what agents call it, or a pattern")
    description: str = Field(default="", max_length=2_000, description="for people")
    agents: tuple[AgentId, ...] = Field(
        default=(), strict=False, description="which agents may call it; empty for all"
    )
    arguments: Mapping[str, Any] | None = Field(
        default=None, description="JSON Schema (2020-12) of the object of all arguments"
    )
    sensitive: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), strict=False, description="arguments whose values are nobody's business"
    )
    on_error: str | None = Field(default=None, description="template; what the agent gets for a failure")
    comfort: Comfort = Field(default=Comfort(), description="what the caller hears meanwhile")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the name and nothing else: any text of a tool may have a secret written into it."""
        yield "name", self.name


class WebhookTool(ToolTable):
    """A tool answered by an endpoint of the operator's."""

    url: str = Field(min_length=1, max_length=2_048, description="https; templates from the path on")
    method: Method = Field(default="POST", description="of the request; no body with GET and DELETE")
    headers: Mapping[str, str] = Field(
        default_factory=dict, max_length=50, description="by name; the values are templates"
    )
    query: Mapping[str, str] = Field(
        default_factory=dict, max_length=50, description="by name; the values are templates"
    )
    body: Mapping[str, Any] | str | None = Field(
        default=None, description="a table (JSON, its strings are templates) or a text template"
    )
    content_type: str = Field(default="application/json", description="of a body of your own")
    auth: Auth = Field(default=NoAuth(), description="how the endpoint knows the gateway")
    connect_s: float = Field(default=2.0, gt=0, le=10, description="seconds for the connection")
    deadline_s: float = Field(
        default=5.0, gt=0, le=60, description="seconds from the agent's question to its answer"
    )
    retry: Retry = Field(default=Retry(), description="when a request is sent once more")
    response: Response = Field(default=Response(), description="what the agent gets of an answer")
    idempotency: Idempotency | None = Field(default=None, description="what makes two runs the same")
    breaker: Breaker = Field(default=Breaker(), description="when a failing tool is left alone")
    mode: Literal["sync", "background"] = Field(
        default="sync", description="background: the agent gets an answer at once"
    )
    accepted: str = Field(
        default='{"status": "accepted"}', description="background: what the agent gets at once"
    )
    callback_url: str | None = Field(default=None, description="told of a result that came too late")
    late_s: float = Field(
        default=60.0, gt=0, le=600, description="seconds that a late or background result is waited for"
    )


class BuiltinTool(ToolTable):
    """A tool that the gateway answers itself."""

    builtin: Literal[
        "end_call", "transfer_call", "send_dtmf", "press_hold", "get_call_info", "schedule_callback"
    ] = Field(description="which one")
    numbers: Mapping[str, E164] = Field(
        default_factory=dict, max_length=100, description="transfer_call: name to number"
    )
    ring_timeout_s: int = Field(
        default=30, ge=5, le=600, description="transfer_call: seconds that it may ring"
    )


class EgressTable(Table):
    """Where requests may go beyond public https addresses."""

    allow_private: tuple[str, ...] = Field(default=(), strict=False, description="CIDRs, such as 10.1.0.0/16")
    allow_http: bool = Field(default=False, description="plain http:// as well")
    per_host: int = Field(default=50, ge=1, le=1_000, description="requests at once to one host")


class SigningTable(Table):
    """How requests are signed (Standard Webhooks)."""

    keys: tuple[str, ...] = Field(
        default=(), strict=False, repr=False, description="whsec_… secrets; the first is the current one"
    )


class CallLimits(Table):
    """What one call may do."""

    parallel: int = Field(default=8, ge=1, le=64, description="tools of one call that run at once")
