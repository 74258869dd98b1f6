"""A tool ready to run: what its table in the tools file has been compiled to. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.tools.json_template import JsonTemplate
from gateway.tools.masking import Mask
from gateway.tools.picking import Pick
from gateway.tools.question import ComfortPlan
from gateway.tools.schema import ArgumentSchema
from gateway.tools.spec import BuiltinTool, WebhookTool
from gateway.tools.templates import HeaderTemplate, KeyTemplate, TextBody, TextTemplate
from gateway.tools.url_template import UrlTemplate


@dataclass(frozen=True, slots=True)
class Webhook:
    """A tool answered by an endpoint of the operator's. Lives as long as its catalogue.

    Attributes:
        spec: its table; plain values of it hold resolved secrets, so it is not shown.
        label: what metrics call it: the entry's name, not the name that an agent asks by.
        schema: checks and coerces the arguments; None lets all pass.
        on_error: makes the agent's answer of a failure; sees ``error``.
        query: by name, beside what the URL has.
        auth: name and value of the header that shows who we are; None without one.
        body: None for the default body, and for methods without one.
        idempotency: makes the key under which a success is remembered.
        pick: the part of a JSON answer that the agent gets.
        response: makes the agent's answer of the endpoint's; sees ``answer``.
    """

    spec: WebhookTool = field(repr=False)
    label: str
    schema: ArgumentSchema | None
    mask: Mask
    on_error: TextTemplate | None
    comfort: ComfortPlan
    url: UrlTemplate
    headers: Mapping[str, HeaderTemplate]
    query: Mapping[str, TextTemplate]
    auth: tuple[str, str] | None = field(repr=False)
    body: JsonTemplate | TextBody | None
    idempotency: KeyTemplate | None
    pick: Pick | None
    response: TextTemplate | None


@dataclass(frozen=True, slots=True)
class Builtin:
    """A tool that the gateway answers itself. Lives as long as its catalogue.

    Attributes:
        label: what metrics call it.
        schema: checks and coerces the arguments; None lets all pass.
        on_error: makes the agent's answer of a failure; sees ``error``.
    """

    spec: BuiltinTool = field(repr=False)
    label: str
    schema: ArgumentSchema | None
    mask: Mask
    on_error: TextTemplate | None
    comfort: ComfortPlan
