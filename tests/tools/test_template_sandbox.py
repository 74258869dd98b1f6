"""What a template can get hold of, and how much it can make of it."""

from datetime import date, time
from types import MappingProxyType

import pytest
from jinja2.exceptions import SecurityError, UndefinedError

from gateway.tools.template_sandbox import (
    FILTER_NAMES,
    MOST_CHARACTERS,
    MOST_ROUNDS,
    ROUNDS,
    Sandbox,
    TooMuch,
    show,
    to_json,
)
from tests.tools.templating import NOW

SANDBOX = Sandbox()
BIG = "a" * 60_000


def filled(source: str, rounds: int = MOST_ROUNDS, **values: object) -> str:
    """Return what a template makes of these values."""
    return SANDBOX.from_string(SANDBOX.parse(source)).render({**values, ROUNDS: iter(range(rounds))})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", "a\nb"),
        (None, ""),
        (True, "true"),
        (4, "4"),
        (4.5, "4.5"),
        ([1, "ü", None], '[1,"ü",null]'),
        ({"a": NOW}, '{"a":"2026-11-26T09:05:00+00:00"}'),
        (NOW, "2026-11-26T09:05:00+00:00"),
        (date(2026, 11, 26), "2026-11-26"),
        (time(9, 5), "09:05:00"),
    ],
)
def test_values_stand_in_text_as_people_and_endpoints_read_them(value: object, text: str) -> None:
    """Tables and lists are JSON, null is nothing, times are ISO 8601, and booleans are not Python's."""
    assert show(value) == text
    assert filled("{{ value }}", value=value) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ [3, 1] | sort }}", "[1,3]"),
        ("{{ [1, 2] | map('string') }}", '["1","2"]'),
        ("{{ {'a': 1}.keys() }}{{ {'a': 1}.values() }}{{ {'a': 1}.items() }}", '["a"][1][["a",1]]'),
        ("{{ [1, 2] | reverse | tojson }}", "[2,1]"),
        ("{{ [1, true, none, 'x'] | join(', ') }}", "1, true, , x"),
        ("{{ 'a-b-c' | replace('-', '') }}", "abc"),
        ("{{ 2.567 | round(1) }} {{ 2.5 | round }} {{ 1 | round(999999999) }}", "2.6 2 1"),
        ("{{ 'a b/ü&' | urlencode }}", "a%20b%2F%C3%BC%26"),
        ("{{ {'a b': 1, 'c': '&'} | urlencode }}", "a%20b=1&c=%26"),
        ("{{ '<a href=\"x\">' | escape }}", "&lt;a href=&quot;x&quot;&gt;"),
        ("{{ '<&>' | tojson }}", '"<&>"'),
        ("{{ 2 * 3 }} {{ 2 ** 10 }} {{ 7 % 4 }} {{ '-' * 3 }} {{ 3 * [1] }}", "6 1024 3 --- [1,1,1]"),
        ("{% for x in [1, 2] %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{% endfor %}", "1a2b"),
        ("line\n", "line\n"),
    ],
)
def test_what_templates_have(source: str, text: str) -> None:
    """The filters, operators and loops that are left do what their names say."""
    assert filled(source) == text


@pytest.mark.parametrize(
    "call",
    [
        "'A b'.lower()",
        "' x '.strip()",
        "'a,b'.split(',')",
        "'x'.isalpha()",
        "data.get('k', 1)",
        "[1].index(1)",
        "now.strftime('%d.%m.%Y')",
        "now.date().isoformat()",
        "now.time().strftime('%H:%M')",
    ],
)
def test_methods_that_cost_no_more_than_their_input_can_be_called(call: str) -> None:
    """What texts, tables, lists and times can do for themselves they may."""
    assert filled(f"{{{{ {call} }}}}", data={}, now=NOW)


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__",
        "''.__class__.__mro__",
        "data.__init__.__globals__",
        "data['__class__']",
        "now.__class__",
        "now.replace(year=1)",
        "now.tzinfo.utcoffset(now)",
        "now.astimezone()",
        "'{0.__class__}'.format(1)",
        "'{:>9}'.format(1)",
        "'{a}'.format_map(data)",
        "'x'.ljust(9)",
        "'x'.zfill(9)",
        "'x'.center(9)",
        "'x'.join([])",
        "'x'.replace('x', 'y')",
        "'x'.translate({})",
        "'x'.encode()",
        "'x'.expandtabs()",
        "items.append(1)",
        "items.sort()",
        "data.update({})",
        "data.setdefault('a', 1)",
        "data.pop('k')",
        "(1).to_bytes(9)",
        "items | map(attribute='__class__') | list",
        "items | sort(attribute='__class__')",
    ],
)
def test_nothing_beyond_the_data_can_be_reached(expression: str) -> None:
    """Neither Python's inside nor a method that changes or multiplies anything is there."""
    data: dict[str, object] = {"k": 1}
    with pytest.raises(SecurityError):
        filled(f"{{{{ {expression} }}}}", data=data, items=[1, 2], now=NOW)

    assert data == {"k": 1}


@pytest.mark.parametrize("name", ["range", "dict", "lipsum", "cycler", "joiner", "namespace"])
def test_there_are_no_globals(name: str) -> None:
    """None of Jinja's own functions is there."""
    with pytest.raises(UndefinedError, match=f"^{name}$"):
        filled(f"{{{{ {name} }}}}")


def test_only_useful_harmless_filters_are_left() -> None:
    """Filters that pad, repeat, format, mark as safe or choose at random are gone."""
    gone = {
        "attr",
        "batch",
        "center",
        "format",
        "indent",
        "pprint",
        "random",
        "safe",
        "slice",
        "wordwrap",
        "xmlattr",
    }

    assert gone.isdisjoint(FILTER_NAMES)
    assert {"default", "join", "tojson", "urlencode"} <= set(FILTER_NAMES)
    assert set(SANDBOX.filters) == {*FILTER_NAMES, ROUNDS}


def test_a_key_goes_before_a_method() -> None:
    """An argument called items is that argument; without one, and elsewhere, the method is meant."""
    assert filled("{{ data.items }}", data={"items": "three"}) == "three"
    assert filled("{{ data.items() }}", data={"a": 1}) == '[["a",1]]'


@pytest.mark.parametrize("shown", ["data.items", "now.date", "[now.date]", "sandbox"])
def test_what_is_no_data_is_not_shown(shown: str) -> None:
    """A method or an object cannot be printed, so nothing of an inside gets out."""
    source = f"{{% for x in [1] %}}{{{{ {shown} }}}}{{% endfor %}}"
    with pytest.raises(TypeError):
        filled(source, data={}, now=NOW, sandbox=SANDBOX)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused(value: float) -> None:
    """A number that is none makes no JSON that others cannot read."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json([value])


def test_other_kinds_of_tables_and_lists_are_written_alike() -> None:
    """A read-only view and a tuple are the table and the list that they are in JSON."""
    assert to_json(MappingProxyType({"a": (1, 2)})) == '{"a":[1,2]}'


@pytest.mark.parametrize(
    "source", ["{{ missing }}", "{{ data.missing }}", "{{ data['missing'] }}", "{{ missing.a }}"]
)
def test_what_is_missing_is_named(source: str) -> None:
    """The error of a missing value is its name and nothing else."""
    with pytest.raises(UndefinedError, match=r"^missing$"):
        filled(source, data={})


@pytest.mark.parametrize("source", ["{{ [] | first }}", "{{ [1][5] }}", "{{ [1][number] }}"])
def test_what_has_no_name_is_not_named(source: str) -> None:
    """Nothing that is not a name in the template shows in the error."""
    with pytest.raises(UndefinedError, match=r"^$"):
        filled(source, number=9)


@pytest.mark.parametrize(
    "source",
    [
        "{{ big * 1000 }}",
        "{{ 1000 * big }}",
        "{{ [big] * 9999999 }}",
        "{{ big.split('a') | join(big) }}",
        "{{ big | replace('a', big) }}",
        "{{ big | replace('', big) }}",
        "{{ 9 ** 999999 }}",
        "{{ 99999999 ** 99 }}",
        "{{ '%999999999d' % 1 }}",
        "{% for x in big %}{% for y in big %}{% endfor %}{% endfor %}",
    ],
)
def test_no_argument_can_blow_a_template_up(source: str) -> None:
    """What multiplies text, numbers or rounds asks first."""
    with pytest.raises(TooMuch):
        filled(source, big=BIG)


def test_the_limits_are_inclusive() -> None:
    """Just as much as is allowed is made."""
    assert len(filled("{{ 'a' * n }}", n=MOST_CHARACTERS)) == MOST_CHARACTERS
    assert filled("{% for x in [1, 2] %}{{ x }}{% endfor %}", rounds=2) == "12"
    with pytest.raises(TooMuch, match="round"):
        filled("{% for x in [1, 2, 3] %}{{ x }}{% endfor %}", rounds=2)
