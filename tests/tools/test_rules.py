"""What must hold between the values of a tool, and between tools."""

from collections.abc import Sequence

import pytest

from gateway.tools.faults import Faults
from gateway.tools.rules import check, check_names
from gateway.tools.spec import BuiltinTool, WebhookTool
from gateway.tools.tables import Entry

FIRST, SECOND = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11", "9d3e4a10-1c2b-4d5e-8f90-a1b2c3d4e5f6"


def broken(spec: WebhookTool | BuiltinTool, doubted: Sequence[str] = ()) -> list[str]:
    """Return the places of the rules that a tool breaks, in which one value may be a stand-in."""
    faults = Faults().doubting([doubted] if doubted else [])
    check(Entry(spec, faults))
    assert all("; " in line for line in faults.lines)
    return [line.partition(": ")[0] for line in faults.lines]


def webhook(**values: object) -> WebhookTool:
    """Return a tool with an endpoint."""
    return WebhookTool.model_validate({"name": "book", "url": "https://h.example", **values})


def builtin(kind: str, **values: object) -> BuiltinTool:
    """Return a built-in tool."""
    return BuiltinTool.model_validate({"name": "x", "builtin": kind, **values})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"response": {"pick": "$.a"}},
        {"response": {"template": "{{ answer.text }}", "limit_kb": 1}},
        {"response": {"output": "done"}},
        {"method": "GET", "query": {"a": "b"}},
        {"method": "PUT", "body": {"a": 1}},
        {"body": {"a": 1}, "content_type": "application/vnd.api+json"},
        {"body": "a", "content_type": "text/plain"},
        {"deadline_s": 1},
        {"deadline_s": 1, "connect_s": 1},
        {"retry": {"count": 1, "on": ["5xx"], "backoff_s": 0}},
        {"retry": {}},
        {"mode": "background", "accepted": "ok", "late_s": 5},
        {"mode": "background", "response": {"pick": "$.a"}, "callback_url": "https://h.example/late"},
        {"callback_url": "https://h.example/late", "deadline_s": 10, "late_s": 11},
        {"comfort": {"filler_s": 1, "hold_s": 2}},
        {"comfort": {"filler_s": 0, "hold_s": 0.5}},
        {"comfort": {"filler_s": 3}},
        {"content_type": "application/json", "accepted": '{"status": "accepted"}', "late_s": 60},
        {"retry": {"count": 0, "on": ["connect", "429", "503"]}, "connect_s": 2, "deadline_s": 1},
        {"mode": "background", "comfort": {"filler_s": 2}},
    ],
)
def test_what_goes_together(values: dict[str, object]) -> None:
    """Sensible tools break no rule, and a default may be written out anywhere."""
    assert broken(webhook(**values)) == []


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ({"response": {"pick": "$.a", "output": "x"}}, ["response"]),
        ({"response": {"pick": "$.a", "template": "x"}}, ["response"]),
        ({"response": {"output": "for {{ arguments.a }}"}}, ["response.output"]),
        ({"accepted": "{{ call.id }}", "mode": "background"}, ["accepted"]),
        ({"method": "GET", "body": {"a": 1}}, ["body"]),
        ({"method": "DELETE", "body": "a", "content_type": "text/plain"}, ["body"]),
        ({"body": {"a": 1}, "content_type": "text/plain"}, ["body"]),
        ({"content_type": "text/plain"}, ["content_type"]),
        ({"deadline_s": 1, "connect_s": 1.5}, ["connect_s"]),
        ({"retry": {"on": ["5xx"]}}, ["retry.count"]),
        ({"retry": {"count": 0, "backoff_s": 1}}, ["retry.count"]),
        ({"accepted": "ok"}, ["accepted"]),
        ({"late_s": 30}, ["late_s"]),
        ({"callback_url": "https://h.example/late", "deadline_s": 60}, ["late_s"]),
        ({"mode": "background", "comfort": {"filler_s": 1}}, ["comfort"]),
        ({"comfort": {"filler_s": 2, "hold_s": 2}}, ["comfort.hold_s"]),
        ({"comfort": {"hold_s": 1}}, ["comfort.hold_s"]),
    ],
)
def test_what_does_not(values: dict[str, object], places: list[str]) -> None:
    """Each rule names the value to change and says how."""
    assert broken(webhook(**values)) == places


def test_every_broken_rule_is_told() -> None:
    """One does not hide another."""
    spec = webhook(method="GET", body={}, late_s=9, accepted="x", connect_s=9)

    assert broken(spec) == ["body", "connect_s", "accepted", "late_s"]


@pytest.mark.parametrize(
    ("spec", "places"),
    [
        (builtin("end_call"), []),
        (builtin("transfer_call", numbers={"a": "+15005550006"}, ring_timeout_s=9), []),
        (builtin("transfer_call"), ["numbers"]),
        (builtin("end_call", numbers={"a": "+15005550006"}), ["numbers"]),
        (builtin("press_hold", ring_timeout_s=31), ["ring_timeout_s"]),
        (builtin("get_call_info", comfort={"hold_s": 1}), ["comfort.hold_s"]),
    ],
)
def test_numbers_are_for_transfers_only(spec: BuiltinTool, places: list[str]) -> None:
    """A transfer needs numbers, no other tool may have them."""
    assert broken(spec) == places


@pytest.mark.parametrize(
    ("values", "doubted", "places"),
    [
        ({"accepted": "ok"}, "mode", []),
        ({"accepted": "ok"}, "accepted", []),
        ({"accepted": "ok"}, "method", ["accepted"]),
        ({"late_s": 30}, "callback_url", []),
        ({"deadline_s": 1, "connect_s": 1.5}, "deadline_s", []),
        ({"body": {"a": 1}, "content_type": "text/plain"}, "content_type", []),
        ({"comfort": {"filler_s": 2, "hold_s": 2}}, "comfort", []),
        ({"method": "GET", "body": "x"}, "content_type", ["body"]),
        ({"response": {"pick": "$.a", "output": "x"}}, "response.pick", ["response"]),
    ],
)
def test_what_has_a_stand_in_breaks_no_rule(
    values: dict[str, object], doubted: str, places: list[str]
) -> None:
    """A rule is passed over where its outcome may follow from a fault that has been told; no other is."""
    assert broken(webhook(**values), doubted.split(".")) == places


@pytest.mark.parametrize(
    ("names", "agents", "taken"),
    [
        (["a", "b"], [[], []], []),
        (["a", "A"], [[], []], []),
        (["a", "a*"], [[], []], []),
        (["a", "a"], [[], []], [1]),
        (["a*", "a*"], [[], []], [1]),
        (["a", "a", "a"], [[], [], []], [1, 2]),
        (["a", "a"], [[FIRST], [SECOND]], []),
        (["a", "a"], [[FIRST], []], [1]),
        (["a", "a"], [[FIRST, SECOND], [SECOND]], [1]),
        (["a", "b", "a"], [[FIRST], [], [SECOND]], []),
    ],
)
def test_a_name_is_taken_once_for_each_agent(
    names: list[str], agents: list[list[str]], taken: list[int]
) -> None:
    """The later of two tools that one agent could mean is told the earlier one."""
    faults = Faults()
    entries = [
        Entry(webhook(name=name, agents=ids), faults.of(f"tools[{number}]"))
        for number, (name, ids) in enumerate(zip(names, agents, strict=True))
    ]
    check_names(entries)

    assert [line.partition(": name: is that of tools[0], ")[0] for line in faults.lines] == [
        f"tools[{number}]" for number in taken
    ]


@pytest.mark.parametrize(
    ("doubted", "agents", "told"),
    [
        ((), [], 1),
        (("name",), [], 0),
        (("agents", 0), [], 1),
        (("agents", 0), [FIRST], 0),
        (("agents", 0), [SECOND], 1),
    ],
)
def test_a_name_in_doubt_is_not_taken(doubted: tuple[str | int, ...], agents: list[str], told: int) -> None:
    """Of two tools with one name the first is for an agent, and for another whose id is no UUID."""
    first = Faults().doubting([doubted] if doubted else [])
    spec = webhook(agents=[SECOND] if doubted and agents != [FIRST] else [])
    check_names([Entry(spec, first), Entry(webhook(agents=agents), Faults(lines=first.lines))])

    assert len(first.lines) == told
