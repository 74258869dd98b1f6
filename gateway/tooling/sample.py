"""A tool call made up to show what would be sent: a call, and arguments that a schema takes. PURE."""

from collections.abc import Mapping

from gateway.records import CallInfo

_BY_TYPE: Mapping[str, object] = {
    "string": "sample text",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}


def call(agent_id: str, caller: str = "+15005550006", called: str = "+15005550001") -> CallInfo:
    """Return a call that never was."""
    return CallInfo(
        call_id="0" * 32,
        call_sid="CA" + "0" * 32,
        account_sid="AC" + "0" * 32,
        caller_number=caller,
        called_number=called,
        agent_id=agent_id,
    )


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
