"""Texts, bodies, headers and keys, and what no value can make of them."""

import hashlib

import pytest
from hypothesis import given

from gateway.errors import ToolError
from gateway.tools.templates import HeaderTemplate, KeyTemplate, TextBody, TextTemplate, is_json
from tests.tools.templating import HOSTILE, SCOPE, facts


def test_a_text_is_made_within_its_limit() -> None:
    """A template makes text, at most as long as it may be."""
    template = TextTemplate.compile("{{ arguments.a }}!", SCOPE, "answer", limit=4)

    assert template.render(facts(a="abc")) == "abc!"
    with pytest.raises(ToolError, match="its answer gets longer than 4 characters"):
        template.render(facts(a="abcd"))


# --- bodies


@pytest.mark.parametrize(
    ("content_type", "source", "body"),
    [
        ("application/json", '{"q": {{ arguments.a | tojson }}}', b'{"q": "x\\"&<\xc3\xbc"}'),
        ("application/ld+json; charset=utf-8", "{{ arguments | tojson }}", b'{"a":"x\\"&<\xc3\xbc"}'),
        ("application/x-www-form-urlencoded", "q={{ arguments.a | urlencode }}", b"q=x%22%26%3C%C3%BC"),
        ("application/soap+xml", "<q>{{ arguments.a | escape }}</q>", b"<q>x&quot;&amp;&lt;\xc3\xbc</q>"),
        (
            "text/xml",
            "<q>{% if call %}{{ arguments.a | escape }}{% endif %}</q>",
            b"<q>x&quot;&amp;&lt;\xc3\xbc</q>",
        ),
        ("text/plain", "q: {{ arguments.a }}", b'q: x"&<\xc3\xbc'),
    ],
)
def test_a_body_escapes_as_its_content_type_wants(content_type: str, source: str, body: bytes) -> None:
    """Each expression ends with the escape of the content type, where it has one."""
    assert TextBody.compile(source, SCOPE, content_type).render(facts(a='x"&<ü')) == body


@pytest.mark.parametrize(
    ("content_type", "source", "fix"),
    [
        (
            "application/json",
            '{"q": "{{ arguments.a }}"}',
            "end each one with | tojson; or write the body as a table",
        ),
        ("Application/JSON", "{{ arguments.a | tojson | upper }}", "| tojson"),
        ("application/json", "{% if call %}{{ arguments.a }}{% endif %}", "| tojson"),
        ("application/x-www-form-urlencoded", "q={{ arguments.a }}", "end each one with | urlencode"),
        ("text/html", "<b>{{ arguments.a | tojson }}</b>", "end each one with | escape"),
    ],
)
def test_a_body_that_a_value_could_break_out_of_is_refused(content_type: str, source: str, fix: str) -> None:
    """An expression without the escape is told with the fix when the file is read."""
    with pytest.raises(ValueError, match="could break out of its place") as caught:
        TextBody.compile(source, SCOPE, content_type)

    assert fix in str(caught.value)


@pytest.mark.parametrize(
    ("content_type", "verdict"),
    [
        ("application/json", True),
        ("application/vnd.api+JSON;v=1", True),
        ("text/json", True),
        ("text/plain", False),
    ],
)
def test_json_is_told_by_its_content_type(content_type: str, verdict: bool) -> None:
    """Case and parameters do not count."""
    assert is_json(content_type) is verdict


# --- headers


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("plain", "plain"),
        (" {{ arguments.a }} ", "Zoë"),
        ("${KEY}", "s3cret{{ call }}"),
        ("{{ arguments.none | default('') }}", ""),
        ("a\tb", "a\tb"),
    ],
)
def test_a_header_is_made(source: str, value: str) -> None:
    """A value of Latin-1 characters is carried as it is, without white space around it."""
    assert HeaderTemplate.compile("X-Name", source, SCOPE).render(facts(a="Zoë")) == value


@pytest.mark.parametrize(
    "source", ["a\nb", "a\r\nX-Evil: 1", "a\0", "a\x7f", "a\x85b", "zł", "{{ call }}\n{{ now }}"]
)
def test_a_text_that_no_header_can_carry_is_refused_when_it_is_read(source: str) -> None:
    """A literal line break, control character or character outside Latin-1 is a fault."""
    with pytest.raises(ValueError, match="no header can carry"):
        HeaderTemplate.compile("X-Name", source, SCOPE)


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "a\u2028b", "zł", "\x1b[31m"])
def test_a_value_that_no_header_can_carry_is_refused(value: str) -> None:
    """The agent is told which header, and not the value."""
    with pytest.raises(
        ToolError, match="its header X-Name gets a character that no header can carry"
    ) as caught:
        HeaderTemplate.compile("X-Name", "{{ arguments.a }}", SCOPE).render(facts(a=value))

    assert caught.value.reason == "bad_template"


@given(value=HOSTILE)
def test_no_value_adds_a_header(value: str) -> None:
    """A value either is one line of Latin-1 or is refused."""
    template = HeaderTemplate.compile("X-Name", "<{{ arguments.a }}>", SCOPE)
    try:
        made = template.render(facts(a=value))
    except ToolError:
        assert not value.isprintable() or not value.isascii()
        return
    assert made == f"<{value}>"
    assert len(made.encode("latin-1").splitlines()) == 1
    assert not set("\r\n\0") & set(made)


# --- keys


@pytest.mark.parametrize("value", ["b-17", "x" * 250, "!~"])
def test_a_key_that_a_header_can_carry_is_sent_as_it_is(value: str) -> None:
    """Up to 255 visible ASCII characters are the key themselves."""
    assert KeyTemplate.compile("book-{{ arguments.a }} ", SCOPE).render(facts(a=value)) == f"book-{value}"


@pytest.mark.parametrize("value", ["a b", "ł", "x" * 251, "a\nb"])
def test_any_other_key_is_sent_as_its_digest(value: str) -> None:
    """A key that is too long or has other characters is sent as its SHA-256."""
    made = KeyTemplate.compile("book-{{ arguments.a }}", SCOPE).render(facts(a=value))

    assert made == "sha256-" + hashlib.sha256(f"book-{value}".encode()).hexdigest()


def test_different_keys_stay_different() -> None:
    """Two keys that cannot be sent as they are have two digests, the same each time."""
    template = KeyTemplate.compile("{{ arguments.a }}", SCOPE)
    made = [template.render(facts(a=value)) for value in ("a b", "a  b", "a b")]

    assert made[0] == made[2] != made[1]


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_key_is_refused(value: str) -> None:
    """A key of nothing would make all runs one."""
    with pytest.raises(ToolError, match="its idempotency key is empty"):
        KeyTemplate.compile("{{ arguments.a }}", SCOPE).render(facts(a=value))
