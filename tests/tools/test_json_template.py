"""JSON whose structure no value can change."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ToolError
from gateway.tools.faults import Faults
from gateway.tools.json_template import JsonTemplate
from tests.tools.templating import HOSTILE, SCOPE, facts


def compiled(tree: dict[str, object]) -> JsonTemplate:
    """Return a template without faults."""
    faults = Faults()
    template = JsonTemplate.compile(tree, SCOPE, faults)
    assert faults.lines == []
    return template


def rendered(tree: dict[str, object], **arguments: object) -> object:
    """Return what a table makes of these arguments, read again."""
    return json.loads(compiled(tree).render(facts(**arguments)))


def test_a_table_is_sent_as_json_with_its_strings_filled_in() -> None:
    """Values that are no strings stay what they are, at any depth."""
    tree: dict[str, object] = {
        "who": "Ms {{ arguments.name }}",
        "n": 4,
        "half": 0.5,
        "yes": True,
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "nested": {"list": ["{{ arguments.name }}", 1, [], {}, ["x"]], "plain": "${KEY}"},
        "": "",
    }

    assert rendered(tree, name='Ada "ü"') == {
        "who": 'Ms Ada "ü"',
        "n": 4,
        "half": 0.5,
        "yes": True,
        "at": "2026-01-02T00:00:00+00:00",
        "nested": {"list": ['Ada "ü"', 1, [], {}, ["x"]], "plain": "s3cret{{ call }}"},
        "": "",
    }
    assert rendered({}) == {}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ arguments.n }}", 4),
        ("{{ arguments.n }} ", "4 "),
        ("{{ arguments.list }}", [1, None]),
        ("{{ arguments.text }}", "4"),
        ("{{ arguments.none }}", None),
        ("{{ arguments.date | default(none) }}", None),
        ("{{ arguments.text | int }}", 4),
        ("{{ arguments }}", {"n": 4, "list": [1, None], "text": "4", "none": None}),
        ("{% if arguments.n %}{{ arguments.n }}{% endif %}", "4"),
    ],
)
def test_a_string_that_is_one_expression_keeps_its_type(source: str, value: object) -> None:
    """Any other string stays a string."""
    assert rendered({"v": source}, n=4, list=[1, None], text="4", none=None) == {"v": value}


def test_every_fault_is_told_at_its_place() -> None:
    """One bad string does not hide the next."""
    faults = Faults().of("tools[0]").at("body")
    tree = {
        "a": "{{ nothing }}",
        "b": {"c d": ["ok", "{{ call"]},
        "n": float("nan"),
        "{{ call.id }}": 1,
        "when": object(),
    }
    JsonTemplate.compile(tree, SCOPE, faults)

    assert [line.partition(": body.")[2].partition(": ")[0] for line in faults.lines] == [
        "a",
        'b."c d"[1]',
        "n",
        '"{{ call.id }}"',
        "when",
    ]
    assert faults.lines[2].endswith("is nothing that JSON has; write a text, a number, true or false")


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"a": ["{{ arguments.date }}"]}, 'its body needs "date", which is missing'),
        ({"a": "on {{ arguments.date }}"}, 'its body needs "date", which is missing'),
        ({"a": "{{ arguments.text.lower }}"}, "its body cannot be made of them"),
        ({"a": "{{ arguments.text }}"}, "its body gets longer than 262144 characters"),
        (
            {"a": "{{ arguments.half }}", "b": "{{ arguments.half }}"},
            "its body gets longer than 262144 characters",
        ),
    ],
)
def test_what_cannot_be_made_is_told_to_the_agent(tree: dict[str, object], why: str) -> None:
    """A missing value and a body too large are errors, the limit being that of the whole."""
    with pytest.raises(ToolError, match=why):
        compiled(tree).render(facts(text="x" * 262_143, half="x" * 200_000))


def test_nothing_printed_shows_a_secret() -> None:
    """The description of a body does not hold its text."""
    assert "t0ken" not in repr(compiled({"a": "t0ken", "b": "t0ken {{ call.id }}"}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | HOSTILE,
    lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner),
    max_leaves=12,
)


@given(text=HOSTILE, value=JSON)
def test_no_value_changes_the_structure(text: str, value: object) -> None:
    """The result has the keys of the table, and each value comes out as it went in."""
    template = compiled({"a": "<{{ arguments.text }}>", "b": ["{{ arguments.value }}", 1], "c": {"d": "e"}})
    try:
        made = template.render(facts(text=text, value=value))
    except ToolError:
        with pytest.raises(UnicodeEncodeError):
            (text + json.dumps(value, ensure_ascii=False)).encode()
        return

    assert json.loads(made) == {"a": f"<{text}>", "b": [value, 1], "c": {"d": "e"}}
