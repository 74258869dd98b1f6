"""A tool call made up to show what would be sent: a call, and arguments that a tool can do with. PURE."""

from collections.abc import Iterable, Iterator, Mapping

from jinja2 import nodes

from gateway.records import CallInfo
from gateway.tools.catalog import Webhook
from gateway.tools.expressions import Scope
from gateway.tools.question import Question
from gateway.tools.spec import WebhookTool
from gateway.tools.templates import REQUEST_NAMES

_NO_AGENT = "00000000-0000-0000-0000-000000000000"
_FORGIVING = frozenset({"d", "default", "defined", "undefined"})

_BY_TYPE: Mapping[str, object] = {
    "string": "sample text",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}


def call(
    agent_id: str,
    caller: str = "+15005550006",
    called: str = "+15005550001",
    context: Mapping[str, object] | None = None,
) -> CallInfo:
    """Return a call that never was."""
    return CallInfo(
        call_id="0" * 32,
        call_sid="CA" + "0" * 32,
        account_sid="AC" + "0" * 32,
        caller_number=caller,
        called_number=called,
        agent_id=agent_id,
        context=context or {},
    )


def question(tool: Webhook) -> Question:
    """Return what an agent might ask a tool, with all that its schema describes and its templates need."""
    spec = tool.spec
    context: dict[str, object] = {}
    facts: dict[str, object] = {"arguments": arguments(spec.arguments), "call": {"context": context}}
    for path in sorted(set(_needed(spec)), key=len, reverse=True):
        _invent(facts, path)
    invented = facts["arguments"]
    assert isinstance(invented, dict)
    agent_id = spec.agents[0] if spec.agents else _NO_AGENT
    return Question("call-1", tool.label, invented, call(agent_id, context=context))


def arguments(schema: Mapping[str, object] | None) -> dict[str, object]:
    """Return a value for each argument that a schema describes: its example, default, or one of its type."""
    properties = schema.get("properties") if schema is not None else None
    if not isinstance(properties, Mapping):
        return {}
    return {str(name): _value(described) for name, described in properties.items()}


def _value(described: object) -> object:
    if not isinstance(described, Mapping):
        return _BY_TYPE["string"]
    for key in ("examples", "enum"):
        values = described.get(key)
        if isinstance(values, list) and values:
            return values[0]
    for key in ("const", "default"):
        if key in described:
            return described[key]
    kinds = described.get("type", "string")
    kind = kinds[0] if isinstance(kinds, list) and kinds else kinds
    if kind == "object":
        return arguments(described)
    return _BY_TYPE.get(str(kind), _BY_TYPE["string"])


def _invent(place: object, path: tuple[str, ...]) -> None:
    """Put a text where a path leads, unless something is there."""
    *tables, last = path
    for name in tables:
        place = place.setdefault(name, {}) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place.setdefault(last, _BY_TYPE["string"])


def _needed(spec: WebhookTool) -> Iterator[tuple[str, ...]]:
    """Yield what the templates of a request cannot do without, as paths: ``("arguments", "name")``."""
    key = spec.idempotency.key if spec.idempotency is not None else None
    scope = Scope(REQUEST_NAMES, str)
    for source in _texts((spec.url, spec.headers, spec.query, spec.body, key)):
        tree = scope.parse(source, "sample").tree
        spared = {id(node.node) for node in tree.find_all(nodes.Call)}
        for kind in (nodes.Filter, nodes.Test):
            spared |= {id(node.node) for node in tree.find_all(kind) if node.name in _FORGIVING}
        for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
            if id(node) not in spared and (path := _path(node)):
                yield path


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(value.values())
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _texts(inner)


def _path(node: nodes.Node) -> tuple[str, ...]:
    """Return the names that an expression such as ``arguments.address.city`` is made of; empty for others."""
    match node:
        case nodes.Name(name=str(name)):
            return (name,)
        case (
            nodes.Getattr(node=inner, attr=str(name))
            | nodes.Getitem(node=inner, arg=nodes.Const(value=str(name)))
        ):
            before = _path(inner)
            return (*before, name) if before else ()
        case _:
            return ()
