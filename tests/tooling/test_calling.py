"""Calling a tool for a person to see."""

import json
from typing import Any

import pytest

from gateway.tooling.calling import call
from tests.tools.workshop import CALL, after, catalog, says, serving

SECRET = "canary-0123456789"
KEY = "whsec_" + "a2V5LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="


async def called(*entries: dict[str, object], name: str = "book", **arguments: object) -> tuple[str, str]:
    """Call a tool; return what was said and how it failed."""
    said: list[str] = []
    shelf = catalog(*entries, env={"TOKEN": SECRET}, signing={"keys": [KEY]})
    failure = await call(shelf, name, arguments, CALL.agent_id, lambda *lines: said.extend(lines))
    return "\n".join(said), failure


async def test_request_answer_and_time_are_shown() -> None:
    """All that a person wants to know, and the endpoint was really asked."""
    async with serving(says('{"table": 7}')) as endpoint:
        text, failure = await called({"name": "book", "url": f"{endpoint.url}/book"}, people=4)

    assert failure == ""
    assert text.startswith(f"POST {endpoint.url}/book\n")
    assert "ok after " in text
    assert "requests: 1, HTTP 200" in text
    assert text.endswith('the agent would get:\n{"table": 7}')
    assert json.loads(endpoint.seen[0].body)["arguments"] == {"people": 4}


async def test_what_is_shown_is_what_was_sent() -> None:
    """Every id and key on the screen is found again in the endpoint's own log."""
    async with serving(says("ok")) as endpoint:
        text, _ = await called({"name": "book", "url": endpoint.url})

    [sent] = endpoint.seen
    for name in ("webhook-id", "webhook-timestamp", "Idempotency-Key", "traceparent"):
        assert f"\n{name}: {sent.headers[name]}\n" in text
    assert json.loads(sent.body)["tool_call_id"] in text


async def test_last_request_of_several_is_shown() -> None:
    """After a retry it is the second one that the answer belongs to."""
    retry = {"count": 1, "on": ["503"], "backoff_s": 0.0}
    async with serving(says("busy", 503), says("done")) as endpoint:
        text, failure = await called({"name": "book", "url": endpoint.url, "retry": retry})

    assert failure == ""
    assert '"attempt": 2' in text
    assert "requests: 2, HTTP 200" in text
    assert "busy" not in text


async def test_answer_is_shown_as_it_came_before_what_the_agent_would_get() -> None:
    """A pick that takes the wrong part, or none, is seen at once."""
    answer = says('{"table": {"text": "by the window"}, "internal": 7}', Content_Type="application/json")
    async with serving(answer) as endpoint:
        text, _ = await called(
            {"name": "book", "url": endpoint.url, "response": {"pick": "$.table.text"}}, people=4
        )

    exchange, _, got = text.partition("\nthe agent would get:\n")
    assert got == "by the window"
    assert "answered with\nHTTP 200, application/json; charset=utf-8, 51 bytes\n" in exchange
    assert '"internal": 7' in exchange


async def test_answer_that_failed_is_shown_too() -> None:
    """What the endpoint says of its own fault is what its author wants to read."""
    async with serving(says("KeyError: 'people'", 500)) as endpoint:
        text, failure = await called({"name": "book", "url": endpoint.url})

    assert failure == "http_500"
    assert "HTTP 500, text/plain; charset=utf-8, 18 bytes\n\nKeyError: 'people'\n" in text


async def test_request_without_an_answer_is_shown() -> None:
    """What nobody answered in time was sent all the same."""
    async with serving(after(5.0, says())) as endpoint:
        text, failure = await called({"name": "book", "url": endpoint.url, "deadline_s": 0.1})

    assert failure == "timeout"
    assert text.startswith(f"POST {endpoint.url}\n")
    assert "answered with" not in text


async def test_secrets_that_come_back_are_not_shown() -> None:
    """An endpoint that repeats all it was sent gives nothing away, nor does what the agent would get."""
    async with serving(says(f"Bearer {SECRET} \x1b[31m")) as endpoint:
        text, _ = await called(
            {"name": "book", "url": endpoint.url, "auth": {"type": "bearer", "token": "${TOKEN}"}}
        )

    assert endpoint.seen[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in text
    assert "\x1b" not in text
    assert "Bearer ******" in text


async def test_sensitive_values_are_not_shown() -> None:
    """Neither in the request nor in an answer that repeats them."""
    async with serving(says('{"card": "411122"}')) as endpoint:
        text, _ = await called({"name": "book", "url": endpoint.url, "sensitive": ["card"]}, card="411122")

    assert "411122" not in text
    assert b"411122" in endpoint.seen[0].body


@pytest.mark.parametrize("name", ["nobody", "book"])
async def test_call_that_sends_nothing_says_why(name: str) -> None:
    """An unknown tool, or arguments that do not fit: the agent's words are shown."""
    schema = {"type": "object", "properties": {"people": {"type": "integer"}}}
    text, failure = await called(
        {"name": "book", "url": "http://127.0.0.1:9/", "arguments": schema}, name=name, people="many"
    )

    assert failure == ("unknown_tool" if name == "nobody" else "bad_arguments")
    assert "POST" not in text
    assert "requests: 0" in text


@pytest.mark.parametrize(
    ("entry", "arguments", "deed"),
    [
        ({"builtin": "end_call"}, {}, "would end"),
        ({"builtin": "send_dtmf"}, {"digits": "12#"}, "3 keys"),
        ({"builtin": "press_hold"}, {}, "hold tone for at most 60 s"),
        ({"builtin": "transfer_call", "numbers": {"a": "+15005550009"}}, {"to": "a"}, "+15005550009"),
        ({"builtin": "get_call_info"}, {}, '"duration_s":0.0'),
    ],
)
async def test_built_in_tool_says_what_it_would_do(
    entry: dict[str, object], arguments: dict[str, Any], deed: str
) -> None:
    """There is no call to do it to."""
    text, failure = await called({"name": "book", **entry}, **arguments)

    assert (failure, deed in text) == ("", True)


async def test_background_tool_is_waited_for() -> None:
    """The agent goes on at once; the person at the terminal sees what came of it."""
    entry = {"name": "book", "mode": "background", "deadline_s": 0.01, "late_s": 5, "sensitive": ["card"]}
    async with serving(after(0.05, says('{"card": "411122", "table": 7}'))) as endpoint:
        text, failure = await called({**entry, "url": endpoint.url}, card="411122")

    at_once, _, later = text.partition("\nit runs on for at most 5 s ...\n")
    assert failure == ""
    assert at_once == 'the agent would get at once:\n{"status": "accepted"}\n'
    assert later.startswith(f"\nPOST {endpoint.url}\n")
    assert "answered with\nHTTP 200" in later
    assert later.endswith('the result, which goes nowhere:\n{"card": "••••", "table": 7}')
    assert "411122" not in text


async def test_background_tool_that_fails_later_has_failed() -> None:
    """An exit status of 0 would say that all went well."""
    async with serving(says("broken", 500)) as endpoint:
        text, failure = await called({"name": "book", "url": endpoint.url, "mode": "background"})

    assert failure == "http_500"
    assert text.endswith("The tool book failed with HTTP status 500.")


async def test_background_tool_has_no_longer_than_it_has() -> None:
    """When its time is over the command is, too."""
    entry = {"name": "book", "mode": "background", "deadline_s": 0.05, "late_s": 0.1}
    async with serving(after(5.0, says())) as endpoint:
        text, failure = await called({**entry, "url": endpoint.url})

    assert failure == "timeout"
    assert "it runs on for at most 0.1 s" in text


async def test_result_that_is_too_late_for_the_agent_is_shown_and_delivered() -> None:
    """The callback URL gets it as it would in a call."""
    async with serving(after(0.3, says("done"))) as endpoint, serving(says()) as callback:
        text, failure = await called(
            {"name": "book", "url": endpoint.url, "deadline_s": 0.05, "callback_url": f"{callback.url}/late"}
        )

    assert failure == ""
    assert "timeout after " in text
    assert text.endswith("the result, which goes to the callback URL:\ndone")
    assert json.loads(callback.seen[0].body)["output"] == "done"


async def test_background_tool_that_never_began_is_not_waited_for() -> None:
    """Arguments that make no key make no run either."""
    text, failure = await called(
        {
            "name": "book",
            "url": "http://127.0.0.1:9/",
            "mode": "background",
            "idempotency": {"key": "{{ arguments.order }}"},
        }
    )

    assert failure == "bad_template"
    assert "it runs on" not in text
