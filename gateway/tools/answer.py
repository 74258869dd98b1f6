"""What the agent gets of an endpoint's answer. PURE."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from gateway.egress.client import Answer
from gateway.errors import ToolError
from gateway.tools.catalog import Webhook

EMPTY_OUTPUT = "ok"
"""What the agent gets of a good answer without a body: an empty output would tell it nothing."""

_Kind = Literal["json", "text", "other"]


def read(webhook: Webhook, name: str, answer: Answer, facts: Mapping[str, object]) -> str:
    """Return the output for the agent.

    Args:
        name: of the tool, as the agent called it.
        facts: what the tool's templates see; the answer is added.

    Raises:
        ToolError: a status other than 2xx, or a body that is not what was promised; the message is meant
            for the agent.
    """
    if not 200 <= answer.status < 300:
        raise ToolError(
            f"The tool {name} failed with HTTP status {answer.status}.", reason=f"http_{answer.status}"
        )
    response = webhook.spec.response
    if response.output is not None:
        return response.output
    text, kind = _text(name, answer), _kind(answer)
    if webhook.pick is not None:
        return webhook.pick.text(_json(name, text))
    value = _json(name, text) if kind == "json" and text else None
    if webhook.response is not None:
        return webhook.response.render({**facts, "answer": {"json": value, "text": text}})
    return text or EMPTY_OUTPUT


def _kind(answer: Answer) -> _Kind:
    """Say what a body claims to be; one that claims nothing is text."""
    kind = answer.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return "json"
    # A page for people is what a proxy or a login puts in the place of an answer.
    return "text" if kind.startswith("text/") and kind != "text/html" else "other"


def _text(name: str, answer: Answer) -> str:
    if answer.body and _kind(answer) == "other":
        raise ToolError(f"The answer of the tool {name} is neither JSON nor plain text.", reason="wrong_type")
    try:
        return answer.body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ToolError(f"The answer of the tool {name} is not UTF-8 text.", reason="not_text") from None


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ToolError(f"The answer of the tool {name} is not JSON.", reason="bad_json") from None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
