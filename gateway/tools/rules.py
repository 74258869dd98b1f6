"""What must hold between the values of a tool, each rule with the sentence for who broke it. PURE."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from pydantic import BaseModel

from gateway.tools.spec import BuiltinTool, WebhookTool
from gateway.tools.tables import ToolEntry
from gateway.tools.templates import is_json

_BODILESS: Final = ("GET", "DELETE")


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition.

    Attributes:
        place: the value to change, its keys joined by full stops.
        broken: tells whether a tool breaks the rule.
        sentence: what is wrong, and the fix.
        beside: further values without which the rule cannot be judged, written as the place is.
    """

    place: str
    broken: Callable[[Any], bool]
    sentence: str
    beside: tuple[str, ...] = ()


def _changed(spec: BaseModel, key: str) -> bool:
    """Tell whether a value is another than its default, which may be written out anywhere."""
    table, _, inner = key.partition(".")
    value = getattr(spec, table)
    return (
        _changed(value, inner)
        if inner
        else value != type(spec).model_fields[table].get_default(call_default_factory=True)
    )


def _early_hold(spec: WebhookTool | BuiltinTool) -> bool:
    return 0 < spec.comfort.hold_s <= spec.comfort.filler_s


_COMMON: Final = (
    Rule(
        "comfort.hold_s",
        _early_hold,
        "must be more than filler_s, since the hold tone follows the filler; raise it, or set filler_s = 0",
        beside=("comfort.filler_s",),
    ),
)
_WEBHOOK: Final = (
    *_COMMON,
    Rule(
        "response",
        lambda spec: (
            sum(one is not None for one in (spec.response.pick, spec.response.template, spec.response.output))
            > 1
        ),
        "has more than one of pick, template and output; keep the one that is to make the answer",
    ),
    Rule(
        "response.output",
        lambda spec: "{{" in (spec.response.output or ""),
        "is sent as it is written; use response.template for {{ … }}",
    ),
    Rule("accepted", lambda spec: "{{" in spec.accepted, "is sent as it is written; leave {{ … }} out"),
    Rule(
        "body",
        lambda spec: spec.body is not None and spec.method in _BODILESS,
        "cannot be sent with GET or DELETE; use query, or another method",
    ),
    Rule(
        "body",
        lambda spec: isinstance(spec.body, dict) and not is_json(spec.content_type),
        "is a table, which is sent as JSON, and content_type is another; write the body as text",
        beside=("content_type",),
    ),
    Rule(
        "content_type",
        lambda spec: _changed(spec, "content_type") and spec.body is None,
        "is for a body of your own; remove it: the body that is sent without one is JSON",
        beside=("body",),
    ),
    Rule(
        "connect_s",
        lambda spec: _changed(spec, "connect_s") and spec.connect_s > spec.deadline_s,
        "is more than deadline_s, which includes it; lower it",
        beside=("deadline_s",),
    ),
    Rule(
        "retry.count",
        lambda spec: (
            not spec.retry.count and any(_changed(spec, f"retry.{key}") for key in ("on", "backoff_s"))
        ),
        "is 0, so that nothing is ever repeated; set it, or remove the rest of retry",
    ),
    Rule(
        "accepted",
        lambda spec: _changed(spec, "accepted") and spec.mode != "background",
        'is what the agent gets at once of a tool in the background; set mode = "background", or remove it',
        beside=("mode",),
    ),
    Rule(
        "late_s",
        lambda spec: _changed(spec, "late_s") and spec.mode != "background" and spec.callback_url is None,
        "has no effect, since nobody waits for a late result; set callback_url, or remove it",
        beside=("mode", "callback_url"),
    ),
    Rule(
        "late_s",
        lambda spec: (
            spec.mode != "background" and spec.callback_url is not None and spec.late_s <= spec.deadline_s
        ),
        "must be more than deadline_s, or no result is ever late; raise it",
        beside=("mode", "deadline_s"),
    ),
    Rule(
        "comfort",
        lambda spec: _changed(spec, "comfort") and spec.mode == "background",
        "is never heard: the agent gets its answer at once; remove it, or mode",
    ),
)
_BUILTIN: Final = (
    *_COMMON,
    Rule(
        "numbers",
        lambda spec: spec.builtin == "transfer_call" and not spec.numbers,
        'is missing; write whom callers may be put through to, as in { support = "+15005550006" }',
    ),
    Rule(
        "numbers",
        lambda spec: spec.builtin != "transfer_call" and _changed(spec, "numbers"),
        'is for builtin = "transfer_call"; remove it',
        beside=("builtin",),
    ),
    Rule(
        "ring_timeout_s",
        lambda spec: spec.builtin != "transfer_call" and _changed(spec, "ring_timeout_s"),
        'is for builtin = "transfer_call"; remove it',
        beside=("builtin",),
    ),
)


def check(entry: ToolEntry) -> None:
    """Add the faults of one tool by itself; a rule that needs a value with a stand-in is passed over."""
    rules = _WEBHOOK if isinstance(entry.spec, WebhookTool) else _BUILTIN
    for rule in rules:
        unknown = any(entry.faults.at(*value.split(".")).is_doubtful for value in rule.beside)
        if not unknown and rule.broken(entry.spec):
            entry.faults.at(*rule.place.split(".")).add(rule.sentence)


def check_names(entries: Sequence[ToolEntry]) -> None:
    """Add a fault to each tool that has the name of an earlier one, for the same agents."""
    taken: set[int] = set()
    for (_, earlier), (number, later) in combinations(enumerate(entries), 2):
        if number not in taken and _same_name(earlier, later) and _overlap(earlier, later):
            taken.add(number)
            same = f"is that of {earlier.faults.entry}, for the same agents"
            later.faults.at("name").add(f"{same}; rename one, or give each its own agents")


def _same_name(first: ToolEntry, second: ToolEntry) -> bool:
    return first.spec.name == second.spec.name and not any(
        entry.faults.at("name").is_doubtful for entry in (first, second)
    )


def _overlap(first: ToolEntry, second: ToolEntry) -> bool:
    shared = set(first.spec.agents) & set(second.spec.agents)
    return bool(shared) or any(
        not entry.spec.agents and not entry.faults.at("agents").is_doubtful for entry in (first, second)
    )
