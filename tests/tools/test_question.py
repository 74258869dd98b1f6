"""A tool call and what came of it."""

from dataclasses import replace

from gateway.tools.question import ComfortPlan, Question, ToolOutcome, call_facts
from tests.tools.workshop import CALL


def test_facts_of_a_call_are_what_endpoints_are_told() -> None:
    """Who talks to whom, which way, with whose agent, and what the operator gave it to know."""
    call = replace(CALL, direction="outbound", context={"customer": "Ada"})

    assert call_facts(call) == {
        "id": CALL.call_id,
        "from": "+15005550006",
        "to": "+15005550001",
        "direction": "outbound",
        "agent": CALL.agent_id,
        "context": {"customer": "Ada"},
    }


def test_nothing_of_the_content_is_shown() -> None:
    """What was asked, answered or said does not stand in a repr, which a log may get hold of."""
    shown = repr(
        (
            Question("t-1", "book", {"card": "canary"}, replace(CALL, caller_number="canary")),
            ToolOutcome("canary", kept="canary"),
            ComfortPlan(filler=b"canary"),
        )
    )

    assert "canary" not in shown
