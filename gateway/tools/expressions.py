"""Templates read, checked and compiled, before anything says what they are for. PURE."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

import jinja2
from jinja2 import meta, nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError

from gateway.errors import ToolError
from gateway.tools.faults import Faults, raise_all
from gateway.tools.template_sandbox import FILTER_NAMES, MOST_ROUNDS, ROUNDS, Sandbox, TooMuch, to_json

Facts = Mapping[str, object]
"""What a template is filled with, by name."""

_SANDBOX: Final = Sandbox()
_TESTS: Final = tuple(sorted(name for name in _SANDBOX.tests if name.isalpha()))
_INVOLVED: Final = "is too involved for a template; write it more simply"
_FAILURES: Final = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled template. Lives as long as the catalogue it belongs to.

    Attributes:
        purpose: what it makes, as a sentence to the agent calls it: ``url``, ``header X-Name``.
        words: the names that its source has; of a missing value the agent is told the name only if it is
            one of these, since any other is data.
    """

    purpose: str
    words: frozenset[str]
    _template: jinja2.Template = field(repr=False)

    def text(self, facts: Facts, limit: int) -> str:
        """Return what the template makes of the facts.

        Raises:
            ToolError: a value is missing or cannot be used, or it is more than ``limit`` characters.
        """
        try:
            return self._text(facts, limit)
        except _FAILURES as error:
            raise refused(self.purpose, self._why(error)) from None

    def json(self, facts: Facts, limit: int) -> str:
        """Return the value of a template that is one expression, as JSON.

        Raises:
            ToolError: as for :meth:`text`, or the value is no data.
        """
        try:
            context = self._template.new_context({**facts, ROUNDS: _budget()})
            list(self._template.root_render_func(context))
            return _within(limit, to_json(context.vars["result"]))
        except _FAILURES as error:
            raise refused(self.purpose, self._why(error)) from None

    def _text(self, facts: Facts, limit: int) -> str:
        parts: list[str] = []
        size = 0
        for part in self._template.generate({**facts, ROUNDS: _budget()}):
            parts.append(part)
            size += len(part)
            if size > limit:
                break
        return _within(limit, "".join(parts))

    def _why(self, error: Exception) -> str:
        match error:
            case TooMuch():
                return str(error)
            case SecurityError():
                return "does what a template may not"
            case UndefinedError() if str(error) in self.words:
                return f'needs "{error}", which is missing'
            case UndefinedError():
                return "needs a value that is missing"
            case _:
                return "cannot be made of them"


def refused(purpose: str, why: str) -> ToolError:
    """Return the error for facts that a template can make nothing of; ``why`` ends the sentence."""
    return ToolError(
        f"The tool cannot be used with these values: its {purpose} {why}.", reason="bad_template"
    )


def _within(limit: int, text: str) -> str:
    if len(text) > limit:
        raise TooMuch(f"gets longer than {limit} characters")
    text.encode()  # a lone surrogate is no text
    return text


def _budget() -> Iterator[int]:
    return iter(range(MOST_ROUNDS))


@dataclass(frozen=True, slots=True)
class Scope:
    """What templates of one place may see, and how their literal text is read. Lives as long as one reading.

    Attributes:
        names: of the facts.
        literal: makes of a literal part what it stands for (see :mod:`gateway.tools.references`).
    """

    names: tuple[str, ...]
    literal: Callable[[str], str] = field(repr=False)

    def parse(self, source: str, purpose: str) -> "Parsed":
        """Read and check a template.

        Raises:
            ValueError: it is none, or uses what templates do not have.
            SeveralFaults: it uses several things that they do not have.
        """
        try:
            tree = _SANDBOX.parse(source)
            told = [*_part_faults(tree), *self._name_faults(tree)]
        except TemplateSyntaxError as error:
            raise ValueError(
                f"is no template ({error.message}); an expression is written {{{{ arguments.name }}}}"
            ) from None
        except RecursionError:
            raise ValueError(_INVOLVED) from None
        parsed = Parsed(purpose, _words(tree), tree)
        raise_all((*told, *self._resolve(tree)))
        return parsed

    def _resolve(self, tree: nodes.Template) -> list[str]:
        """Replace the literal parts by what they stand for; return what is wrong with them."""
        faults = Faults()
        for data in tree.find_all(nodes.TemplateData):
            data.data = faults.attempt(self.literal, data.data) or ""
        for constant in tree.find_all(nodes.Const):
            if isinstance(constant.value, str):
                constant.value = faults.attempt(self.literal, constant.value) or ""
        return faults.lines

    def _name_faults(self, tree: nodes.Template) -> Iterator[str]:
        if not all(map(_allowed, tree.find_all(nodes.Stmt))):  # who knows which names they make
            yield "has a statement that templates do not have; there are only if, for and set"
            return
        unknown = meta.find_undeclared_variables(tree) - set(self.names)
        unknown |= {name.name for name in tree.find_all(nodes.Name) if name.name == "self"}
        yield from (_unknown("name", name, self.names) for name in sorted(unknown))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A template that has been read and checked. Lives until it is compiled."""

    purpose: str
    words: frozenset[str]
    tree: nodes.Template = field(repr=False)

    def pieces(self) -> list[str | nodes.Expr]:
        """Return the literal texts and the expressions, in order.

        Raises:
            ValueError: there are statements too.
        """
        pieces: list[str | nodes.Expr] = []
        for node in self.tree.body:
            if not isinstance(node, nodes.Output):
                raise ValueError("has a {% … %}; only {{ … }} may stand here")
            pieces += (one.data if isinstance(one, nodes.TemplateData) else one for one in node.nodes)
        return pieces

    def sole_expression(self) -> nodes.Expr | None:
        """Return the expression that the template is and nothing else; None when it is more, or text."""
        match self.tree.body:
            case [nodes.Output(nodes=[expression])] if not isinstance(expression, nodes.TemplateData):
                return expression
            case _:
                return None

    def shown(self) -> Iterator[nodes.Expr]:
        """Yield every expression whose value becomes text, those within statements too."""
        for node in self.tree.body:
            outputs = [node] if isinstance(node, nodes.Output) else node.find_all(nodes.Output)
            for output in outputs:
                yield from (one for one in output.nodes if not isinstance(one, nodes.TemplateData))

    def is_dynamic(self) -> bool:
        """Tell whether what it makes depends on anything at all."""
        return any(not isinstance(node, nodes.Output) for node in self.tree.body) or any(self.shown())

    def compiled(self, expression: nodes.Expr | None = None) -> Program:
        """Compile it, or one of its expressions, to what makes text.

        Raises:
            ValueError: it cannot be compiled.
        """
        if expression is None:
            return self._compile(self.tree.body)
        return self._compile([nodes.Output([expression], lineno=1)])

    def compiled_json(self, expression: nodes.Expr) -> Program:
        """Compile one of its expressions to what makes JSON.

        Raises:
            ValueError: as for :meth:`compiled`.
        """
        return self._compile([nodes.Assign(nodes.Name("result", "store", lineno=1), expression, lineno=1)])

    def _compile(self, body: list[nodes.Node]) -> Program:
        tree = nodes.Template(body, lineno=1)
        tree.set_environment(_SANDBOX)
        try:
            return Program(self.purpose, self.words, _SANDBOX.from_string(tree))
        except (TemplateSyntaxError, SyntaxError, RecursionError):
            raise ValueError(_INVOLVED) from None


def _part_faults(tree: nodes.Template) -> Iterator[str]:
    """Yield what is wrong with filters and tests; others take their place, so that the rest can be read."""
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        kind, known = ("filter", FILTER_NAMES) if isinstance(node, nodes.Filter) else ("test", _TESTS)
        if node.name not in (ROUNDS, *known):
            yield _unknown(kind, node.name, known)
            node.name = known[0]


def _allowed(statement: nodes.Stmt) -> bool:
    if isinstance(statement, nodes.For):
        return not statement.recursive
    return isinstance(statement, nodes.Output | nodes.If | nodes.Assign)


def _words(tree: nodes.Template) -> frozenset[str]:
    attributes = {node.attr for node in tree.find_all(nodes.Getattr)}
    constants = {str(node.value) for node in tree.find_all(nodes.Const)}
    return frozenset(attributes | constants)


def _unknown(kind: str, name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return f'uses the {kind} "{name}", which templates do not have; {meant}'
