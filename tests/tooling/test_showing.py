"""How requests and tools are shown to people."""

from datetime import UTC, datetime

from gateway.tooling import showing
from gateway.tools import request
from gateway.tools.catalog import Builtin, Webhook
from tests.tools.workshop import CALL, catalog, question

SECRET = "canary-0123456789"
KEY = "whsec_" + "a2V5LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="


def shown(**keys: object) -> str:
    """Return a request as a person sees it."""
    shelf = catalog(
        {"name": "book", "url": "https://example.com/book", **keys},
        signing={"keys": [KEY]},
        env={"TOKEN": SECRET},
    )
    tool = shelf.find("book", CALL.agent_id)
    assert isinstance(tool, Webhook)
    asked = question(card="4111111111111111", people=4)
    attempt = request.Attempt("r" * 32, "key", 1, datetime.now(UTC), "5" * 16)
    outgoing = request.build(tool, asked, attempt, shelf.signing)
    return "\n".join(showing.request_lines(outgoing, shelf, tool, asked.arguments))


def test_request_is_readable() -> None:
    """Method and URL, a header a line, the body as one writes JSON."""
    text = shown()

    assert text.startswith("POST https://example.com/book\n")
    assert '\n  "arguments": {\n    "card": "4111111111111111",\n    "people": 4\n  },' in text
    assert "webhook-signature: ******" in text


def test_secrets_are_masked_wherever_they_stand() -> None:
    """In the auth header, in any other, in the query and in the body."""
    text = shown(
        auth={"type": "header", "header": "X-Key", "value": "${TOKEN}"},
        headers={"X-Other": "key ${TOKEN}"},
        query={"k": "${TOKEN}"},
        body={"k": "${TOKEN}", "card": "{{ arguments.card }}"},
    )

    assert SECRET not in text
    assert "X-Key: ******" in text


def test_sensitive_arguments_are_masked() -> None:
    """What is nobody's business is not the terminal's either."""
    assert "4111" not in shown(sensitive=["card"])


def test_request_without_a_body_is_its_headers() -> None:
    """There is nothing to show below them."""
    assert shown(method="GET").splitlines()[-1].startswith("traceparent: ")


def test_body_that_is_no_json_is_shown_as_it_is() -> None:
    """A text stays a text."""
    assert shown(body="size={{ arguments.people }}", content_type="text/plain").endswith("\n\nsize=4")


def test_webhook_says_what_it_promises() -> None:
    """Where it goes, without its query, and on which terms."""
    tool = catalog(
        {
            "name": "book",
            "description": "Books a table.",
            "url": "https://example.com/book?key=canary",
            "retry": {"count": 2, "on": ["429"]},
            "idempotency": {"key": "{{ call.id }}"},
            "callback_url": "https://example.com/late",
            "sensitive": ["card"],
            "agents": [CALL.agent_id],
            "comfort": {"filler_s": 1.5, "hold_s": 4},
        }
    ).tools[0]
    text = "\n".join(showing.tool_lines(tool))

    assert isinstance(tool, Webhook)
    assert text.splitlines()[:2] == ["book  POST https://example.com/book", "  Books a table."]
    for term in (
        "answers within 5 s",
        "2 retries on 429",
        "run once per key",
        "late results within 60 s",
        "masked: card",
        "for 1 agent",
        "filler after 1.5 s",
        "hold tone after 4 s",
    ):
        assert term in text
    assert "canary" not in text


def test_background_tool_says_so() -> None:
    """It promises no answer in time, because it has one at once."""
    tool = catalog({"name": "mail", "url": "https://example.com/", "mode": "background"}).tools[0]

    assert "runs in the background" in "\n".join(showing.tool_lines(tool))


def test_built_in_tool_says_so() -> None:
    """There is nowhere it goes."""
    tool = catalog({"name": "hang_up", "builtin": "end_call", "comfort": {"filler_s": 0}}).tools[0]

    assert isinstance(tool, Builtin)
    assert showing.tool_lines(tool) == ["hang_up  (built in: end_call)", "  for every agent"]
