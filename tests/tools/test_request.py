"""What is sent to a tool's endpoint."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from standardwebhooks import Webhook as Receiver

from gateway.egress.client import Outgoing
from gateway.egress.signing import SigningKey
from gateway.errors import ToolError
from gateway.tools.catalog import Webhook
from gateway.tools.request import Attempt, build, dump
from tests.tools.workshop import CALL, catalog, question

KEY = "whsec_" + "a2V5LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="
NOW = datetime.now(UTC)


def built(number: int = 1, **keys: object) -> Outgoing:
    """Return the request of a tool."""
    tool = catalog({"name": "book", "url": "https://example.com/book?v=2", **keys}).find(
        "book", CALL.agent_id
    )
    assert isinstance(tool, Webhook)
    attempt = Attempt("r" * 32, "the-key", number, NOW, "5" * 16)
    return build(tool, question(people=4, name="Ada & Eve"), attempt, [SigningKey.parse(KEY)])


def test_default_body_tells_all_of_the_question() -> None:
    """The tool call, its arguments by name, the call it belongs to, and which try this is."""
    outgoing = built(number=2)
    assert outgoing.body is not None

    assert (outgoing.method, outgoing.url) == ("POST", "https://example.com/book?v=2")
    assert outgoing.headers["Content-Type"] == "application/json"
    assert json.loads(outgoing.body) == {
        "tool_call_id": "t-1",
        "tool": "book",
        "arguments": {"people": 4, "name": "Ada & Eve"},
        "call": {
            "id": CALL.call_id,
            "from": CALL.caller_number,
            "to": CALL.called_number,
            "direction": "inbound",
            "agent": CALL.agent_id,
            "context": {},
        },
        "attempt": 2,
    }


def test_request_is_signed_for_the_stock_receiver() -> None:
    """The signature is over the very bytes that are sent."""
    outgoing = built()
    assert outgoing.body is not None
    headers = {name.lower(): value for name, value in outgoing.headers.items()}

    assert Receiver(KEY).verify(outgoing.body, headers)["tool"] == "book"
    assert headers["webhook-id"] == "tool_" + "r" * 32


def test_request_can_be_told_from_others_and_found_again() -> None:
    """The idempotency key is the run's, the trace the call's, the span the attempt's."""
    headers = built().headers

    assert headers["Idempotency-Key"] == "the-key"
    assert headers["traceparent"] == f"00-{CALL.call_id}-{'5' * 16}-01"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_methods_without_a_body_have_none(method: str) -> None:
    """Nor a content type; the signature is over nothing."""
    outgoing = built(method=method, query={"people": "{{ arguments.people }}", "who": "{{ arguments.name }}"})

    assert (outgoing.method, outgoing.body) == (method, None)
    assert "Content-Type" not in outgoing.headers
    assert parse_qs(urlsplit(outgoing.url).query) == {"v": ["2"], "people": ["4"], "who": ["Ada & Eve"]}


def test_query_begins_where_the_url_has_none() -> None:
    """Question mark or ampersand, as it must be."""
    url = built(url="https://example.com/{{ arguments.people }}", query={"q": "x"}).url

    assert url == "https://example.com/4?q=x"


def test_body_and_headers_come_from_their_templates() -> None:
    """A table keeps its types; a text is sent as it is written."""
    table = built(body={"size": "{{ arguments.people }}", "note": "for {{ arguments.name }}"})
    text = built(
        body="size={{ arguments.people }}", content_type="text/plain", headers={"X-To": "{{ call.to }}"}
    )

    assert json.loads(table.body or b"") == {"size": 4, "note": "for Ada & Eve"}
    assert (text.body, text.headers["Content-Type"]) == (b"size=4", "text/plain")
    assert text.headers["X-To"] == CALL.called_number


def test_auth_shows_who_we_are() -> None:
    """The header that the entry's auth makes."""
    assert built(auth={"type": "bearer", "token": "t0ken"}).headers["Authorization"] == "Bearer t0ken"


def test_missing_argument_is_told_to_the_agent() -> None:
    """A template that cannot be filled sends nothing."""
    with pytest.raises(ToolError) as failed:
        built(headers={"X-Size": "{{ arguments.size }}"})

    assert failed.value.reason == "bad_template"


def test_what_json_cannot_hold_is_written_as_text() -> None:
    """A value from the operator's context may be a date."""
    assert json.loads(dump({"at": datetime(2026, 11, 26, tzinfo=UTC)}))["at"].startswith("2026-11-26")
