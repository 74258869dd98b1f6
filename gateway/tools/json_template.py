"""JSON made of a table whose strings are templates, whose structure no value can change. PURE."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.tools.expressions import Facts, Program, Scope, refused
from gateway.tools.faults import Faults
from gateway.tools.template_sandbox import to_json
from gateway.tools.templates import MOST_BODY_CHARACTERS


@dataclass(frozen=True, slots=True)
class JsonTemplate:
    """Makes JSON of a table whose strings are templates. Lives as long as its catalogue.

    A string that is one expression and nothing else becomes that expression's value, whatever its type;
    any other string stays a string.

    Attributes:
        pieces: literal JSON and what makes a whole JSON value each, in turn.
    """

    pieces: tuple["str | _Value", ...] = field(repr=False)

    @classmethod
    def compile(cls, tree: Mapping[str, object], scope: Scope, faults: Faults) -> "JsonTemplate":
        """Read a table; what is wrong in it is added to the faults, each at its place."""
        return cls(tuple(_pieces(tree, scope, faults)))

    def render(self, facts: Facts) -> bytes:
        """Return the JSON.

        Raises:
            ToolError: it cannot be made of these facts.
        """
        text = "".join(piece if isinstance(piece, str) else piece.render(facts) for piece in self.pieces)
        if len(text) > MOST_BODY_CHARACTERS:
            raise refused("body", f"gets longer than {MOST_BODY_CHARACTERS} characters")
        return text.encode()


@dataclass(frozen=True, slots=True)
class _Value:
    """Makes one JSON value. Lives as long as its catalogue; `whole` is for what is one expression."""

    program: Program
    whole: bool

    @classmethod
    def compile(cls, source: str, scope: Scope) -> "str | _Value":
        parsed = scope.parse(source, "body")
        expression = parsed.sole_expression()
        if expression is not None:
            return cls(parsed.compiled_json(expression), whole=True)
        if parsed.is_dynamic():
            return cls(parsed.compiled(), whole=False)
        return to_json("".join(piece for piece in parsed.pieces() if isinstance(piece, str)))

    def render(self, facts: Facts) -> str:
        if self.whole:
            return self.program.json(facts, MOST_BODY_CHARACTERS)
        return to_json(self.program.text(facts, MOST_BODY_CHARACTERS))


def _pieces(value: object, scope: Scope, faults: Faults) -> Iterator["str | _Value"]:
    match value:
        case str():
            made = faults.attempt(_Value.compile, value, scope)
            yield "null" if made is None else made
        case Mapping():
            opening = "{"
            for name, inner in value.items():
                if "{{" in name:
                    faults.at(name).add("is a template; only values are, so write the name out")
                yield f"{opening}{to_json(name)}:"
                yield from _pieces(inner, scope, faults.at(name))
                opening = ","
            yield "{}" if opening == "{" else "}"
        case list():
            opening = "["
            for number, inner in enumerate(value):
                yield opening
                yield from _pieces(inner, scope, faults.at(number))
                opening = ","
            yield "[]" if opening == "[" else "]"
        case _:
            yield _constant(value, faults)


def _constant(value: object, faults: Faults) -> str:
    try:
        return to_json(value)
    except (TypeError, ValueError):
        faults.add("is nothing that JSON has; write a text, a number, true or false")
        return "null"
