"""What is sent to a tool's endpoint. PURE: the time, the ids and the keys are arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from gateway.egress.client import Outgoing
from gateway.egress.signing import SigningKey, sign
from gateway.tools.catalog import Webhook
from gateway.tools.question import Question, call_facts


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of one run of a tool.

    Attributes:
        run_id: 32 hexadecimal digits; the same for every attempt of the run.
        key: the ``Idempotency-Key``.
        number: from 1.
        now: an aware time, for templates and the signature.
        span_id: 16 hexadecimal digits: this request, in the call's trace.
    """

    run_id: str
    key: str
    number: int
    now: datetime
    span_id: str


def scope(question: Question, now: datetime) -> dict[str, object]:
    """Return what a tool's templates see."""
    return {"arguments": dict(question.arguments), "call": call_facts(question.call), "now": now}


def build(webhook: Webhook, question: Question, attempt: Attempt, signing: Sequence[SigningKey]) -> Outgoing:
    """Write the request of one attempt.

    Raises:
        ToolError: a template cannot be filled; the message is meant for the agent.
    """
    seen = scope(question, attempt.now)
    body = _body(webhook, question, attempt, seen)
    headers = {name: template.render(seen) for name, template in webhook.headers.items()}
    if webhook.auth is not None:
        headers[webhook.auth[0]] = webhook.auth[1]
    if body is not None:
        headers["Content-Type"] = webhook.spec.content_type
    headers |= sign(signing, f"tool_{attempt.run_id}", int(attempt.now.timestamp()), body or b"")
    headers["Idempotency-Key"] = attempt.key
    headers["traceparent"] = f"00-{question.call.call_id}-{attempt.span_id}-01"
    repeatable = webhook.idempotency is not None
    return Outgoing(webhook.spec.method, _url(webhook, seen), headers, body, repeatable)


def _url(webhook: Webhook, seen: Mapping[str, object]) -> str:
    url = webhook.url.render(seen)
    query = urlencode({name: template.render(seen) for name, template in webhook.query.items()})
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _body(webhook: Webhook, question: Question, attempt: Attempt, seen: Mapping[str, object]) -> bytes | None:
    if webhook.spec.method in ("GET", "DELETE"):
        return None
    if webhook.body is not None:
        return webhook.body.render(seen)
    return dump(
        {
            "tool_call_id": question.tool_call_id,
            "tool": question.tool,
            "arguments": question.arguments,
            "call": seen["call"],
            "attempt": attempt.number,
        }
    )


def dump(value: object) -> bytes:
    """Write JSON as endpoints get it; what JSON cannot hold is written as text."""
    return msgspec.json.encode(value, enc_hook=str)
