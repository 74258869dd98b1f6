"""A tool call made up to show what would be sent."""

import pytest
from jsonschema import Draft202012Validator

from gateway.tooling import sample

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "examples": ["Ada"]},
        "time": {"enum": ["19:00", "19:30"]},
        "people": {"type": "integer"},
        "outside": {"type": "boolean", "default": False},
        "kind": {"const": "dinner"},
        "wishes": {"type": ["array", "null"]},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
    "required": ["name", "time", "people", "outside", "kind", "wishes", "address"],
}


def test_sample_arguments_fit_their_schema() -> None:
    """Every argument that is described has a value that the schema takes."""
    made = sample.arguments(SCHEMA)

    assert list(Draft202012Validator(SCHEMA).iter_errors(made)) == []
    assert (made["name"], made["time"], made["outside"]) == ("Ada", "19:00", False)


@pytest.mark.parametrize("schema", [None, {}, {"properties": []}, {"type": "object"}])
def test_a_schema_that_describes_nothing_makes_nothing(schema: dict[str, object] | None) -> None:
    """Without descriptions there is nothing to make up."""
    assert sample.arguments(schema) == {}


@pytest.mark.parametrize(
    "described", [True, {"type": "ufo"}, {"type": []}, {"$ref": "#/x"}, {"enum": []}], ids=str
)
def test_what_is_described_oddly_is_text(described: object) -> None:
    """A sample is for people: anything will do where nothing fits for sure."""
    assert isinstance(sample.arguments({"properties": {"x": described}})["x"], str)


def test_sample_call_is_nobodys() -> None:
    """The numbers are Twilio's test numbers, and the agent is the one that was named."""
    made = sample.call("3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11")

    assert (made.caller_number, made.called_number) == ("+15005550006", "+15005550001")
    assert made.agent_id == "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"
