"""URLs whose structure no value can change."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from yarl import URL

from gateway.errors import ToolError
from gateway.tools.faults import SeveralFaults
from gateway.tools.url_template import UrlTemplate
from tests.tools.templating import HOSTILE, SCOPE, facts


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https://h.example", "https://h.example"),
        ("https://h.example/", "https://h.example/"),
        ("https://h.example:8443/a//b/?x=%20&y", "https://h.example:8443/a//b/?x=%20&y"),
        ("https://h.example/{{ arguments.a }}", "https://h.example/a%20b%2Fc%3F"),
        ("https://h.example/v1-{{ arguments.n }}.json/x", "https://h.example/v1-4.json/x"),
        ("https://h.example/{{ arguments.n }}{{ arguments.n }}", "https://h.example/44"),
        ("https://h.example?q={{ arguments.a }}&n={{ arguments.n }}", "https://h.example?q=a%20b%2Fc%3F&n=4"),
        (
            "https://h.example/{{ arguments.n }}/?q=../{{ arguments.a }}",
            "https://h.example/4/?q=../a%20b%2Fc%3F",
        ),
        ("https://h.example/x?a=?&b={{ arguments.none | default('') }}/", "https://h.example/x?a=?&b=/"),
        ("https://[2001:db8::1]/{{ call.from }}", "https://[2001:db8::1]/%2B15005550006"),
    ],
)
def test_values_are_percent_encoded_parts(source: str, url: str) -> None:
    """Each expression becomes a part of the path or query that it stands in; literal text stays."""
    assert UrlTemplate.compile(source, SCOPE).render(facts(a="a b/c?", n=4)) == url


@pytest.mark.parametrize(
    ("source", "sample"),
    [
        ("", ""),
        ("https://h.example/a", "https://h.example/a"),
        (
            "https://h.example/{{ call.id }}/b-{{ now }}?c={{ call.id }}&d=1",
            "https://h.example/x/b-x?c=x&d=1",
        ),
    ],
)
def test_a_sample_has_the_shape_of_all(source: str, sample: str) -> None:
    """What is judged as a destination is the URL with something plain for each expression."""
    assert UrlTemplate.compile(source, SCOPE).sample() == sample


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ call.id }}", "has a template before its path"),
        ("{{ call.id }}://h.example/", "has a template before its path"),
        ("https://{{ call.id }}/", "has a template before its path"),
        ("https://h.example{{ call.id }}/a", "has a template before its path"),
        ("https://h.example:{{ call.id }}/a", "has a template before its path"),
        ("/{{ call.id }}", "has a template before its path"),
        ("h.example/{{ call.id }}", "has a template before its path"),
        ("https://h.example/{% if call %}a{% endif %}", "only {{ … }} may stand here"),
        ("https://h.example/#{{ call.id }}", "has a # or a character that no URL has"),
        ("https://h.example/a b", "has a # or a character that no URL has"),
        ("https://h.example/ü", "has a # or a character that no URL has"),
        ("https://h.example\\@evil.example/", "has a # or a character that no URL has"),
        ("https://h.example/${KEY}", "has a # or a character that no URL has"),
        ("https://h.example/../{{ call.id }}", "has . or .. as a part of its path"),
        ("https://h.example/a/.", "has . or .. as a part of its path"),
        ("https://h.example/{{ nothing }}", 'uses the name "nothing"'),
    ],
)
def test_a_url_that_will_not_do_is_refused_when_it_is_read(source: str, told: str) -> None:
    """Scheme, host and port are written out, and the rest is what a URL can have."""
    with pytest.raises(ValueError, match=r"; ") as caught:
        UrlTemplate.compile(source, SCOPE)

    assert told in str(caught.value)


def test_all_that_is_wrong_with_a_url_is_told() -> None:
    """A template before the path and a character that no URL has are two faults."""
    with pytest.raises(SeveralFaults) as caught:
        UrlTemplate.compile("https://{{ call.id }}/ü", SCOPE)

    assert [sentence[:14] for sentence in caught.value.sentences] == ["has a template", "has a # or a c"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "../admin",
        "a/../b",
        "a/..",
        "/",
        "a//b",
        "..\\x",
        "..;a",
        "a/..;b=c/d",
        " ",
        "..%2f".replace("%2f", "/"),
        "a\0",
        "a\nb",
        None,
    ],
)
def test_a_value_that_leads_elsewhere_in_the_path_is_refused(value: object) -> None:
    """Empty parts and dots are refused, also those that a server would see only after decoding."""
    with pytest.raises(
        ToolError, match="its url gets a part that is empty, or that leads elsewhere"
    ) as caught:
        UrlTemplate.compile("https://h.example/v1/{{ arguments.a }}/x", SCOPE).render(facts(a=value))

    assert caught.value.reason == "bad_template"


def test_parts_are_judged_whole() -> None:
    """Two values, or a value and a text, cannot make of a part what one may not."""
    for source in (
        "https://h.example/.{{ arguments.a }}/x",
        "https://h.example/{{ arguments.a }}{{ arguments.a }}",
    ):
        with pytest.raises(ToolError, match="leads elsewhere"):
            UrlTemplate.compile(source, SCOPE).render(facts(a="."))


def test_a_query_takes_any_text() -> None:
    """Dots and nothing at all are harmless behind the question mark."""
    template = UrlTemplate.compile("https://h.example/?a={{ arguments.a }}", SCOPE)

    assert [template.render(facts(a=value)) for value in ("", "..")] == [
        "https://h.example/?a=",
        "https://h.example/?a=..",
    ]


@pytest.mark.parametrize(
    "source", ["https://h.example/{{ arguments.a }}", "https://h.example/?q={{ arguments.a }}"]
)
def test_a_url_has_a_limit(source: str) -> None:
    """What no server would take is refused, also when it is the encoding that makes it long."""
    template = UrlTemplate.compile(source, SCOPE)

    assert len(template.render(facts(a="x" * 2_000))) > 2_000
    for value in ("x" * 2_048, "ü" * 1_000):
        with pytest.raises(ToolError, match="its url gets longer than 2048 characters"):
            template.render(facts(a=value))


def test_nothing_printed_shows_a_secret() -> None:
    """The description of a URL does not hold its text."""
    assert "t0ken" not in repr(UrlTemplate.compile("https://h.example/t0ken/{{ call.id }}", SCOPE))


@given(first=HOSTILE, second=HOSTILE)
@example(first="..", second="?")
@example(first="a/../../b", second="&x=1")
def test_no_value_changes_the_structure(first: str, second: str) -> None:
    """Host, number of parts and names in the query stay, and each value comes out as it went in."""
    source = "https://h.example/v1/{{ arguments.a }}/t?q={{ arguments.b }}&z=1"
    try:
        url = UrlTemplate.compile(source, SCOPE).render(facts(a=first, b=second))
    except ToolError:
        return
    parts = urlsplit(url)
    before, value, after = parts.path.split("/")[1:]
    names = [pair.partition("=")[::2] for pair in parts.query.split("&")]

    assert url.isascii()
    assert url.isprintable()
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "h.example", "")
    assert (before, after) == ("v1", "t")
    assert unquote(value, errors="strict") == first
    assert [(name, unquote(text, errors="strict")) for name, text in names] == [("q", second), ("z", "1")]
    assert URL(url).host == "h.example"
    assert URL(url).parts[1:] == ("v1", first, "t")
