"""What stands in for what is faulty."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.tools.spec import BearerAuth, BuiltinTool, NoAuth, Table, WebhookTool
from gateway.tools.stand_ins import standing_in

NONSENSE = datetime(2026, 1, 1, tzinfo=UTC)
AGENT = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"


def webhook(**values: object) -> WebhookTool:
    """Return what stands in for a tool with these values."""
    made = standing_in(WebhookTool, {"name": "book", "url": "https://h.example", **values})
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("values", "key", "read"),
    [
        ({"deadline_s": 99}, "deadline_s", 5.0),
        ({"method": "FETCH"}, "method", "POST"),
        ({"url": ""}, "url", "stand-in"),
        ({"callback_url": 5}, "callback_url", "stand-in"),
        ({"headers": {"X-A": 5, "X-B": "b"}}, "headers", {"X-A": "stand-in", "X-B": "b"}),
        ({"agents": ["x", AGENT, 5]}, "agents", (AGENT,)),
        ({"sensitive": [5, "pin"]}, "sensitive", ("stand-in", "pin")),
        ({"auth": {"type": "none", "token": "x"}}, "auth", NoAuth()),
        ({"auth": {"type": "bearer"}}, "auth", BearerAuth(type="bearer", token="stand-in")),
        ({"auth": {"type": "beer", "token": "x"}}, "auth", NoAuth()),
        ({"body": 5}, "body", "stand-in"),
        ({"zzz": NONSENSE, "mode": "background"}, "mode", "background"),
    ],
)
def test_what_is_given_counts_as_given_if_it_may_be_a_text(
    values: dict[str, object], key: str, read: object
) -> None:
    """Texts have a text for a stand-in, anything else its default; what is right is kept."""
    assert getattr(webhook(**values), key) == read


def test_builtins_have_stand_ins_too() -> None:
    """A number and the kind of a builtin are texts that not every text will do for."""
    made = standing_in(BuiltinTool, {"numbers": {"a": "1", "b": 2}})
    assert made is not None

    assert made == standing_in(BuiltinTool, {"builtin": "hang_up", "numbers": {"a": "1", "b": 2}})
    assert (made.name, made.builtin) == ("stand-in", "end_call")
    assert made.numbers == {"a": "+15005550006", "b": "+15005550006"}


def test_a_document_is_left_as_it_is() -> None:
    """Stand-ins are put into a copy."""
    document: dict[str, Any] = {"name": "book", "url": 5, "retry": {"on": [5], "counts": 1}}
    standing_in(WebhookTool, document)

    assert document == {"name": "book", "url": 5, "retry": {"on": [5], "counts": 1}}


def test_where_nothing_will_do_there_is_no_stand_in() -> None:
    """A table that wants what no stand-in is cannot be read."""

    class Counted(Table):
        count: int

    assert standing_in(Counted, {"count": "x"}) is None
    assert standing_in(Counted, {"count": 3, "counts": 4}) == Counted(count=3)
