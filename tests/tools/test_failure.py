"""What the agent gets when a tool has failed."""

import json
from datetime import UTC, datetime

import pytest

from gateway.errors import ToolError
from gateway.tools.failure import failed
from tests.tools.workshop import CALL, catalog, question

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ERROR = ToolError("The tool book did not answer within 5 seconds.", reason="timeout")


def told(on_error: str | None) -> str:
    """Return the output of a failed tool whose entry says what is told."""
    keys = {} if on_error is None else {"on_error": on_error}
    tool = catalog({"name": "book", "url": "https://example.com/book", **keys}).find("book", CALL.agent_id)
    return failed(tool, question(people=4), ERROR, NOW).output


@pytest.mark.parametrize("tool", ["known", "unknown"])
def test_failure_is_json_that_can_be_read_aloud_from(tool: str) -> None:
    """The message, and a reason that does not change."""
    output = told(None) if tool == "known" else failed(None, question(), ERROR, NOW).output

    assert json.loads(output) == {"error": str(ERROR), "reason": "timeout"}


def test_tool_may_have_words_of_its_own() -> None:
    """A template that sees the arguments, the call and the error."""
    assert (
        told("{{ arguments.people }} {{ now.year }} {{ call.to }} {{ error.reason }}")
        == f"4 2026 {CALL.called_number} timeout"
    )


def test_words_that_cannot_be_made_give_way_to_the_plain_form() -> None:
    """A mistake in ``on_error`` does not hide the failure."""
    assert json.loads(told("{{ arguments.nobody }}"))["reason"] == "timeout"


def test_outcome_says_why() -> None:
    """The slug stands in the outcome as well, for records and metrics."""
    assert failed(None, question(), ERROR, NOW).failure == "timeout"
