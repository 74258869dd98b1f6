"""Arguments checked: coerced, complete, or told what is wanted."""

from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tools.faults import Faults
from gateway.tools.schema import MOST_SENTENCES, ArgumentSchema

CANARY = "canary-0123456789"
TYPES = "array, boolean, integer, null, number, object, string"
NO_PATTERN = "is no regular expression of RE2"
MEND = ", without lookaround or backreferences; mend it"
NO_PART = "names no part of this schema; write #/$defs/name, nothing is ever fetched"
BOOKING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "date": {"type": "string", "format": "date", "description": "the day of the visit"},
        "guests": {"type": "integer", "minimum": 1, "maximum": 12},
        "size": {"enum": ["small", "large"]},
        "vegan": {"type": "boolean", "default": False},
        "names": {"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 3},
    },
    "required": ["date", "guests"],
    "additionalProperties": False,
    "$defs": {"name": {"type": "string", "minLength": 2}},
}


def compiled(schema: dict[str, Any]) -> ArgumentSchema:
    """Return a schema without faults."""
    faults = Faults()
    made = ArgumentSchema.compile(schema, faults)
    assert made is not None, faults.lines
    assert faults.lines == []
    return made


def faults_of(schema: dict[str, Any]) -> list[str]:
    """Return what is wrong with a schema."""
    faults = Faults().of("tools[0]").at("arguments")
    faults.of("egress").add("has been faulty before")
    assert ArgumentSchema.compile(schema, faults) is None
    return [line.removeprefix("tools[0]: arguments").removeprefix(".") for line in faults.lines[1:]]


def test_arguments_are_coerced_completed_and_let_through() -> None:
    """What the agent sent as text comes out with its types, what it left out with its default."""
    assert compiled(BOOKING).check({"date": "2026-11-27", "guests": "4", "size": None}) == (
        {"date": "2026-11-27", "guests": 4, "vegan": False},
        [],
    )


def test_what_is_missing_is_told_first() -> None:
    """The agent is asked for what is missing before it is told what is wrong."""
    _, told = compiled(BOOKING).check({"size": CANARY, "guests": 40, "names": ["x"], "date": None})

    assert told == [
        "The argument date is missing: give a date such as 2026-11-27 (the day of the visit).",
        "The argument guests must be a whole number from 1 to 12.",
        "The argument names[0] must have at least 2 characters.",
        'The argument size must be one of "small", "large".',
    ]


def test_at_most_five_things_are_told() -> None:
    """More is more than an agent can mend in one go, and each is told once."""
    wrong = {f"x{n}": n for n in range(9)}
    _, told = compiled(BOOKING).check({"date": "2026-11-27", "guests": 1, **wrong})

    assert len(told) == len(set(told)) == MOST_SENTENCES


@pytest.mark.parametrize(
    "arguments",
    [
        {"date": CANARY, "guests": CANARY, "size": CANARY, "vegan": CANARY, "names": CANARY},
        {"date": [CANARY], "guests": {CANARY: 1}, "size": 1},
        {"date": {"b": CANARY}, "names": [CANARY, [CANARY], {"c": CANARY}, CANARY]},
    ],
)
def test_no_value_is_repeated(arguments: dict[str, object]) -> None:
    """A sentence says what is wanted, never what was sent."""
    _, told = compiled(BOOKING).check(arguments)

    assert told
    assert CANARY not in " ".join(told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"a": [0] * 2_000}, "The arguments hold more than 1000 values: send less."),
        ({"a": "x" * 70_000}, "The arguments hold more than 65536 characters: send less."),
        ({"a": 10**5_000}, "The arguments hold a number that is too large: send less."),
    ],
)
def test_what_is_too_much_is_not_worked_on(arguments: dict[str, object], told: str) -> None:
    """The limits come before the schema."""
    schema = compiled({"type": "object", "properties": {"a": {"uniqueItems": True, "pattern": "x"}}})

    assert schema.check(arguments) == (arguments, [told])


def test_the_worst_that_is_let_through_is_cheap() -> None:
    """Comparing all entries of the longest list with each other takes no time that a caller could hear."""
    schema = compiled({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}})
    began_at = perf_counter()
    _, told = schema.check({"a": [{"n": n} for n in range(330)]})

    assert told == []
    assert perf_counter() - began_at < 2.0


def test_what_cannot_be_checked_is_refused() -> None:
    """A schema that does not end on some arguments is an answer and no crash."""
    endless = {"if": {"minLength": 1}, "then": {"$ref": "#/properties/a"}}
    schema = compiled({"type": "object", "properties": {"a": endless}})

    assert schema.check({"a": "text"})[1] == ["The arguments cannot be checked: send simpler ones."]


SLOW = "^(a+)+$"
LONGEST = "a" * 60_000 + "!"


@pytest.mark.parametrize(
    "properties",
    [
        {"properties": {"a": {"pattern": SLOW}}},
        {"patternProperties": {SLOW: {"type": "integer"}}},
        {"patternProperties": {SLOW: {}}, "additionalProperties": False},
        {"propertyNames": {"pattern": SLOW}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": {"a": {"$ref": "#"}}}
        | {"patternProperties": {"x": {"pattern": SLOW}}},
    ],
)
def test_no_argument_keeps_a_pattern_busy(properties: dict[str, Any]) -> None:
    """What Python's re would need ages for is told at once, in values and in names."""
    schema = compiled({"type": "object", **properties})
    began_at = perf_counter()
    for text in ("a" * 40 + "!", LONGEST):
        schema.check({"a": text})
        schema.check({"a": {"x": text}})
        schema.check({text: "x"})

    assert perf_counter() - began_at < 1.0
    assert schema.check({"a" * 5: 1})[1] in (
        [],
        ["The argument aaaaa does not exist: leave it out; there are none."],
    )


def test_patterns_decide_as_they_should() -> None:
    """Values, names, and what is left of the names are judged by the patterns."""
    schema = compiled(
        {
            "type": "object",
            "properties": {"code": {"pattern": "^[A-Zé]{2}[0-9]+$"}},
            "patternProperties": {"^n_": {"type": "integer"}},
            "additionalProperties": {"type": "boolean"},
        }
    )

    assert schema.check({"code": "Aé12", "n_a": 4, "other": True, "n_": 5})[1] == []
    assert schema.check({"code": 5})[1] == []
    assert schema.check({"code": "AB12!", "n_a": "x", "other": []})[1] == [
        "The argument code must have the form ^[A-Zé]{2}[0-9]+$.",
        "The argument n_a must be a whole number, and not text.",
        "The argument other must be true or false, and not a list.",
    ]


def test_keywords_for_objects_pass_over_the_rest() -> None:
    """A list has no names to be matched."""
    inner = {"patternProperties": {"a": {}}, "additionalProperties": False}
    schema = compiled({"type": "object", "properties": {"a": inner}})

    assert schema.check({"a": ["b"]})[1] == []
    assert compiled({"type": "object", "additionalProperties": True}).check({"a": 1, "b": 2})[1] == []
    assert schema.check({"a": {"b": 1}})[1] == [
        "The argument a.b does not exist: leave it out; there are none."
    ]


def test_what_costs_too_much_to_match_is_refused() -> None:
    """A pattern and texts that are both as large as may be are not matched to the end."""
    large = {"pattern": "(x?){300}x{300}$"}
    schema = compiled({"type": "object", "properties": {"a": {"items": large, "type": "array"}}})
    began_at = perf_counter()
    _, told = schema.check({"a": ["x" * 900] * 60})

    assert told == ["The arguments cannot be checked: send simpler ones."]
    assert perf_counter() - began_at < 1.0


def test_a_default_that_costs_too_much_is_a_fault() -> None:
    """The file is refused, and not every call."""
    large = {"pattern": "(x?){300}x{300}$", "default": "x" * 9_000}

    assert faults_of({"type": "object", "properties": {"a": large}}) == [
        "properties.a.default: does not fit its own schema; write a value that does"
    ]


@pytest.mark.parametrize(
    ("value", "step", "fits"),
    [
        (19.99, 0.01, True),
        (0.3, 0.1, True),
        (0.35, 0.1, False),
        (1e-5, 1e-6, True),
        (9, 3, True),
        (10, 3, False),
        (7.5, 2.5, True),
        (2**255, 0.1, True),
        ([], 3, True),
        (True, 3, True),
    ],
)
def test_multiples_are_exact(value: object, step: float, fits: bool) -> None:
    """Prices are multiples of a cent, as people count."""
    schema = compiled({"type": "object", "properties": {"a": {"multipleOf": step}}})

    assert (schema.check({"a": value})[1] == []) is fits


@pytest.mark.parametrize(
    ("schema", "faults"),
    [
        ({}, ['type: must be "object": the schema is that of all arguments together']),
        ({"type": "array"}, ['type: must be "object": the schema is that of all arguments together']),
        (
            {"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"},
            ['"$schema": must be https://json-schema.org/draft/2020-12/schema; write that, or leave it out'],
        ),
        (
            {"type": "object", "properties": {"a": {"type": "text"}, "b": 5}, "required": "a"},
            [
                f"properties.a.type: is no type; write one, or a list, of {TYPES}",
                "properties.b: is not what JSON Schema wants here (type: ['object', 'boolean'])",
                "required: is not what JSON Schema wants here (type: array)",
            ],
        ),
        (
            {"type": "object", "properties": {"a": {"pattern": "("}}},
            [f"properties.a.pattern: is no regular expression of RE2 (missing )){MEND}"],
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"pattern": "(?=x)"}},
                "patternProperties": {"^(a)\\1": {}, "b{1,9": {}},
            },
            [
                f'patternProperties."^(a)\\\\1": {NO_PATTERN} (invalid escape sequence){MEND}',
                f"properties.a.pattern: {NO_PATTERN} (invalid perl operator){MEND}",
            ],
        ),
        (
            {"type": "object", "patternProperties": {"a": {}}, "unevaluatedProperties": False},
            ["has patternProperties and unevaluatedProperties; use additionalProperties instead"],
        ),
        (
            {
                "type": "object",
                "x-parts": {"a": {"pattern": "a"}},
                "properties": {"a": {"$ref": "#/x-parts/a"}},
            },
            [f'properties.a."$ref": {NO_PART}'],
        ),
        (
            {"type": "object", "properties": {"a": {"$schema": "x"}, "b": {"$ref": "#/c", "minimun": 1}}},
            [
                'properties.a."$schema": is not supported; refer to a part with $ref = "#/$defs/name"',
                f'properties.b."$ref": {NO_PART}',
                "properties.b.minimun: is no keyword of JSON Schema; did you mean minimum?",
            ],
        ),
        (
            {
                "type": "object",
                "propertys": {},
                "properties": {"a": {"minimun": 1, "x-own": 2, "example": 3}},
            },
            [
                "propertys: is no keyword of JSON Schema; did you mean properties?",
                "properties.a.minimun: is no keyword of JSON Schema; did you mean minimum?",
            ],
        ),
        (
            {"type": "object", "properties": {"guests": {}}, "required": ["guest", "guests", "other"]},
            ["required[0]: is none of the properties; did you mean guests?"],
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"$ref": "https://example.com/a"}, "b": {"$ref": "#/nowhere"}},
            },
            [
                f'properties.a."$ref": {NO_PART}',
                f'properties.b."$ref": {NO_PART}',
            ],
        ),
        (
            {"type": "object", "properties": {"a": {"$id": "x"}, "b": {"$anchor": "x"}}},
            [
                'properties.a."$id": is not supported; refer to a part with $ref = "#/$defs/name"',
                'properties.b."$anchor": is not supported; refer to a part with $ref = "#/$defs/name"',
            ],
        ),
        (
            {
                "type": "object",
                "properties": {"n": {"type": "integer", "minimum": 3, "default": 2}, "x": {"default": 1}},
            },
            ["properties.n.default: does not fit its own schema; write a value that does"],
        ),
        (
            {"type": "text", "properties": 5, "required": [1, "a"]},
            [
                'type: must be "object": the schema is that of all arguments together',
                "properties: is not what JSON Schema wants here (type: object)",
                "required[0]: is not what JSON Schema wants here (type: string)",
            ],
        ),
        (
            {
                "type": "array",
                "properties": {
                    "a": {"type": "text", "minimun": 1, "pattern": "("},
                    "b": {"type": "integer", "default": "x"},
                    "c": {"type": "string", "pattern": "(", "default": 5},
                    "d": {"$ref": "#/nowhere", "default": 5},
                    "e": {"anyOf": [5, {"type": "null"}]},
                    "f": {"properties": {"guests": {}}, "required": ["guest"]},
                },
            },
            [
                'type: must be "object": the schema is that of all arguments together',
                f"properties.a.type: is no type; write one, or a list, of {TYPES}",
                "properties.e.anyOf[0]: is not what JSON Schema wants here (type: ['object', 'boolean'])",
                f'properties.d."$ref": {NO_PART}',
                f"properties.a.pattern: {NO_PATTERN} (missing )){MEND}",
                f"properties.c.pattern: {NO_PATTERN} (missing )){MEND}",
                "properties.a.minimun: is no keyword of JSON Schema; did you mean minimum?",
                "properties.f.required[0]: is none of the properties; did you mean guests?",
                "properties.b.default: does not fit its own schema; write a value that does",
            ],
        ),
        (
            {"type": "object", "allOf": [{"$ref": "#"}]},
            [
                "refers to itself without end; write out what is meant",
                "allOf[0]: refers to itself without end; write out what is meant",
            ],
        ),
    ],
)
def test_a_faulty_schema_is_told_whole(schema: dict[str, Any], faults: list[str]) -> None:
    """Each fault has its place; what other tables got wrong does not count here."""
    assert [line.removeprefix(": ") for line in faults_of(schema)] == faults


def test_a_schema_may_say_what_it_is() -> None:
    """Our dialect, an id of the whole, references into itself, also recursive ones, are all fine."""
    schema = compiled(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://example.com/booking",
            "type": "object",
            "properties": {"tree": {"$ref": "#/$defs/tree"}},
            "$defs": {
                "tree": {
                    "type": "object",
                    "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
                }
            },
        }
    )

    assert schema.check({"tree": {"kids": [{"kids": 5}]}})[1] == [
        "The argument tree.kids[0].kids must be a list, and not a whole number."
    ]


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither reading a schema nor checking by it opens a connection."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr("socket.socket.connect", forbidden)
    monkeypatch.setattr("urllib.request.urlopen", forbidden)
    faults_of({"type": "object", "$ref": "http://127.0.0.1:9/schema"})
    compiled(BOOKING).check({})


def test_nothing_printed_shows_the_schema() -> None:
    """The description of a compiled schema is short."""
    assert repr(compiled(BOOKING)) == "ArgumentSchema()"


@given(
    st.dictionaries(
        st.sampled_from(["date", "guests", "size", "vegan", "names", "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=8,
        ),
    )
)
def test_any_arguments_are_taken_or_told(arguments: dict[str, object]) -> None:
    """What passes fits, and passes again unchanged; what does not is told in sentences."""
    schema = compiled(BOOKING)
    coerced, told = schema.check(arguments)

    assert all(sentence.startswith("The ") and sentence.endswith(".") for sentence in told)
    if not told:
        assert schema.check(coerced) == (coerced, [])
