"""How requests, tools and answers are shown to people: readable, and without a secret. PURE."""

import json
from collections.abc import Iterable, Mapping

from gateway.egress.client import Outgoing
from gateway.telemetry.redact import MASK, Redactor
from gateway.tools.catalog import Builtin, Catalog, Webhook

_SIGNATURE = "webhook-signature"


def tool_lines(tool: Webhook | Builtin) -> list[str]:
    """Return what an entry of the catalogue promises, a line each."""
    spec = tool.spec
    lines = [f"{tool.label}  {_how(tool)}"]
    if spec.description:
        lines.append(f"  {spec.description}")
    lines.append(f"  {'; '.join(_terms(tool))}")
    return lines


def _how(tool: Webhook | Builtin) -> str:
    if isinstance(tool, Builtin):
        return f"(built in: {tool.spec.builtin})"
    return f"{tool.spec.method} {tool.spec.url.partition('?')[0]}"


def _terms(tool: Webhook | Builtin) -> Iterable[str]:
    spec = tool.spec
    if isinstance(tool, Webhook):
        yield from _webhook_terms(tool)
    if spec.comfort.filler_s:
        yield f"filler after {spec.comfort.filler_s:g} s"
    if spec.comfort.hold_s:
        yield f"hold tone after {spec.comfort.hold_s:g} s"
    if spec.sensitive:
        yield f"masked: {', '.join(spec.sensitive)}"
    yield f"for {_counted(len(spec.agents), 'agent')}" if spec.agents else "for every agent"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _webhook_terms(tool: Webhook) -> Iterable[str]:
    spec = tool.spec
    yield f"answers within {spec.deadline_s:g} s" if spec.mode == "sync" else "runs in the background"
    yield f"{spec.retry.count} retries on {', '.join(spec.retry.on)}" if spec.retry.count else "no retries"
    yield f"auth: {spec.auth.type}"
    if spec.idempotency is not None:
        yield "run once per key"
    if spec.callback_url is not None:
        yield f"late results within {spec.late_s:g} s to the callback URL"


def request_lines(
    outgoing: Outgoing, catalog: Catalog, tool: Webhook, arguments: Mapping[str, object]
) -> list[str]:
    """Return a request as it would be sent, secrets and sensitive arguments masked."""
    clean = Redactor.of(catalog.secrets)
    hidden = {tool.auth[0].lower()} if tool.auth is not None else set()

    def shown(text: str) -> str:
        for secret in clean.secrets:
            text = text.replace(secret, MASK)
        return tool.mask.text(text, arguments)

    lines = [f"{outgoing.method} {shown(outgoing.url)}"]
    for name, value in outgoing.headers.items():
        masked = name.lower() in hidden or name.lower() == _SIGNATURE
        lines.append(f"{name}: {MASK if masked else shown(value)}")
    if outgoing.body:
        lines += ["", _pretty(shown(outgoing.body.decode("utf-8", "replace")))]
    return lines


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
