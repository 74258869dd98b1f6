"""Calling a tool for a person to see."""

import json
from typing import Any

import pytest

from gateway.tooling.calling import call
from tests.tools.workshop import CALL, catalog, says, serving


async def called(*entries: dict[str, object], name: str = "book", **arguments: object) -> tuple[str, str]:
    """Call a tool; return what was said and how it failed."""
    said: list[str] = []
    outcome = await call(catalog(*entries), name, arguments, CALL.agent_id, lambda *lines: said.extend(lines))
    return "\n".join(said), outcome.failure


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


async def test_sensitive_values_are_not_shown() -> None:
    """Neither in the request nor in an answer that repeats them."""
    async with serving(says('{"card": "4111"}')) as endpoint:
        text, _ = await called({"name": "book", "url": endpoint.url, "sensitive": ["card"]}, card="4111")

    assert "4111" not in text
    assert b"4111" in endpoint.seen[0].body


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
