"""What may be kept in a log line, and what may not."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.redact import (
    MASK,
    MOST_CHARACTERS,
    MOST_TRACE_CHARACTERS,
    Cleared,
    Redactor,
    _held_under,
    _without_shapes,
    escape,
)

SECRET = "canary+0123/456789"
REDACTOR = Redactor.of([SECRET])


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "auth_token",
        "authToken",
        "stream_token",
        "auth",
        "key",
        "api_key",
        "apikey",
        "API-Key",
        "secret",
        "client_secret",
        "password",
        "passwd",
        "authorization",
        "Authorization",
        "X-Twilio-Signature",
        "cookie",
    ],
)
def test_value_under_a_secret_name_is_masked_whatever_it_is(key: str) -> None:
    """A name that says secret hides text, numbers and whole objects."""
    assert [REDACTOR.pair(key, value) for value in ("x", 1234, b"x", {"a": 1}, ["x"])] == [MASK] * 5


@pytest.mark.parametrize(
    "key", ["payload", "audio", "transcript", "text", "digit", "digits", "arguments", "prompt"]
)
def test_content_of_a_call_is_masked_but_its_size_is_not(key: str) -> None:
    """What was said or dialled is hidden, counts of it are not."""
    assert REDACTOR.pair(key, "hello") == REDACTOR.pair(f"last_{key}", ["hello"]) == MASK
    assert REDACTOR.pair(f"{key}_bytes", 160) == 160


@pytest.mark.parametrize("key", ["author", "monkey", "keyboard", "context", "reason", "audiology", "frames"])
def test_innocent_names_are_kept(key: str) -> None:
    """A name that merely contains the letters is no secret."""
    assert REDACTOR.pair(key, "value") == "value"


def test_flags_and_absence_are_kept_under_any_name() -> None:
    """Whether there was a token is no secret."""
    assert REDACTOR.pair("token", None) is None
    assert REDACTOR.pair("has_token", True) is True


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("+15551230123", "+1******0123"),
        ("call from +442071838750 to sip:+15551230123@x", "call from +4******8750 to sip:+1******0123@x"),
        ("From=%2B15551230123&To=x", "From=%2B1******0123&To=x"),
        ("+12", "+12"),
        ("+0100", "+0100"),
        ("15551230123 samples", "15551230123 samples"),
    ],
)
def test_phone_numbers_keep_their_first_and_last_digits(text: str, kept: str) -> None:
    """An E.164 number is recognisable to its owner and to nobody else."""
    assert REDACTOR.text(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("wss://api.vatel.ai/v1/connection?token=abc", "wss://api.vatel.ai/v1/connection?…"),
        ('"GET /v1/connection?token=abc HTTP/1.1" 101', '"GET /v1/connection?… HTTP/1.1" 101'),
        ("see https://h/p and https://h/q?a=1 too", "see https://h/p and https://h/q?… too"),
        ("https://me:hunter2@h/p", "https://******@h/p"),
        ("what? why?", "what? why?"),
        ("and/or?", "and/or?"),
    ],
)
def test_urls_lose_query_and_credentials(text: str, kept: str) -> None:
    """What may hold a token in a URL is cut, the address stays."""
    assert REDACTOR.text(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer abcdef123", "Authorization: Bearer ******"),
        ("sent basic QUM6dG9rZW4=", "sent basic ******"),
        ("auth_token=abc next", "auth_token=****** next"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": "******", "n": 1}'),
        ("jwt eyJhbGciOi.eyJzdWIiOi.c2ln end", "jwt ****** end"),
        (f"it was {SECRET}!", "it was ******!"),
        ("/x/canary%2B0123%2F456789/y", "/x/******/y"),
    ],
)
def test_secrets_inside_text_are_masked(text: str, kept: str) -> None:
    """Tokens are found by their company, their shape, or because they are ours."""
    assert REDACTOR.text(text) == kept


def test_short_secrets_do_not_eat_words() -> None:
    """A secret of a few letters is not searched for, or the log would turn to stars."""
    assert Redactor.of(["a", "", "the"]).text("the call and a tone") == "the call and a tone"


def test_longer_secret_is_masked_before_its_own_part() -> None:
    """Of two secrets, one inside the other, nothing remains."""
    assert Redactor.of(["abcdef", "abcdefghijkl"]).text("abcdefghijkl") == MASK


def test_values_that_json_cannot_hold_become_text() -> None:
    """Bytes are counted, odd numbers and objects named."""
    assert REDACTOR.value(b"\xff\xff") == "<2 bytes>"
    assert REDACTOR.value(memoryview(b"abc")) == "<3 bytes>"
    assert REDACTOR.value(float("nan")) == "nan"
    assert REDACTOR.value(10**5000) == "<huge int>"
    assert REDACTOR.value([2.5, True, None]) == [2.5, True, None]
    assert REDACTOR.value(ValueError(f"bad {SECRET}")) == f"ValueError('bad {MASK}')"


def test_containers_are_cleaned_inside() -> None:
    """Names and shapes count at every depth."""
    value = {"a": [{"token": "x", "to": "+15551230123"}], "b": ("x", {1})}

    assert REDACTOR.value(value) == {"a": [{"token": MASK, "to": "+1******0123"}], "b": ["x", [1]]}


def test_containers_are_bounded() -> None:
    """A huge or a circular container ends somewhere."""
    circle: dict[str, object] = {}
    circle["again"] = circle

    assert "<nested>" in json.dumps(REDACTOR.value(circle))
    assert len(json.dumps(REDACTOR.value(list(range(100_000))))) < 300


def test_long_text_is_cut_and_says_so() -> None:
    """A value over 2 kB keeps its beginning and tells its length."""
    assert REDACTOR.text("x" * 5000) == "x" * MOST_CHARACTERS + "… (5000 characters)"
    assert REDACTOR.text("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS


def test_cut_does_not_leave_half_a_secret() -> None:
    """Wherever the cut falls, no part of a secret longer than chance is left."""
    for filler in range(2_900, 3_100):
        assert SECRET[:8] not in REDACTOR.text(f"{SECRET} " * 100 + "x" * (filler - 1_900) + SECRET * 50)
        assert SECRET[-8:] not in REDACTOR.trace("x" * filler + SECRET * 500 + "y" * 100)


def test_megabyte_costs_little() -> None:
    """A flood of one value does not hold up the process."""
    began = time.perf_counter()
    for hostile in ("a" * 10**6, "a-" * 10**6, "://" * 10**6, "/?" * 10**6, "+1" * 10**6, "eyJ" * 10**6):
        REDACTOR.text(hostile)

    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain µ text ×", "plain µ text ×"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("nul\0", "nul\\x00"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, kept: str) -> None:
    """Line breaks of all kinds, terminal escapes and direction marks lose their power."""
    assert escape(text) == kept


def test_traceback_lines_are_marked() -> None:
    """A line break inside an error's message cannot start a line of its own."""
    assert REDACTOR.trace("Traceback:\nValueError: x\r\n2026 forged") == (
        "  | Traceback:\n  | ValueError: x\\r\n  | 2026 forged"
    )


def test_long_traceback_keeps_its_end() -> None:
    """The error itself stands last and stays."""
    text = REDACTOR.trace("frame\n" * 10_000 + "ValueError: here")

    assert text.endswith("  | ValueError: here")
    assert len(text) < 3 * MOST_TRACE_CHARACTERS


@given(st.text(st.characters(exclude_categories=()), max_size=300), st.text(max_size=300))
def test_any_text_becomes_one_printable_line_without_the_secret(before: str, after: str) -> None:
    """Whatever surrounds it, our secret goes, and one printable line remains."""
    clean = REDACTOR.text(before + SECRET + after)

    assert clean.isprintable()
    assert SECRET not in clean


_PIECES = [
    "bearer ",
    "basic",
    "token",
    "=",
    ":",
    "eyJhbGci",
    ".",
    "+",
    "%2B",
    "4930123456",
    "?",
    "://",
    "u@",
    "/",
    "_-",
]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=9), max_size=8).map("".join))
def test_text_that_is_not_searched_has_no_shape(text: str) -> None:
    """Whatever it is made of: leaving most words and ids alone changes nothing."""
    assert Redactor()._mask(text) == _without_shapes(text)


def test_names_that_are_not_ours_are_not_kept() -> None:
    """A name is judged whatever its length; a long one, which a caller may have said, is not remembered."""
    _held_under.cache_clear()
    assert REDACTOR.pair("x" * 1_000 + "_token", "canary") == MASK
    assert _held_under.cache_info().currsize == 0
    assert REDACTOR.pair("call_token", "canary") == MASK
    assert _held_under.cache_info().currsize == 1


def test_cleared_text_keeps_its_words() -> None:
    """Text without values is not searched for shapes; known secrets are masked all the same."""
    redactor = Redactor.of(["canary-1"])

    assert redactor.value(Cleared("auth.token: is missing")) == "auth.token: is missing"
    assert redactor.value(Cleared("a\ncanary-1")) == f"a\\n{MASK}"
    assert redactor.pair("token", Cleared("canary-2")) == MASK
