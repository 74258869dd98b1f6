"""Checks a tool's arguments against its JSON Schema (2020-12), and says what is wanted instead. PURE.

Nothing is ever fetched: a schema may refer to its own parts only. What arguments can cost is bounded before
the schema sees them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any, Final, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from gateway.tools import patterns
from gateway.tools.bounds import excess
from gateway.tools.coercion import Coercion
from gateway.tools.faults import Faults
from gateway.tools.schema_faults import Fault, further_faults, sound
from gateway.tools.schema_formats import FORMATS
from gateway.tools.schema_sentences import sentences
from gateway.tools.subschemas import Place, parts

MOST_SENTENCES: Final = 5
_MOST_ERRORS = 50


def _multiple_of(
    validator: Any, step: float, value: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    # Exact, unlike the library's own, for which 19.99 is no multiple of 0.01.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and Fraction(str(value)) % Fraction(str(step)):
        yield ValidationError(f"is not a multiple of {step}")


# The library's own three match with Python's re, which a text can keep busy for hours.


def _pattern(
    validator: Any, pattern: str, value: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(value, str) and not patterns.found(pattern, value):
        yield ValidationError("does not match")


def _pattern_properties(
    validator: Any, by_pattern: Mapping[str, Any], value: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(value, dict):
        for pattern, inner in by_pattern.items():
            for name in value:
                if patterns.found(pattern, name):
                    yield from validator.descend(value[name], inner, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, rest: Mapping[str, Any] | bool, value: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    known, by_pattern = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in value:
        if name in known or any(patterns.found(pattern, name) for pattern in by_pattern):
            continue
        if isinstance(rest, Mapping):
            yield from validator.descend(value[name], rest, path=name)
        elif not rest:
            yield ValidationError("has a property too many")
            return


_VALIDATOR: Final = cast(Any, extend)(
    Draft202012Validator,
    {
        "multipleOf": _multiple_of,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)


@dataclass(frozen=True, slots=True)
class ArgumentSchema:
    """Checks the arguments of one tool. Lives as long as its catalogue."""

    _validator: Any = field(repr=False)
    _coercion: Coercion = field(repr=False)

    @classmethod
    def compile(cls, schema: Mapping[str, Any], faults: Faults) -> "ArgumentSchema | None":
        """Read a schema; None when it is faulty, each fault being added at its place."""
        plain, found = sound(schema)
        found += further_faults(plain)
        # The registry is empty and fetches nothing.
        compiled = cls(_VALIDATOR(plain, registry=Registry(), format_checker=FORMATS), Coercion(plain))
        found += compiled._sense_faults(plain, [place for place, _ in found])
        for place, sentence in found:
            faults.at(*place).add(sentence)
        return None if found else compiled

    def check(self, arguments: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
        """Return the arguments as the schema wants them, and what keeps them from being so.

        Returns:
            The arguments, coerced, null ones that are not wanted left out, defaults filled in; and at most
            five sentences that an agent can act on, none when all is well.
        """
        if (fault := excess(dict(arguments))) is not None:
            return dict(arguments), [f"The arguments {fault}: send less."]
        try:
            coerced = self._coercion.apply(arguments)
            with patterns.budgeted():
                errors = list(islice(self._validator.iter_errors(coerced), _MOST_ERRORS))
        except (RecursionError, ArithmeticError, ValueError):
            return dict(arguments), ["The arguments cannot be checked: send simpler ones."]
        told = dict.fromkeys(sentence for error in sorted(errors, key=_rank) for sentence in sentences(error))
        return coerced, list(told)[:MOST_SENTENCES]

    def _sense_faults(self, schema: Mapping[str, Any], faulty: Sequence[Place]) -> Iterator[Fault]:
        for place, part in parts(schema):
            try:
                self._coercion.probe(part)
                fits = "default" not in part or _is_doubtful(place, part, faulty) or self._valid(part)
            except RecursionError:
                yield place, "refers to itself without end; write out what is meant"
            else:
                if not fits:
                    yield (*place, "default"), "does not fit its own schema; write a value that does"

    def _valid(self, part: Mapping[str, Any]) -> bool:
        try:
            with patterns.budgeted():
                return bool(self._validator.evolve(schema=part).is_valid(part["default"]))
        except ValueError:  # it costs too much to match
            return False


def _rank(error: ValidationError) -> tuple[bool, list[str]]:
    return error.validator != "required", [str(step) for step in error.absolute_path]


def _is_doubtful(place: Place, part: Mapping[str, Any], faulty: Sequence[Place]) -> bool:
    """Tell whether something is wrong with a part of a schema, or may be with what it refers to."""
    within = any(one[: len(place)] == place for one in faulty)
    return within or (bool(faulty) and any("$ref" in inner for _, inner in parts(part)))
