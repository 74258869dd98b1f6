"""Checks a tool's arguments against its JSON Schema (2020-12), and says what is wanted instead. PURE.

Nothing is ever fetched: a schema may refer to its own parts only. What arguments can cost is bounded before
the schema sees them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from itertools import islice
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from gateway.tools import patterns
from gateway.tools.bounds import excess
from gateway.tools.coercion import Coercion
from gateway.tools.faults import Faults
from gateway.tools.schema_formats import FORMATS
from gateway.tools.schema_sentences import sentences
from gateway.tools.subschemas import TYPES, Place, parts, target

MOST_SENTENCES: Final = 5
_MOST_ERRORS = 50
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_UNSUPPORTED: Final = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary")
_ANNOTATIONS: Final = (
    *("$comment", "$defs", "$id", "$schema", "contentEncoding", "contentMediaType", "contentSchema"),
    *("default", "definitions", "deprecated", "description", "else", "example", "examples", "maxContains"),
    *("minContains", "nullable", "readOnly", "then", "title", "writeOnly"),
)
_KEYWORDS: Final = (*Draft202012Validator.VALIDATORS, *_ANNOTATIONS, *_UNSUPPORTED)


def _meta() -> Draft202012Validator:
    formats = FormatChecker(formats=())
    # Patterns are for our own check: they are not those of Python.
    formats.checkers = {
        name: check for name, check in Draft202012Validator.FORMAT_CHECKER.checkers.items() if name != "regex"
    }
    return Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=formats)


_META: Final = _meta()


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
        before = len(faults.lines)
        if schema.get("type") != "object":
            faults.at("type").add('must be "object": the schema is that of all arguments together')
        if schema.get("$schema", _DIALECT) != _DIALECT:
            faults.at("$schema").add(f"must be {_DIALECT}; write that, or leave it out")
        wrong = {
            (*map(str, error.absolute_path), _meta_fault(error)): error for error in _META.iter_errors(schema)
        }
        for key in sorted(wrong):
            faults.at(*wrong[key].absolute_path).add(key[-1])
        if len(faults.lines) > before:
            return None
        # The registry is empty and fetches nothing.
        # With $schema in it the library would take its own validator for the parts.
        plain = {key: value for key, value in schema.items() if key != "$schema"}
        validator = _VALIDATOR(plain, registry=Registry(), format_checker=FORMATS)
        compiled = cls(validator, Coercion(plain))
        for check in (_check_references, _check_patterns, _check_spelling):
            check(plain, faults)
        if len(faults.lines) == before:
            compiled._check_sense(plain, faults)
        return compiled if len(faults.lines) == before else None

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

    def _check_sense(self, schema: Mapping[str, Any], faults: Faults) -> None:
        for place, part in parts(schema):
            try:
                self._coercion.probe(part)
                with patterns.budgeted():
                    fits = "default" not in part or self._valid(part)
            except RecursionError:
                faults.at(*place).add("refers to itself without end; write out what is meant")
            else:
                if not fits:
                    faults.at(*place, "default").add("does not fit its own schema; write a value that does")

    def _valid(self, part: Mapping[str, Any]) -> bool:
        try:
            return bool(self._validator.evolve(schema=part).is_valid(part["default"]))
        except ValueError:  # it costs too much to match
            return False


def _rank(error: ValidationError) -> tuple[bool, list[str]]:
    return error.validator != "required", [str(step) for step in error.absolute_path]


def _meta_fault(error: ValidationError) -> str:
    if error.absolute_path and error.absolute_path[-1] == "type":
        return f"is no type; write one, or a list, of {', '.join(TYPES)}"
    # Not the library's own message: it repeats the value.
    return f"is not what JSON Schema wants here ({error.validator}: {error.validator_value})"


def _check_references(schema: Mapping[str, Any], faults: Faults) -> None:
    # Only what is looked through here may be referred to, or it would be used unchecked.
    known = {id(part) for _, part in parts(schema)}
    for place, part in parts(schema):
        for keyword in (*_UNSUPPORTED, *(("$id", "$schema") if place else ())):
            if keyword in part:
                faults.at(*place, keyword).add('is not supported; refer to a part with $ref = "#/$defs/name"')
        named = target(schema, part["$ref"]) if "$ref" in part else True
        if not isinstance(named, bool) and id(named) not in known:
            faults.at(*place, "$ref").add(
                "names no part of this schema; write #/$defs/name, nothing is ever fetched"
            )


def _check_patterns(schema: Mapping[str, Any], faults: Faults) -> None:
    keywords: set[str] = set()
    for place, part in parts(schema):
        keywords.update(part)
        wanted: list[tuple[Place, str]] = [
            (("patternProperties", one), one) for one in part.get("patternProperties", ())
        ]
        wanted += [(("pattern",), part["pattern"])] if "pattern" in part else []
        for where, pattern in wanted:
            if (fault := patterns.fault(pattern)) is not None:
                faults.at(*place, *where).add(fault)
    # The library matches with Python's re to find out which properties are left.
    if keywords >= {"patternProperties", "unevaluatedProperties"}:
        faults.add("has patternProperties and unevaluatedProperties; use additionalProperties instead")


def _check_spelling(schema: Mapping[str, Any], faults: Faults) -> None:
    for place, part in parts(schema):
        for key in part:
            if key not in _KEYWORDS and (meant := _close(key, _KEYWORDS)):
                faults.at(*place, key).add(f"is no keyword of JSON Schema; did you mean {meant}?")
        properties = list(part.get("properties", ()))
        for number, name in enumerate(part.get("required", ())):
            if name not in properties and (meant := _close(name, properties)):
                faults.at(*place, "required", number).add(f"is none of the properties; did you mean {meant}?")


def _close(name: str, names: Sequence[str]) -> str:
    return next(iter(get_close_matches(name, names, n=1, cutoff=0.8)), "")
