"""Headers: nothing smuggled, nothing twice, none of the client's own, and no value repeated in a fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.egress.headers import MAX_VALUE_CHARS, fault, value_fault


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer s3cret"},
        {"X-Api-Key": "a" * MAX_VALUE_CHARS, "Content-Type": "application/json"},
        {"X-Empty": "", "X-Tab": "a\tb", "X-Umlaut": "für Ä", "X_under.score": "€"},
        {"User-Agent": "mine", "Accept": "text/plain", "Cookie": "a=b", "traceparent": "00-0-0-00"},
    ],
)
def test_sensible_headers_have_no_fault(headers: dict[str, str]) -> None:
    """What an endpoint may ask for can be configured."""
    assert fault(headers) is None


@pytest.mark.parametrize("bad", ["\r", "\n", "\x00", "\r\nX-Other: 1", "\x1b", "\x7f", "\x0b", "\ud800"])
@pytest.mark.parametrize("value", ["{}", "s3cret{}", "{}s3cret", "s3c{}ret"])
def test_value_that_could_become_two_headers_is_refused(bad: str, value: str) -> None:
    """No line break, control character or half of a character leaves the house."""
    said = fault({"X-Api-Key": value.format(bad)})

    assert said == "the header X-Api-Key has a line break or a control character: remove it"


@pytest.mark.parametrize("name", ["", " ", "X Y", "X:Y", "X-Y ", "X\r\nY", "\x00", "Ä", "X(Y)", "a" * 129])
def test_name_that_is_none_is_refused(name: str) -> None:
    """A name is a token of RFC 9110."""
    said = fault({name: "1"})

    assert said is not None
    assert said.endswith("is no header name: use letters, digits and hyphens")
    assert said.isprintable()
    assert len(said) < 300


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "Expect",
        "TE",
        "Upgrade",
        "Accept-Encoding",
    ],
)
def test_header_of_the_client_is_refused(name: str) -> None:
    """Whose request it is, where it ends and how its answer comes is not for a configuration to say."""
    assert fault({name: "x"}) == f"the header {name} is the client's own: remove it"


def test_header_in_two_spellings_is_refused() -> None:
    """The case of a name makes no other header."""
    assert fault({"X-Key": "1", "x-key": "2"}) == "the header x-key is there twice: keep one"


def test_long_value_is_refused_unseen() -> None:
    """A server would refuse it, and nobody could say why."""
    assert fault({"X-Key": "s" * (MAX_VALUE_CHARS + 1)}) == (
        f"the header X-Key is longer than {MAX_VALUE_CHARS} characters: shorten it"
    )


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=4))
def test_headers_without_fault_make_as_many_lines_as_there_are(headers: dict[str, str]) -> None:
    """Whatever passes reads back on the wire as it was configured."""
    if fault(headers) is None:
        wire = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()

        assert wire.count(b"\n") == wire.count(b"\r") == len(headers)
        assert b"\x00" not in wire


def test_a_value_is_judged_without_its_name() -> None:
    """Whoever has told what is wrong with the name can tell what is wrong with the value."""
    assert value_fault("X Y", "a") is None
    assert value_fault("X Y", "a\n") == "the header X Y has a line break or a control character: remove it"
    assert value_fault("X Y", "a" * (MAX_VALUE_CHARS + 1)) == (
        f"the header X Y is longer than {MAX_VALUE_CHARS} characters: shorten it"
    )
