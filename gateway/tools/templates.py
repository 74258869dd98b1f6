"""What a tool sends and says, made of templates: text, a body, a header, a key. PURE.

Each kind keeps its structure whatever it is filled with. URLs and JSON have modules of their own.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from jinja2 import nodes

from gateway.egress.headers import MAX_VALUE_CHARS
from gateway.tools.expressions import Facts, Program, Scope, refused

REQUEST_NAMES: Final = ("arguments", "call", "now")
ANSWER_NAMES: Final = (*REQUEST_NAMES, "answer")
ERROR_NAMES: Final = (*REQUEST_NAMES, "error")

MOST_BODY_CHARACTERS: Final = 262_144
MOST_OUTPUT_CHARACTERS: Final = 65_536
_MOST_KEY_CHARACTERS: Final = 255

_UNSENDABLE = re.compile(r"[^\t\x20-\x7e\xa0-\xff]").search
_PLAIN_KEY = re.compile(r"[!-~]+").fullmatch


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """Makes text. Lives as long as its catalogue.

    Attributes:
        limit: characters at most.
    """

    program: Program
    limit: int = MOST_OUTPUT_CHARACTERS

    @classmethod
    def compile(
        cls, source: str, scope: Scope, purpose: str, limit: int = MOST_OUTPUT_CHARACTERS
    ) -> "TextTemplate":
        """Read a template.

        Raises:
            ValueError: it is none, or uses what templates do not have.
        """
        return cls(scope.parse(source, purpose).compiled(), limit)

    def render(self, facts: Facts) -> str:
        """Return the text.

        Raises:
            ToolError: it cannot be made of these facts; the message is meant for the agent.
        """
        return self.program.text(facts, self.limit)


@dataclass(frozen=True, slots=True)
class TextBody:
    """Makes a body that is written as one text. Lives as long as its catalogue."""

    template: TextTemplate

    @classmethod
    def compile(cls, source: str, scope: Scope, content_type: str) -> "TextBody":
        """Read a template; where its content type has an escape, every expression must end with it.

        Raises:
            ValueError: it is none, uses what templates do not have, or lets a value break out of its place.
        """
        parsed = scope.parse(source, "body")
        escape = _escape_of(content_type)
        if escape is not None and not all(_ends_with(expression, escape) for expression in parsed.shown()):
            raise ValueError(
                f"has an expression that could break out of its place in {content_type}: "
                f"end each one with | {escape}"
                + ("; or write the body as a table" if escape == "tojson" else "")
            )
        return cls(TextTemplate(parsed.compiled(), MOST_BODY_CHARACTERS))

    def render(self, facts: Facts) -> bytes:
        """Return the body; raises as :meth:`TextTemplate.render` does."""
        return self.template.render(facts).encode()


def _escape_of(content_type: str) -> str | None:
    kind = content_type.partition(";")[0].strip().lower()
    if is_json(kind):
        return "tojson"
    if kind == "application/x-www-form-urlencoded":
        return "urlencode"
    return "escape" if kind.endswith(("/xml", "+xml", "/html")) else None


def is_json(content_type: str) -> bool:
    """Tell whether a body of that content type is JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind.endswith(("/json", "+json"))


def _ends_with(expression: nodes.Expr, escape: str) -> bool:
    return isinstance(expression, nodes.Filter) and expression.name == escape


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """Makes the value of one header. Lives as long as its catalogue."""

    template: TextTemplate

    @classmethod
    def compile(cls, name: str, source: str, scope: Scope) -> "HeaderTemplate":
        """Read a template.

        Raises:
            ValueError: it is none, uses what templates do not have, or has text that no header can carry.
        """
        parsed = scope.parse(source, f"header {name}")
        for piece in parsed.tree.find_all(nodes.TemplateData):
            if _UNSENDABLE(piece.data):
                raise ValueError("has a line break or a character that no header can carry; remove it")
        return cls(TextTemplate(parsed.compiled(), MAX_VALUE_CHARS))

    def render(self, facts: Facts) -> str:
        """Return the value.

        Raises:
            ToolError: it cannot be made of these facts, or no header can carry it.
        """
        value = self.template.render(facts).strip()
        if _UNSENDABLE(value):
            raise refused(self.template.program.purpose, "gets a character that no header can carry")
        return value


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """Makes the key by which one run of a tool is told from another. Lives as long as its catalogue."""

    template: TextTemplate

    @classmethod
    def compile(cls, source: str, scope: Scope) -> "KeyTemplate":
        """Read a template.

        Raises:
            ValueError: it is none, or uses what templates do not have.
        """
        return cls(TextTemplate.compile(source, scope, "idempotency key", MOST_BODY_CHARACTERS))

    def render(self, facts: Facts) -> str:
        """Return the key: what the template makes, or its SHA-256 where no header could carry that.

        Raises:
            ToolError: it cannot be made of these facts, or is empty.
        """
        key = self.template.render(facts).strip()
        if not key:
            raise refused(self.template.program.purpose, "is empty")
        if len(key) <= _MOST_KEY_CHARACTERS and _PLAIN_KEY(key):
            return key
        return "sha256-" + hashlib.sha256(key.encode()).hexdigest()
