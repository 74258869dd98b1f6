"""Every tool of a tools file, ready to run, and which of them answers a name. PURE."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from gateway.egress.addresses import Allowance
from gateway.egress.destinations import Policy
from gateway.egress.signing import SigningKey
from gateway.errors import ConfigError
from gateway.tools import rules, tables
from gateway.tools.compiling import Compiler
from gateway.tools.definitions import Builtin, Webhook
from gateway.tools.faults import Faults
from gateway.tools.references import References
from gateway.tools.spec import CallLimits, EgressTable, SigningTable, WebhookTool
from gateway.tools.tables import Entry, ToolEntry

__all__ = ["EMPTY", "Builtin", "Catalog", "Webhook"]

Tool = Webhook | Builtin

_WILDCARDS = re.compile(r"[*?\[]")
_CLASS = re.compile(r"\[[^\]]*\]")
_LONGEST_NAME: Final = 256
_DEFAULT: Final = "(default)"


@dataclass(frozen=True, slots=True)
class _Route:
    """How one entry takes names. Lives as long as its catalogue."""

    tool: Tool
    takes: Callable[[str], object] = field(repr=False)
    agents: frozenset[str]

    @classmethod
    def to(cls, tool: Tool) -> "_Route":
        return cls(tool, re.compile(translate(tool.spec.name)).match, frozenset(tool.spec.agents))

    def leads(self, name: str, agent_id: str) -> bool:
        return (not self.agents or agent_id in self.agents) and bool(self.takes(name))


@dataclass(frozen=True, slots=True)
class Catalog:
    """All tools of one file. Lives until another takes its place and the last call that has it is over.

    Attributes:
        tools: in the file's order, the default last and called ``(default)``.
        policy: where requests may go.
        signing: what requests are signed with, the current key first.
        per_host: requests at once to one host.
        parallel: tools of one call that run at once.
        secrets: every secret met in the file, for the log's redaction.
    """

    tools: tuple[Tool, ...] = ()
    policy: Policy = Policy(Allowance())  # noqa: RUF009 - a frozen value
    signing: tuple[SigningKey, ...] = ()
    per_host: int = EgressTable().per_host
    parallel: int = CallLimits().parallel
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    _routes: tuple[_Route, ...] = field(default=(), repr=False)

    @classmethod
    def parse(
        cls,
        document: Mapping[str, Any],
        *,
        env: Mapping[str, str],
        folder: Path,
        read_file: Callable[[Path], bytes],
        load_filler: Callable[[str], bytes],
    ) -> "Catalog":
        """Make a catalogue of a document with the tables that config/tools.example.toml shows.

        Args:
            env: what ``${NAME}`` is looked up in.
            folder: where relative paths start.
            read_file: returns the bytes of what ``${file:…}`` names, or raises OSError.
            load_filler: returns a clip by its name or its path, as µ-law at 8 kHz, or raises ValueError.

        Raises:
            ConfigError: something is wrong; the message has a line for every fault, each with its place.
        """
        faults = Faults()
        references = References(env, folder, read_file)
        found = tables.read(document, references, faults)
        policy = _policy(found.egress)
        signing = _signing(found.signing, references)
        compiler = Compiler(references, policy, folder, load_filler)
        rules.check_names(found.tools)
        named = [tool for entry in found.tools if (tool := _compiled(compiler, entry, entry.spec.name))]
        last = [tool for entry in found.default if (tool := _compiled(compiler, entry, _DEFAULT))]
        if faults.lines or policy is None:
            raise ConfigError("\n".join(faults.lines), reason="bad_tools")
        return cls(
            tools=(*named, *last),
            policy=policy,
            signing=signing,
            per_host=found.egress.spec.per_host,
            parallel=found.calls.spec.parallel,
            secrets=_secrets(references.secrets, (*named, *last)),
            _routes=tuple(map(_Route.to, (*sorted(named, key=_precedence), *last))),
        )

    def find(self, name: str, agent_id: str) -> Tool | None:
        """Return what answers a name for an agent.

        An exact name goes before a pattern, of patterns the one with the most literal characters, then the
        file's order; the default comes last. An entry that is not for the agent is passed over.
        """
        if len(name) > _LONGEST_NAME:
            return None
        agent = agent_id.lower()
        return next((route.tool for route in self._routes if route.leads(name, agent)), None)


EMPTY: Final = Catalog()
"""Answers nothing."""


def _precedence(tool: Tool) -> tuple[bool, int]:
    name = tool.spec.name
    literal = _CLASS.sub("", name).replace("*", "").replace("?", "")
    return bool(_WILDCARDS.search(name)), -len(literal)


def _policy(entry: Entry[EgressTable]) -> Policy | None:
    table, faults = entry.spec, entry.faults
    before = len(faults.lines)
    for number, cidr in enumerate(table.allow_private):
        faults.at("allow_private", number).attempt(Allowance.parse, (cidr,))
    if len(faults.lines) > before or any(
        faults.at(key).is_doubtful for key in ("allow_private", "allow_http")
    ):
        return None
    return Policy(Allowance.parse(table.allow_private), table.allow_http)


def _signing(entry: Entry[SigningTable], references: References) -> tuple[SigningKey, ...]:
    keys: list[SigningKey] = []
    for number, text in enumerate(entry.spec.keys):
        key = entry.faults.at("keys", number).attempt(SigningKey.parse, text)
        keys += [] if key is None else [key]
        references.secrets.update({text, text.removeprefix("whsec_")})
    return tuple(keys)


def _compiled(compiler: Compiler, entry: ToolEntry, label: str) -> Tool | None:
    rules.check(entry)
    if isinstance(entry.spec, WebhookTool):
        return compiler.webhook(entry.spec, label, entry.faults)
    return compiler.builtin(entry.spec, label, entry.faults)


def _secrets(found: Iterable[str], tools: Iterable[Tool]) -> frozenset[str]:
    """Return the secrets, without what only says where a request goes: logs name hosts."""
    urls = [
        url
        for tool in tools
        if isinstance(tool, Webhook)
        for url in (tool.url.sample(), tool.spec.callback_url)
        if url is not None
    ]
    return frozenset(one for one in found if one and not any(_places(one, urlsplit(url)) for url in urls))


def _places(text: str, url: SplitResult) -> bool:
    """Tell whether a text is the part of a URL before its path, or some labels of its host."""
    whole = (url.netloc, f"{url.scheme}://{url.netloc}")
    return text.removesuffix("/") in whole or f".{text}." in f".{url.hostname}."
