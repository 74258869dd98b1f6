"""What the agent gets of an endpoint's answer."""

import json

import pytest

from gateway.egress.client import Answer
from gateway.errors import ToolError
from gateway.tools.answer import EMPTY_OUTPUT, read
from gateway.tools.catalog import Webhook
from tests.tools.workshop import CALL, catalog

JSON = "application/json; charset=utf-8"


def output(body: bytes, kind: str | None = JSON, status: int = 200, **response: object) -> str:
    """Return what the agent gets of an answer."""
    entry = {"name": "book", "url": "https://example.com/", "response": response}
    tool = catalog(entry).find("book", CALL.agent_id)
    assert isinstance(tool, Webhook)
    headers = {} if kind is None else {"content-type": kind}
    return read(
        tool, "book", Answer(status, headers, body), {"arguments": {"people": 4}, "call": {}, "now": 0}
    )


def failure(body: bytes, kind: str | None = JSON, status: int = 200, **response: object) -> ToolError:
    """Return why an answer is none."""
    with pytest.raises(ToolError) as failed:
        output(body, kind, status, **response)
    return failed.value


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b'{"free": true}', JSON, '{"free": true}'),
        (b'\xef\xbb\xbf{"free": true}\n', "APPLICATION/JSON", '{"free": true}'),
        (b"[1]", "application/problem+json", "[1]"),
        ("Gute Fahrt, Zoë".encode(), "text/plain", "Gute Fahrt, Zoë"),
        (b"plain", None, "plain"),
        (b"a,b", "text/csv", "a,b"),
        (b"", JSON, EMPTY_OUTPUT),
        (b" \n", "text/plain", EMPTY_OUTPUT),
        (b"", "image/png", EMPTY_OUTPUT),
    ],
)
def test_good_answer_is_the_output(body: bytes, kind: str | None, text: str) -> None:
    """JSON and text go to the agent as they are; an empty body says that it went well."""
    assert output(body, kind) == text


def test_no_content_is_good() -> None:
    """204 has no body and needs none."""
    assert output(b"", None, 204) == EMPTY_OUTPUT


@pytest.mark.parametrize("status", [100, 199, 300, 302, 400, 404, 500, 599])
def test_other_statuses_are_failures(status: int) -> None:
    """A redirect is one as well: nothing is followed."""
    assert failure(b"{}", status=status).reason == f"http_{status}"


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"{", JSON, "bad_json"),
        (b"{} {}", JSON, "bad_json"),
        (b'{"n": NaN}', JSON, "bad_json"),
        (b"[" * 100_000, JSON, "bad_json"),
        (b"\xff\xfe", JSON, "not_text"),
        (b"\xff", "text/plain", "not_text"),
        (b"<html>Sign in</html>", "text/html", "wrong_type"),
        (b"\x89PNG", "image/png", "wrong_type"),
        (b"{}", "application/octet-stream", "wrong_type"),
    ],
)
def test_answer_that_is_not_what_it_claims_is_a_failure(body: bytes, kind: str, reason: str) -> None:
    """The agent is told which, in words without the body."""
    error = failure(body, kind)

    assert error.reason == reason
    assert "book" in str(error)
    assert "Sign in" not in str(error)


@pytest.mark.parametrize(
    ("path", "text"), [("$.table.number", "7"), ("$.table.place", "terrace"), ("$.guests[1]", "Eve")]
)
def test_part_of_an_answer_is_picked(path: str, text: str) -> None:
    """A JSONPath says which; the content type does not matter then."""
    body = json.dumps({"table": {"number": 7, "place": "terrace"}, "guests": ["Ada", "Eve"]}).encode()

    assert output(body, "text/plain", pick=path) == text


def test_part_that_is_missing_is_a_failure() -> None:
    """The agent hears that the answer lacks it."""
    assert failure(b"{}", pick="$.table").reason == "no_match"


def test_pick_from_what_is_no_json_is_a_failure() -> None:
    """There is nothing to pick from."""
    assert failure(b"table 7", "text/plain", pick="$.table").reason == "bad_json"


def test_template_makes_the_output() -> None:
    """It sees the answer beside what every template sees."""
    template = "Table {{ answer.json.number }} for {{ arguments.people }}."

    assert output(b'{"number": 7}', template=template) == "Table 7 for 4."
    assert output(b"yes", "text/plain", template="It says {{ answer.text }}.") == "It says yes."


def test_fixed_output_needs_no_answer() -> None:
    """What the agent is told does not depend on the body."""
    assert output(b"\xff", "image/png", output="Booked.") == "Booked."
