"""What a template may say, and what the agent is told when it cannot be filled."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ToolError
from gateway.tools.expressions import Scope, refused
from gateway.tools.faults import SeveralFaults
from gateway.tools.references import References
from tests.tools.templating import SCOPE, facts

CANARY = "canary-0123456789"


def text(source: str, limit: int = 100, **arguments: object) -> str:
    """Return what a template makes of these arguments."""
    return SCOPE.parse(source, "body").compiled().text(facts(**arguments), limit)


def json(source: str, limit: int = 100, **arguments: object) -> str:
    """Return the JSON that a template of one expression makes."""
    parsed = SCOPE.parse(source, "body")
    expression = parsed.sole_expression()
    assert expression is not None
    return parsed.compiled_json(expression).json(facts(**arguments), limit)


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("", ""),
        ("plain", "plain"),
        ("for {{ arguments.name }}, {{ call.from }}", "for Ada, +15005550006"),
        ("{{ call.context.plan }} {{ now.year }}", "gold 2026"),
        ("{% if arguments.name %}yes{% else %}no{% endif %}", "yes"),
        ("{% set n = arguments.name %}{{ n | upper }}", "ADA"),
        ("{% for c in arguments.name %}{{ c }}.{% endfor %}", "A.d.a."),
        ("{{ arguments.date | default('today') }}", "today"),
        ("{{ arguments.get('date') }}", ""),
        ("key ${KEY} {{ '${KEY}' | upper }}", "key s3cret{{ call }} S3CRET{{ CALL }}"),
        ("{# no #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_a_template_sees_arguments_call_and_now(source: str, made: str) -> None:
    """Expressions are filled in; what a reference stands for is never read as a template."""
    assert text(source, name="Ada") == made


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("{{ arguments.n }}", "4"),
        ("{{ arguments.list }}", '[1,"x"]'),
        ("{{ arguments.get('none') }}", "null"),
        ("{{ arguments.n > 3 }}", "true"),
        ("{{ {'a': arguments.list} }}", '{"a":[1,"x"]}'),
        ("{{ now }}", '"2026-11-26T09:05:00+00:00"'),
        ("{{ 'a\"b' }}", '"a\\"b"'),
    ],
)
def test_one_expression_keeps_its_type(source: str, made: str) -> None:
    """A template that is one expression can be had as its value in JSON."""
    assert json(source, n=4, list=[1, "x"]) == made


@pytest.mark.parametrize(
    "source", ["", "text", "{{ call }} ", "{{ call }}{{ now }}", "{% if call %}x{% endif %}"]
)
def test_more_or_less_than_one_expression_is_none(source: str) -> None:
    """Text around it, another beside it or a statement make it text."""
    assert SCOPE.parse(source, "body").sole_expression() is None


@pytest.mark.parametrize(
    ("source", "dynamic"),
    [("", False), ("text ${KEY}", False), ("{{ now }}", True), ("a{% if now %}{% endif %}", True)],
)
def test_a_text_is_told_from_a_template(source: str, dynamic: bool) -> None:
    """What has neither expression nor statement always makes the same."""
    assert SCOPE.parse(source, "body").is_dynamic() is dynamic


def test_pieces_and_what_they_show() -> None:
    """Texts and expressions come in order; what statements show is found too."""
    parsed = SCOPE.parse("a{{ now }}b{{ call }}", "url")
    kinds = [type(piece) for piece in parsed.pieces()]
    inside = SCOPE.parse("{% if call %}a{{ now }}{% else %}{{ call }}{% endif %}{{ now }}", "url")

    assert [kind is str for kind in kinds] == [True, False, True, False]
    assert len(list(inside.shown())) == 3
    with pytest.raises(ValueError, match=r"only \{\{ … \}\} may stand here"):
        inside.pieces()


def test_one_expression_can_be_had_by_itself() -> None:
    """An expression among texts makes the text of its value alone."""
    parsed = SCOPE.parse("https://h/{{ arguments.name }}?{{ now.year }}", "url")
    made = [
        parsed.compiled(piece).text(facts(name="Ada"), 10)
        for piece in parsed.pieces()
        if not isinstance(piece, str)
    ]

    assert made == ["Ada", "2026"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ arguments.a", "is no template (unexpected end of template"),
        ("{% if call %}", "is no template (Unexpected end of template"),
        ("{{ 1 + }}", "is no template ("),
        (
            "{{ arguements.a }}",
            'uses the name "arguements", which templates do not have; did you mean arguments?',
        ),
        (
            "{{ answer.text }}",
            'uses the name "answer", which templates do not have; there are arguments, call, now',
        ),
        ("{{ self }}", 'uses the name "self"'),
        ("{{ range(9) }}", 'uses the name "range"'),
        ("{{ loop.index }}", 'uses the name "loop"'),
        ("{{ call | uper }}", 'uses the filter "uper", which templates do not have; did you mean upper?'),
        (
            "{{ call | safe }}",
            'uses the filter "safe", which templates do not have; there are abs, capitalize',
        ),
        ("{{ call is nice }}", 'uses the test "nice", which templates do not have; did you mean ne?'),
        ("{% include 'x' %}", "has a statement that templates do not have; there are only if, for and set"),
        ("{% import 'x' as y %}", "has a statement that"),
        ("{% from 'x' import y %}", "has a statement that"),
        ("{% extends 'x' %}", "has a statement that"),
        ("{% block x %}{% endblock %}", "has a statement that"),
        ("{% macro x() %}{% endmacro %}", "has a statement that"),
        ("{% filter upper %}x{% endfilter %}", "has a statement that"),
        ("{% set x %}x{% endset %}", "has a statement that"),
        ("{% autoescape true %}{% endautoescape %}", "has a statement that"),
        ("{% for x in call recursive %}{% endfor %}", "has a statement that"),
        ("{{ call.get(a=1, a=2) }}", "is too involved for a template; write it more simply"),
        (f"{{{{ {'[' * 3000}{']' * 3000} }}}}", "is too involved for a template; write it more simply"),
    ],
)
def test_a_bad_template_is_refused_when_it_is_read(source: str, told: str) -> None:
    """What is no template, or uses what there is not, is told with what there is."""
    with pytest.raises(ValueError, match=r"[;)]") as caught:
        SCOPE.parse(source, "body").compiled()

    assert str(caught.value).startswith(told)


def test_a_fault_of_a_reference_passes_through() -> None:
    """A literal part that cannot be read makes the template a bad one."""

    def broken(text: str) -> str:
        raise ValueError("the environment variable KEY is not set")

    for source in ("a ${KEY}", "{{ '${KEY}' }}"):
        with pytest.raises(ValueError, match="KEY is not set"):
            Scope(("call",), broken).parse(source, "body")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ arguments.date }}", 'needs "date", which is missing'),
        ("{{ arguments['date'] | upper }}", 'needs "date", which is missing'),
        ("{{ arguments.who.name }}", 'needs "who", which is missing'),
        ("{{ arguments[arguments.secret] }}", "needs a value that is missing"),
        ("{{ arguments.list[7] }}", "needs a value that is missing"),
        ("{{ arguments.secret.__class__ }}", "does what a template may not"),
        ("{{ arguments.secret * 999999 }}", "makes a text too large"),
        ("{{ arguments.secret + 1 }}", "cannot be made of them"),
        ("{{ arguments.secret.lower }}", "cannot be made of them"),
        ("{{ 1 / 0 }}", "cannot be made of them"),
        ("{{ arguments.secret() }}", "cannot be made of them"),
        ("{{ '\ud800' }}", "cannot be made of them"),
        (
            "{{ arguments.secret }}{{ arguments.secret }}{{ arguments.secret }}",
            "gets longer than 50 characters",
        ),
    ],
)
def test_the_agent_is_told_what_is_wrong_without_any_value(source: str, why: str) -> None:
    """An error names a missing value only if the template does, and never has data in it or behind it."""
    with pytest.raises(ToolError) as caught:
        text(source, limit=50, secret=CANARY * 2, list=[1])

    assert str(caught.value) == f"The tool cannot be used with these values: its body {why}."
    assert caught.value.reason == "bad_template"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ arguments.date }}", 'needs "date", which is missing'),
        ("{{ [arguments.date] }}", 'needs "date", which is missing'),
        ("{{ arguments.text }}", "gets longer than 50 characters"),
        ("{{ arguments.text.lower }}", "cannot be made of them"),
        ("{{ arguments.wild }}", "cannot be made of them"),
        ("{{ arguments.huge * 1.0 }}", "cannot be made of them"),
    ],
)
def test_a_value_that_is_no_json_is_refused(source: str, why: str) -> None:
    """The value of one expression meets the same errors as text does."""
    with pytest.raises(ToolError, match=why):
        json(source, limit=50, text="x" * 49, wild="\ud800", huge=10**400)


def test_the_limit_is_inclusive() -> None:
    """As many characters as the limit says are made."""
    assert text("{{ arguments.text }}", limit=5, text="12345") == "12345"
    assert json("{{ arguments.text }}", limit=7, text="12345") == '"12345"'


def test_a_rendering_stops_soon_after_its_limit() -> None:
    """Of a loop that would make far too much only the first of it is made."""
    with pytest.raises(ToolError, match="gets longer than 10 characters"):
        text(
            "{% for c in arguments.text %}{{ c }}{{ 1 / (c != 'z') }}{% endfor %}",
            limit=10,
            text="a" * 50 + "z",
        )


def test_every_rendering_has_its_own_budget() -> None:
    """What one rendering looped does not count against the next."""
    program = SCOPE.parse("{% for c in arguments.text %}{% endfor %}", "body").compiled()

    assert [program.text(facts(text="a" * 9_000), 10) for _ in range(3)] == ["", "", ""]


def test_nothing_printed_shows_a_secret() -> None:
    """The description of a compiled template does not hold its text."""
    parsed = SCOPE.parse(f"{CANARY} {{{{ arguments.a }}}}", "body")

    assert CANARY not in repr(parsed) + repr(parsed.compiled()) + repr(SCOPE)


def test_a_refusal_is_a_sentence() -> None:
    """What a template of another kind finds wrong is told alike."""
    error = refused("url", "gets longer than 9 characters")

    assert str(error) == "The tool cannot be used with these values: its url gets longer than 9 characters."
    assert error.reason == "bad_template"


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_no_value_is_read_as_a_template(value: object) -> None:
    """Whatever an argument holds, it is shown and never run."""
    limit = 100_000
    try:
        "".join(map(str, [value])).encode()
    except UnicodeEncodeError:
        return
    made = text("<{{ arguments.a | tojson }}>", limit, a=value)

    assert made == f"<{json('{{ arguments.a }}', limit, a=value)}>"


@given(source=st.text(alphabet=st.sampled_from("{}%#'\" .|arguments[]()1+-\n")))
def test_every_source_is_compiled_or_refused(source: str) -> None:
    """Nothing but a ValueError comes of any text that is taken for a template."""
    try:
        SCOPE.parse(source, "body").compiled()
    except ValueError as error:
        assert str(error)  # noqa: PT017 - both ways are good


def test_everything_that_a_template_may_not_use_is_told() -> None:
    """Filters, tests, names and references, each once, in one error."""
    source = "${A} {{ a | upper | nope }} {{ b is nope }} {{ a }} {{ '${B}' }}${A}"
    with pytest.raises(SeveralFaults) as caught:
        Scope(("call",), References({}, Path(), Path.read_bytes).resolve).parse(source, "body")

    assert [sentence.partition(",")[0] for sentence in sorted(caught.value.sentences)] == [
        "the environment variable A is not set; set it",
        "the environment variable B is not set; set it",
        'uses the filter "nope"',
        'uses the name "a"',
        'uses the name "b"',
        'uses the test "nope"',
    ]


def test_what_else_is_wrong_beside_a_statement_is_told_but_for_names() -> None:
    """A statement that templates do not have may make names, so that none is judged."""
    with pytest.raises(SeveralFaults) as caught:
        SCOPE.parse("{% macro m(x) %}{{ x | nope }}{% endmacro %}{{ m(1) }} {{ y }}", "body")

    assert [sentence.partition(",")[0] for sentence in caught.value.sentences] == [
        'uses the filter "nope"',
        "has a statement that templates do not have; there are only if",
    ]
