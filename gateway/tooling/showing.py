"""How tools, requests and answers are shown to people: readable, and without a secret. PURE."""

import json
from collections.abc import Iterable, Mapping

from gateway.egress.client import Answer, Outgoing
from gateway.telemetry.redact import MASK, Redactor, escape
from gateway.tools.catalog import Builtin, Catalog, Webhook

_SIGNATURE = "webhook-signature"
_MOST_SHOWN_BYTES = 2_048


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


class Cleaner:
    """Masks in texts what nobody is to see. Lives as long as one tool call is shown.

    Args:
        catalog: whose secrets are masked.
        tool: whose auth and whose sensitive arguments are.
        arguments: as they were asked, or sent.
    """

    def __init__(self, catalog: Catalog, tool: Webhook, arguments: Mapping[str, object]) -> None:
        self._mask = tool.mask
        self._arguments = arguments
        self._secrets = Redactor.of(form for one in catalog.secrets for form in _spellings(one)).secrets
        self._hidden = {_SIGNATURE} | ({tool.auth[0].lower()} if tool.auth is not None else set())

    def text(self, text: str) -> str:
        """Return a text without secrets and sensitive values."""
        return self._mask.text(self._without_secrets(text), self._arguments)

    def header(self, name: str, value: str) -> str:
        """Return what may be shown of a header's value."""
        return MASK if name.lower() in self._hidden else self.text(value)

    def body(self, body: bytes) -> str:
        """Return a body, JSON as one writes it for people."""
        pretty = _pretty(self.text(body.decode("utf-8", "replace")))
        return self._without_secrets(pretty)  # an escape may have hidden one

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def request_lines(
    outgoing: Outgoing, catalog: Catalog, tool: Webhook, arguments: Mapping[str, object]
) -> list[str]:
    """Return a request as it is sent, secrets and sensitive arguments masked."""
    clean = Cleaner(catalog, tool, arguments)
    lines = [f"{outgoing.method} {clean.text(outgoing.url)}"]
    lines += [f"{name}: {clean.header(name, value)}" for name, value in outgoing.headers.items()]
    if outgoing.body:
        lines += ["", clean.body(outgoing.body)]
    return lines


def answer_lines(
    answer: Answer, catalog: Catalog, tool: Webhook, arguments: Mapping[str, object]
) -> list[str]:
    """Return an answer as it came: status, content type, 2 kB of its body; masked as requests are."""
    clean = Cleaner(catalog, tool, arguments)
    kind = clean.text(answer.headers.get("content-type", "no content type"))
    lines = [f"HTTP {answer.status}, {printable(kind)}, {_counted(len(answer.body), 'byte')}"]
    if answer.body:
        lines += ["", _shortened(printable(clean.body(answer.body)))]
    return lines


def _shortened(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _MOST_SHOWN_BYTES:
        return text
    return f"{encoded[:_MOST_SHOWN_BYTES].decode(errors='ignore')} … (and more)"


def printable(text: str) -> str:
    """Return a text whose lines move no cursor and change no colour."""
    return "\n".join(escape(line.rstrip("\r")) for line in text.split("\n"))


def _spellings(secret: str) -> set[str]:
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
