"""Single fields: numbers, identifiers, base64, and how faults are named."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerProtocolError
from gateway.twilio.fields import encode_payload, number, payload, shape_error, sid


@given(st.integers(0, 10**18 - 1))
def test_number_is_read_from_text_and_from_number(value: int) -> None:
    """Twilio writes texts, some simulators numbers; both count."""
    assert number("chunk", value) == number("chunk", str(value)) == value


@given(st.text(max_size=20))
def test_number_takes_nothing_but_ascii_digits(value: str) -> None:
    """Signs, spaces, underscores and the digits of other scripts are no number."""
    if value and all(char in "0123456789" for char in value) and len(value) <= 18:
        assert number("chunk", value) == int(value)
        return
    with pytest.raises(CallerProtocolError) as caught:
        number("chunk", value)
    assert caught.value.reason == "bad_number"
    assert "chunk" in str(caught.value)


@pytest.mark.parametrize("value", [-1, 10**18, 10**4000])
def test_number_out_of_range_is_refused(value: int) -> None:
    """A number that no stream can reach is refused before anything is computed with it."""
    with pytest.raises(CallerProtocolError):
        number("chunk", value)


@pytest.mark.parametrize("value", ["MZ" + "f" * 32, "M", "a-b_c", "9" * 64])
def test_sid_of_letters_digits_and_dashes_passes(value: str) -> None:
    """Twilio's own identifiers pass, and those of simulators."""
    assert sid("callSid", value) == value


@pytest.mark.parametrize("value", ["", "a" * 65, "a b", "a\n", "../x", "é", '"', "\x00"])
def test_sid_that_could_break_out_is_refused(value: str) -> None:
    """An identifier ends up in URLs and messages, so nothing else gets in."""
    with pytest.raises(CallerProtocolError) as caught:
        sid("callSid", value)
    assert caught.value.reason == "bad_sid"


@given(st.binary(min_size=1, max_size=700))
def test_payload_survives_encode_and_decode(data: bytes) -> None:
    """Encoding is the standard one, decoding its inverse."""
    text = encode_payload(data)
    assert text == base64.b64encode(data).decode()
    assert payload(text) == data


def is_canonical(text: str) -> bool:
    """Judge by decoding and encoding again."""
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


@given(
    st.one_of(
        st.text("ABCQgwx019+/=", min_size=1, max_size=9),
        st.text(min_size=1, max_size=9),
    )
)
def test_payload_takes_canonical_base64_alone(text: str) -> None:
    """Whatever is accepted encodes back to the very same text."""
    if is_canonical(text):
        assert payload(text) == base64.b64decode(text)
        return
    with pytest.raises(CallerProtocolError) as caught:
        payload(text)
    assert caught.value.reason == "bad_base64"


def test_every_last_character_before_padding_is_judged_as_re_encoding_does() -> None:
    """The table of canonical endings agrees with encoding, for all 64 characters."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for char in alphabet:
        for text in (f"A{char}==", f"AA{char}="):
            if is_canonical(text):
                assert payload(text)
            else:
                with pytest.raises(CallerProtocolError):
                    payload(text)


class Inner(msgspec.Struct, tag_field="event", tag="inner", forbid_unknown_fields=True):
    count: int
    names: dict[str, str] = {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"event":"inner"}', "missing_field"),
        ('{"event":"inner","count":1,"secret":1}', "unknown_field"),
        ('{"event":"secret"}', "unknown_event"),
        ('{"event":"inner","count":"secret"}', "bad_type"),
        ('{"event":"inner","count":1,"names":{"secret":1}}', "bad_type"),
        ('{"event":"inner","count":1e999}', "bad_number"),
        ('{"event":"inner","count":' + "9" * 5000 + "}", "bad_number"),
        ("[]", "bad_type"),
    ],
)
def test_shape_errors_of_the_installed_msgspec_are_named(text: str, reason: str) -> None:
    """The words that msgspec uses are the ones we read, and values stay out of ours."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(text, type=Inner)
    error = shape_error(str(caught.value))
    assert error.reason == reason
    assert "secret" not in str(error) or reason == "unknown_field"
