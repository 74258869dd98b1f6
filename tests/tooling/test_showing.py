"""How requests and tools are shown to people."""

from datetime import UTC, datetime

import pytest

from gateway.egress.client import Answer
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


def answered(body: bytes, kind: str | None = "text/plain", **keys: object) -> list[str]:
    """Return an answer as a person sees it."""
    shelf = catalog({"name": "book", "url": "https://example.com/book", **keys}, env={"TOKEN": SECRET})
    tool = shelf.find("book", CALL.agent_id)
    assert isinstance(tool, Webhook)
    headers = {} if kind is None else {"content-type": kind}
    return showing.answer_lines(Answer(200, headers, body), shelf, tool, {"card": "4111111111111111"})


@pytest.mark.parametrize(
    ("body", "kind", "lines"),
    [
        (b"", None, ["HTTP 200, no content type, 0 bytes"]),
        (b"x", "text/plain", ["HTTP 200, text/plain, 1 byte", "", "x"]),
        (b'{"a":1}', "application/json", ["HTTP 200, application/json, 7 bytes", "", '{\n  "a": 1\n}']),
        (b"{", "application/json", ["HTTP 200, application/json, 1 byte", "", "{"]),
        (b"a\r\nb", "text/plain", ["HTTP 200, text/plain, 4 bytes", "", "a\nb"]),
        (b"\xff\x1b[2J", "a\x1b[1m", ["HTTP 200, a\\x1b[1m, 5 bytes", "", "\ufffd\\x1b[2J"]),
    ],
    ids=["empty", "text", "json", "broken json", "lines", "what would move the cursor"],
)
def test_answer_is_readable(body: bytes, kind: str | None, lines: list[str]) -> None:
    """Its status, what it claims to be, its size, and the body, JSON as one writes it."""
    assert answered(body, kind) == lines


@pytest.mark.parametrize(("letter", "shown"), [("a", 2_048), ("ä", 1_024), ("€", 682)])
def test_long_answer_is_cut_at_two_kilobytes(letter: str, shown: int) -> None:
    """No character is cut in two, and the whole size is told."""
    first, _, body = answered(letter.encode() * 3_000)

    assert body == letter * shown + " … (and more)"
    assert first.endswith(f" {3_000 * len(letter.encode())} bytes")


def test_answer_of_two_kilobytes_is_shown_whole() -> None:
    """The limit itself is within it."""
    assert answered(b"a" * 2_048)[2] == "a" * 2_048


@pytest.mark.parametrize(
    "body",
    [
        SECRET,
        f'{{"echo": "{SECRET}"}}',
        '{"echo": "\\u0063anary-0123456789"}',
        '{"card": "4111 1111 1111 1111"}',
        "the card 4111111111111111",
        "x" * 2_040 + SECRET,
    ],
)
def test_answer_that_repeats_a_secret_is_masked(body: str) -> None:
    """In text and in JSON, however it is spelled, and where the cut goes through it."""
    auth = {"type": "bearer", "token": "${TOKEN}"}
    text = "\n".join(answered(body.encode(), auth=auth, sensitive=["card"]))

    assert "canary" not in text
    assert "4111" not in text


def test_secret_is_masked_as_json_spells_it() -> None:
    """A quotation mark in it is written with a backslash there."""
    shelf = catalog(
        {"name": "book", "url": "https://example.com/", "body": {"k": "${TOKEN}"}}, env={"TOKEN": 'ca"na"ry'}
    )
    tool = shelf.tools[0]
    assert isinstance(tool, Webhook)

    assert "na" not in showing.Cleaner(shelf, tool, {}).text(r'{"k": "ca\"na\"ry"}').replace("name", "")


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
