"""What an agent is told of each kind of error."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.tools.schema_formats import FORMATS
from gateway.tools.schema_sentences import sentences

CANARY = "canary-0123456789"


def told(value: object, schema: dict[str, Any]) -> list[str]:
    """Return what is told of one argument that does not fit."""
    whole = {"properties": {"a": schema}}
    errors = Draft202012Validator(whole, format_checker=FORMATS).iter_errors({"a": value})
    return [sentence for error in errors for sentence in sentences(error)]


@pytest.mark.parametrize(
    ("value", "schema", "sentence"),
    [
        (CANARY, {"type": "integer"}, "must be a whole number, and not text."),
        (
            4.5,
            {"type": "integer", "minimum": 1, "maximum": 12},
            "must be a whole number from 1 to 12, and not a number.",
        ),
        (True, {"type": "number"}, "must be a number, and not true or false."),
        (None, {"type": "boolean"}, "must be true or false, and not null."),
        ({}, {"type": ["string", "null"]}, "must be text or null, and not an object."),
        (
            1,
            {"type": "array", "description": "the guests'\n names"},
            "must be a list (the guests' names), and not a whole number.",
        ),
        ([], {"type": "object"}, "must be an object, and not a list."),
        (0, {"type": "integer", "minimum": 1}, "must be a whole number of at least 1."),
        (5, {"maximum": 4.5}, "must be a value of at most 4.5."),
        (1, {"type": "number", "exclusiveMinimum": 1}, "must be a number greater than 1."),
        (
            9,
            {"type": "number", "minimum": 1, "exclusiveMaximum": 9},
            "must be a number of at least 1 and less than 9.",
        ),
        (CANARY, {"enum": ["small", "large", 3]}, 'must be one of "small", "large", 3.'),
        (CANARY, {"enum": list(range(12))}, "must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …."),
        (CANARY, {"const": "yes"}, 'must be "yes".'),
        (CANARY, {"format": "date"}, "must be a date such as 2026-11-27."),
        (CANARY, {"type": "string", "format": "email"}, "must be an e-mail address."),
        ("", {"minLength": 1}, "must have at least 1 character."),
        (
            CANARY,
            {"maxLength": 2, "description": "a country's code"},
            "must have at most 2 characters (a country's code).",
        ),
        ([], {"minItems": 1}, "must have at least 1 entry."),
        ([1, 2, 3], {"maxItems": 2}, "must have at most 2 entries."),
        ([1, 1], {"uniqueItems": True}, "must not have an entry twice."),
        (5, {"multipleOf": 2.5 * 4}, "must be a multiple of 10."),
        (CANARY, {"pattern": "^[A-Z]{2}$"}, "must have the form ^[A-Z]{2}$."),
        (CANARY, {"pattern": "^" + "x" * 300}, f"must have the form ^{'x' * 198}…."),
        (CANARY, {"anyOf": [{"type": "null"}, {"type": "integer"}]}, "does not fit what is wanted."),
        (CANARY, {"not": {}, "description": "nothing"}, "does not fit what is wanted (nothing)."),
        ({}, {"minProperties": 1}, "does not fit what is wanted."),
    ],
)
def test_each_error_says_what_is_wanted(value: object, schema: dict[str, Any], sentence: str) -> None:
    """A sentence names the argument and what would do; the value that would not is not in it."""
    assert told(value, schema) == [f"The argument a {sentence}"]


def test_a_missing_argument_is_asked_for() -> None:
    """Each that is missing has a sentence, with what it is."""
    schema = {
        "required": ["day", "n", "b", "x"],
        "properties": {
            "day": {"type": "string", "format": "date", "description": "the day of the visit"},
            "n": {"type": "integer", "minimum": 1},
            "b": True,
        },
    }

    assert dict.fromkeys(told({}, schema)) == dict.fromkeys(
        [
            "The argument a.day is missing: give a date such as 2026-11-27 (the day of the visit).",
            "The argument a.n is missing: give a whole number of at least 1.",
            "The argument a.b is missing: give a value.",
            "The argument a.x is missing: give a value.",
        ]
    )


def test_a_surplus_argument_is_named_with_those_there_are() -> None:
    """An agent that made an argument up is told the real ones."""
    schema = {"properties": {"b": {}, "c": {}}, "additionalProperties": False}

    assert told({"b": 1, "x": CANARY, "y": 2}, schema) == [
        "The argument a.x does not exist: leave it out; there are b, c.",
        "The argument a.y does not exist: leave it out; there are b, c.",
    ]
    assert told({"x": 1}, {"additionalProperties": False}) == [
        "The argument a.x does not exist: leave it out; there are none."
    ]
    assert len(told({str(n): n for n in range(50)}, {"additionalProperties": False})) == 10


def test_places_are_named_from_the_arguments_on() -> None:
    """An entry of a list goes by its number from 0, the arguments as a whole by themselves."""
    schema = {"items": {"properties": {"b": {"type": "string"}}}}
    whole = Draft202012Validator({"minProperties": 1}).iter_errors({})

    assert told([{}, {"b": 1}], schema) == ["The argument a[1].b must be text, and not a whole number."]
    assert [one for error in whole for one in sentences(error)] == [
        "The set of arguments does not fit what is wanted."
    ]


@pytest.mark.parametrize(
    ("name", "shown"), [("x" * 99, "x" * 58), ("b\nc", "'a.b\\nc'"), ("b\u2028", "'a.b\\u2028'")]
)
def test_a_name_that_the_agent_made_up_stays_a_name(name: str, shown: str) -> None:
    """It is cut, and cannot begin a line of its own."""
    assert told({name: 1}, {"additionalProperties": {"type": "string"}}) == [
        f"The argument {shown if shown[0] == chr(39) else 'a.' + shown} must be text, and not a whole number."
    ]
