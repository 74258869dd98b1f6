"""A tool call made up to show what would be sent."""

import pytest
from jsonschema import Draft202012Validator

from gateway.tooling import sample
from gateway.tools.catalog import Webhook
from tests.tools.workshop import catalog

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


def asked(**keys: object) -> tuple[dict[str, object], dict[str, object]]:
    """Return the arguments and the call's context that are made up for a tool."""
    tool = catalog({"name": "book", "url": "https://example.com/book", **keys}).tools[0]
    assert isinstance(tool, Webhook)
    question = sample.question(tool)
    return dict(question.arguments), dict(question.call.context)


TEXT = "sample text"


@pytest.mark.parametrize(
    ("keys", "arguments"),
    [
        ({"url": "https://example.com/{{ arguments.id }}"}, {"id": TEXT}),
        ({"query": {"q": "{{ arguments['id'] }}"}}, {"id": TEXT}),
        ({"headers": {"X-Id": "{{ arguments.id | upper }}"}}, {"id": TEXT}),
        ({"headers": {"X-Id": "{{ arguments.id.upper() }}"}}, {"id": TEXT}),
        ({"body": {"a": {"b": ["{{ arguments.id }}", 4]}}}, {"id": TEXT}),
        ({"body": "{{ arguments.id }}", "content_type": "text/plain"}, {"id": TEXT}),
        ({"idempotency": {"key": "{{ arguments.order }}"}}, {"order": TEXT}),
        (
            {"query": {"a": "{{ arguments.to.city }}", "b": "{{ arguments.to }}"}},
            {"to": {"city": TEXT}},
        ),
        ({"query": {"q": "{{ arguments.id | default('x') }}{{ arguments.no | d }}"}}, {}),
        ({"query": {"q": "{% if arguments.id is defined %}x{% endif %}"}}, {}),
        ({"query": {"q": "{% if arguments.id is defined %}{{ arguments.id }}{% endif %}"}}, {"id": TEXT}),
        ({"query": {"q": "{{ call.from }}{{ now.isoformat() }}{{ arguments }}"}}, {}),
        ({"query": {"q": "{% set x = [1] %}{{ x[0] }}{{ [1].count(1) }}"}}, {}),
    ],
    ids=str,
)
def test_what_templates_need_is_invented(keys: dict[str, object], arguments: dict[str, object]) -> None:
    """An argument that no schema describes is text; one that may be missing is."""
    assert asked(**keys) == (arguments, {})


def test_what_the_schema_describes_wins() -> None:
    """An invented text takes the place of nothing."""
    schema = {"type": "object", "properties": {"size": {"type": "integer"}, "to": {"type": "string"}}}
    arguments, _ = asked(arguments=schema, query={"q": "{{ arguments.size }}{{ arguments.to.city }}"})

    assert arguments == {"size": 1, "to": TEXT}


def test_context_is_invented_as_well() -> None:
    """A call that rang here has none, one that was placed may have what the template wants."""
    assert asked(headers={"X-Plan": "{{ call.context.customer.plan }}"}) == ({}, {"customer": {"plan": TEXT}})


def test_agent_is_one_that_may_ask() -> None:
    """Else the tool would not be there for it."""
    tool = catalog(
        {"name": "book", "url": "https://example.com/", "agents": ["3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"]}
    ).tools[0]
    assert isinstance(tool, Webhook)

    assert sample.question(tool).call.agent_id == "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"
