"""The tables of a tools file, each read into its spec, with every fault at its place. PURE.

References (``${…}``) are resolved first, so that what they stand for is checked like anything else; in
templates and in JSON Schemas they are left to whoever reads those.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

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
from gateway.tools.stand_ins import standing_in
from gateway.tools.table_faults import Place, meant_key, meant_places, table_faults, unknown_key

_T = TypeVar("_T", bound=Table)
_T_co = TypeVar("_T_co", bound=Table, covariant=True)

_SECTIONS: Final = ("tools", "default", "egress", "signing", "calls")
_LEFT_ALONE: Final = frozenset(
    {
        *(("arguments",), ("body",), ("headers",), ("idempotency", "key"), ("on_error",), ("query",)),
        *(("response", "template"), ("url",)),
    }
)
_BUILTIN_KEYS: Final = BuiltinTool.model_fields.keys() - WebhookTool.model_fields.keys()
_WEBHOOK_KEYS: Final = WebhookTool.model_fields.keys() - BuiltinTool.model_fields.keys()
_KEYS: Final = (*BuiltinTool.model_fields, *_WEBHOOK_KEYS)
_NO_SECRETS: Final = frozenset({"agents", "allow_private", "name", "numbers"})


@dataclass(frozen=True, slots=True)
class Entry(Generic[_T_co]):
    """One table as the file has it. Lives as long as the file is being read.

    Attributes:
        spec: has stand-ins for what is faulty.
        faults: the view of the table, which doubts the stand-ins.
    """

    spec: _T_co
    faults: Faults


ToolEntry = Entry[WebhookTool | BuiltinTool]


@dataclass(frozen=True, slots=True)
class Tables:
    """What a tools file says, each table right by itself. Lives as long as the file is being read.

    Attributes:
        tools: those that are tables.
        default: one, or none.
    """

    tools: Sequence[ToolEntry]
    default: Sequence[ToolEntry]
    egress: Entry[EgressTable]
    signing: Entry[SigningTable]
    calls: Entry[CallLimits]


def read(document: Mapping[str, Any], references: References, faults: Faults) -> Tables:
    """Read all tables of a document."""
    unknown = [name for name in document if name not in _SECTIONS]
    for name in unknown:
        faults.at(name).add(unknown_key(name, _SECTIONS))
    reader = _Reader(references, frozenset(meant_key(name, _SECTIONS) for name in unknown))
    return Tables(
        tuple(reader.tools(document.get("tools", []), faults)),
        tuple(reader.default(document.get("default"), faults.of("default"))),
        reader.section(EgressTable, document, "egress", faults),
        reader.section(SigningTable, document, "signing", faults),
        reader.section(CallLimits, document, "calls", faults),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Attributes: meant, the sections that stand under misspelt names."""

    references: References
    meant: frozenset[str | None]

    def tools(self, tables: object, faults: Faults) -> Iterator[ToolEntry]:
        if not isinstance(tables, list):
            faults.at("tools").add("must be a list of tables; write each tool under [[tools]]")
            return
        for number, table in enumerate(tables):
            name = table.get("name") if isinstance(table, Mapping) else None
            called = f' "{name}"' if isinstance(name, str) else ""
            entry = self._tool(table, faults.of(f"tools[{number}]{called}"))
            if entry is not None:
                yield entry

    def _tool(self, table: object, faults: Faults) -> ToolEntry | None:
        if not isinstance(table, Mapping):
            faults.add("must be a table; write it under [[tools]]")
            return None
        keys = {name if name in _KEYS else meant_key(name, _KEYS) for name in table}
        if "builtin" in keys:
            return self.table(BuiltinTool, table, faults)
        if "url" in keys:
            return self.table(WebhookTool, table, faults)
        faults.add("needs url, an endpoint of yours, or builtin, a tool of the gateway's own")
        if keys & _BUILTIN_KEYS:
            rest = {name: value for name, value in table.items() if name not in _WEBHOOK_KEYS}
            return self.table(BuiltinTool, {**rest, "builtin": ""}, faults, told={("builtin",)})
        return self.table(WebhookTool, {**table, "url": ""}, faults, told={("url",)})

    def default(self, table: object, faults: Faults) -> Iterator[ToolEntry]:
        if isinstance(table, Mapping):
            if "name" in table:
                faults.at("name").add("is not for the default, which takes every name; remove it")
            table = {**table, "name": "*"}
        entry = None if table is None else self.table(WebhookTool, table, faults)
        if entry is not None:
            yield entry

    def section(self, kind: type[_T], document: Mapping[str, object], name: str, faults: Faults) -> Entry[_T]:
        """Read a table that stands in the file once; without it, or when it is none, it has its defaults."""
        view = faults.of(name)
        entry = self.table(kind, document.get(name, {}), view)
        if entry is None or name in self.meant:
            return Entry(kind(), view.doubting([()]))
        return entry

    def table(
        self, kind: type[_T], table: object, faults: Faults, told: Iterable[Place] = ()
    ) -> Entry[_T] | None:
        """Read one table; None when there is no way to.

        Args:
            told: where there is a fault that has been told.
        """
        if not isinstance(table, Mapping):
            faults.add("must be a table")
            return None
        doubted = set(told)
        resolved = self._resolved(table, (), faults, doubted)
        spec: _T | None
        try:
            spec = kind.model_validate(resolved)
        except ValidationError as error:
            found = dict(table_faults(kind, resolved, error))
            for place in found:
                if place not in doubted and (*place, "type") not in doubted:
                    faults.at(*place).add(found[place])
            doubted.update(found, meant_places(kind, resolved, error))
            spec = standing_in(kind, resolved)
        return None if spec is None else Entry(spec, faults.doubting(doubted))

    def _resolved(self, value: Any, place: Place, faults: Faults, doubted: set[Place]) -> Any:
        if place in _LEFT_ALONE:
            return value
        if isinstance(value, Mapping):
            return {
                name: self._resolved(inner, (*place, name), faults, doubted) for name, inner in value.items()
            }
        if isinstance(value, list):
            return [
                self._resolved(inner, (*place, number), faults, doubted) for number, inner in enumerate(value)
            ]
        if not isinstance(value, str):
            return value
        secret = place[0] not in _NO_SECRETS
        text = faults.at(*place).attempt(self.references.resolve, value, secret=secret)
        if text is None:
            doubted.add(place)
            return value
        return text
