"""Arguments of tool calls: read whatever comes, coerced to what they claim to be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vatel.arguments import (
    MAX_DEPTH,
    Argument,
    argument_values,
    deeper_than,
    dump_argument,
    read_arguments,
)
from tests.vatel.golden_frames import arguments, json_values


def coerced(data_type: str, value: object) -> object:
    """Return what a value of a data type becomes."""
    return argument_values([Argument("a", data_type=data_type, value=value)])["a"]


@pytest.mark.parametrize(
    ("data_type", "value", "expected"),
    [
        ("string", "two", "two"),
        ("string", 2, "2"),
        ("string", 2.5, "2.5"),
        ("string", True, "true"),
        ("string", "", ""),
        ("number", 2, 2),
        ("number", 2.5, 2.5),
        ("number", "2", 2),
        ("number", " 2.50 ", 2.5),
        ("number", "-7", -7),
        ("number", "1e3", 1000.0),
        ("integer", "12", 12),
        ("boolean", True, True),
        ("boolean", "true", True),
        ("boolean", " False ", False),
        ("boolean", "1", True),
        ("boolean", 0, False),
        ("boolean", 1, True),
        ("object", {"a": 1}, {"a": 1}),
        ("object", '{"a": [1]}', {"a": [1]}),
        ("array", [1, 2], [1, 2]),
        ("array", "[1, 2]", [1, 2]),
        ("Number", "2", 2),
        ("BOOLEAN", "true", True),
        ("", "2", "2"),
        ("date", "2026-11-21", "2026-11-21"),
    ],
)
def test_values_become_what_they_claim_to_be(data_type: str, value: object, expected: object) -> None:
    """Numbers given as text, JSON given as text, words for truth: all are made plain values."""
    result = coerced(data_type, value)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("data_type", "value"),
    [
        ("string", None),
        ("string", {"a": 1}),
        ("string", [1]),
        ("number", "two"),
        ("number", ""),
        ("number", "1_000"),
        ("number", "0x10"),
        ("number", "nan"),
        ("number", "Infinity"),
        ("number", "1e999"),
        ("number", "9" * 5000),
        ("number", "true"),
        ("number", '"5"'),
        ("number", "\ud800"),
        ("number", None),
        ("number", True),
        ("number", [5]),
        ("boolean", "yes"),
        ("boolean", ""),
        ("boolean", 2),
        ("boolean", 0.5),
        ("boolean", None),
        ("boolean", {}),
        ("object", "[1]"),
        ("object", "{"),
        ("object", [1]),
        ("object", None),
        ("array", '{"a":1}'),
        ("array", "1,2"),
        ("array", {"a": 1}),
        ("array", "[" * 100_000),
        ("array", "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2)),
    ],
)
def test_what_cannot_be_coerced_stays(data_type: str, value: object) -> None:
    """A value that is not what it claims to be reaches the tool as it came."""
    result = coerced(data_type, value)

    assert result is value


def test_values_go_by_name() -> None:
    """The list of bindings becomes one mapping, in order."""
    bindings = [Argument("b", value=1), Argument("a", value=2)]

    assert list(argument_values(bindings).items()) == [("b", 1), ("a", 2)]


def test_nameless_arguments_are_left_out() -> None:
    """A binding nobody can address is no argument."""
    assert argument_values([Argument("", value=1), Argument("a", value=2)]) == {"a": 2}


def test_of_two_with_one_name_the_last_counts() -> None:
    """Repeated names are read as JSON objects are."""
    assert argument_values([Argument("a", value=1), Argument("a", value=2)]) == {"a": 2}


def test_no_arguments_are_no_values() -> None:
    """A tool without arguments gets an empty mapping."""
    assert argument_values([]) == {}


@pytest.mark.parametrize("bindings", [None, {}, {"name": "a"}, "[]", 5, True, []])
def test_what_is_no_list_is_no_arguments(bindings: object) -> None:
    """Non-arrays are read as the JS SDK reads them."""
    assert read_arguments(bindings) == ()


def test_entries_that_are_no_objects_are_left_out() -> None:
    """Junk between bindings does not cost the call."""
    assert read_arguments([None, 5, "a", [], {"name": "a", "value": 1}]) == (Argument("a", value=1),)


def test_a_binding_without_anything_is_an_empty_argument() -> None:
    """All fields of a binding are optional."""
    assert read_arguments([{}]) == (Argument(""),)


@pytest.mark.parametrize("required", [1, "true", None, [], {}])
def test_only_true_means_required(required: object) -> None:
    """Nothing but a JSON true makes an argument required."""
    assert read_arguments([{"name": "a", "required": required}])[0].required is False


@given(arguments)
def test_an_argument_is_read_as_it_was_written(argument: Argument) -> None:
    """What the sandbox writes is what the gateway reads."""
    assert read_arguments([dump_argument(argument)]) == (argument,)


@given(st.lists(arguments))
def test_coercing_never_fails_and_stays_json(bindings: list[Argument]) -> None:
    """Whatever is bound, the values can be written as JSON again."""
    values = argument_values(bindings)

    assert set(values) == {argument.name for argument in bindings if argument.name}
    assert json.loads(json.dumps(values)) == values


@given(json_values, st.sampled_from(["string", "number", "boolean", "object", "array"]))
def test_coercing_twice_changes_nothing_more(value: object, data_type: str) -> None:
    """A coerced value is what it claims to be."""
    once = coerced(data_type, value)

    assert coerced(data_type, once) == once


@given(json_values)
def test_any_bindings_are_read(bindings: object) -> None:
    """No JSON value makes reading fail."""
    assert isinstance(read_arguments(bindings), tuple)


def nested(depth: int) -> Any:
    """Return lists in lists, so many levels of them."""
    value: Any = "leaf"
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


@pytest.mark.parametrize("depth", [0, 1, 5, 64])
def test_depth_is_measured_in_containers(depth: int) -> None:
    """A value is as deep as it has containers within containers."""
    assert not deeper_than(nested(depth), depth)
    assert depth == 0 or deeper_than(nested(depth), depth - 1)


def test_depth_is_measured_without_recursion() -> None:
    """A value far deeper than the stack is judged like any other."""
    assert deeper_than(nested(5_000), MAX_DEPTH)
