"""The tables of a tools file, each read into its spec, with every fault at its place. PURE.

References (``${…}``) are resolved first, so that what they stand for is checked like anything else; in
templates and in JSON Schemas they are left to whoever reads those.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from gateway.tools.faults import Faults
from gateway.tools.references import References
from gateway.tools.spec import (
    BuiltinTool,
    CallLimits,
    EgressTable,
    SigningTable,
    Table,
    WebhookTool,
)
from gateway.tools.table_faults import Place, table_faults, unknown_key

_T = TypeVar("_T", bound=Table)

_SECTIONS: Final = ("tools", "default", "egress", "signing", "calls")
_LEFT_ALONE: Final = frozenset(
    {
        *(("arguments",), ("body",), ("headers",), ("idempotency", "key"), ("on_error",), ("query",)),
        *(("response", "template"), ("url",)),
    }
)
_NO_SECRETS: Final = frozenset({"agents", "allow_private", "name", "numbers"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One tool as the file has it. Lives as long as the file is being read."""

    spec: WebhookTool | BuiltinTool
    faults: Faults


@dataclass(frozen=True, slots=True)
class Tables:
    """What a tools file says, each table right by itself. Lives as long as the file is being read.

    Attributes:
        tools: those that are not faulty.
        default: one, or none.
        egress: None when the table is faulty; likewise signing and calls.
    """

    tools: Sequence[Entry] = ()
    default: Sequence[Entry] = ()
    egress: EgressTable | None = field(default_factory=EgressTable)
    signing: SigningTable | None = field(default_factory=SigningTable)
    calls: CallLimits | None = field(default_factory=CallLimits)


def read(document: Mapping[str, Any], references: References, faults: Faults) -> Tables:
    """Read all tables of a document."""
    for name in document:
        if name not in _SECTIONS:
            faults.at(name).add(unknown_key(name, _SECTIONS))
    reader = _Reader(references)
    return Tables(
        tuple(reader.tools(document.get("tools", []), faults)),
        tuple(reader.default(document.get("default"), faults.of("default"))),
        reader.table(EgressTable, document.get("egress", {}), faults.of("egress")),
        reader.table(SigningTable, document.get("signing", {}), faults.of("signing")),
        reader.table(CallLimits, document.get("calls", {}), faults.of("calls")),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    references: References

    def tools(self, tables: object, faults: Faults) -> Iterator[Entry]:
        if not isinstance(tables, list):
            faults.at("tools").add("must be a list of tables; write each tool under [[tools]]")
            return
        for number, table in enumerate(tables):
            name = table.get("name") if isinstance(table, Mapping) else None
            called = f' "{name}"' if isinstance(name, str) else ""
            entry = self._tool(table, faults.of(f"tools[{number}]{called}"))
            if entry is not None:
                yield entry

    def _tool(self, table: object, faults: Faults) -> Entry | None:
        if not isinstance(table, Mapping):
            faults.add("must be a table; write it under [[tools]]")
            return None
        if "builtin" not in table and "url" not in table:
            faults.add("needs url, an endpoint of yours, or builtin, a tool of the gateway's own")
            return None
        kind: type[WebhookTool | BuiltinTool] = BuiltinTool if "builtin" in table else WebhookTool
        spec = self.table(kind, table, faults)
        return None if spec is None else Entry(spec, faults)

    def default(self, table: object, faults: Faults) -> Iterator[Entry]:
        if isinstance(table, Mapping):
            if "name" in table:
                faults.at("name").add("is not for the default, which takes every name; remove it")
            table = {**table, "name": "*"}
        spec = None if table is None else self.table(WebhookTool, table, faults)
        if spec is not None:
            yield Entry(spec, faults)

    def table(self, kind: type[_T], table: object, faults: Faults) -> _T | None:
        """Read one table; None when it is faulty."""
        if not isinstance(table, Mapping):
            faults.add("must be a table")
            return None
        unresolved: set[Place] = set()
        resolved = self._resolved(table, (), faults, unresolved)
        try:
            spec = kind.model_validate(resolved)
        except ValidationError as error:
            for place, sentence in table_faults(kind, resolved, error):
                if place not in unresolved:
                    faults.at(*place).add(sentence)
            return None
        return None if unresolved else spec

    def _resolved(self, value: Any, place: Place, faults: Faults, unresolved: set[Place]) -> Any:
        if place in _LEFT_ALONE:
            return value
        if isinstance(value, Mapping):
            return {
                name: self._resolved(inner, (*place, name), faults, unresolved)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [
                self._resolved(inner, (*place, number), faults, unresolved)
                for number, inner in enumerate(value)
            ]
        if not isinstance(value, str):
            return value
        secret = place[0] not in _NO_SECRETS
        text = faults.at(*place).attempt(self.references.resolve, value, secret=secret)
        if text is None:
            unresolved.add(place)
            return value
        return text
