"""Keys and tokens: enough chance in them, nothing stored but their hash."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.tokens import (
    KeyText,
    hash_token,
    matches,
    new_key,
    new_token,
    new_webhook_secret,
    parse_key,
)

GOOD = "va_0123456789abcdef_" + "A" * 43


def test_key_is_read_as_it_was_made() -> None:
    """A key's text has its public id and 256 bits of chance, and is never like another."""
    keys = [new_key() for _ in range(100)]

    assert {parse_key(str(key)) for key in keys} == set(keys)
    assert len({key.public_id for key in keys}) == len({key.secret for key in keys}) == 100
    assert all(len(base64.urlsafe_b64decode(key.secret + "=")) == 32 for key in keys)
    assert keys[0].secret not in repr(keys[0])


def test_secret_with_underscores_is_read_whole() -> None:
    """The secret's alphabet has the separator in it."""
    text = "va_0123456789abcdef_" + "_-" * 21 + "_"

    assert str(parse_key(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "va_",
        GOOD[:-1],
        GOOD + "A",
        GOOD + "\n",
        " " + GOOD,
        GOOD.upper(),
        GOOD.replace("va_", "sk_"),
        GOOD.replace("0123", "012g"),
        GOOD.replace("A", "é", 1),
        GOOD.replace("A", "\0", 1),
    ],
)
def test_what_cannot_be_a_key_is_none(text: str) -> None:
    """Anything but the exact shape is refused before the database is asked."""
    assert parse_key(GOOD) is not None
    assert parse_key(text) is None


@given(st.text())
def test_any_text_is_a_key_or_none(text: str) -> None:
    """Reading never fails, and what it takes it would write again."""
    key = parse_key(text)

    assert key is None or str(key) == text


def test_only_the_right_secret_matches() -> None:
    """Another secret does not match, nor anything when there is no such key."""
    key = new_key()

    assert matches(key, key.secret_hash)
    assert not matches(key, new_key().secret_hash)
    assert not matches(key, None)
    assert not matches(KeyText(key.public_id, ""), None)


def test_tokens_have_enough_chance_and_hashes_hide_them() -> None:
    """256 bits each; the hash of any text, even none that UTF-8 knows, is a SHA-256."""
    assert len(base64.urlsafe_b64decode(new_token() + "=")) == 32
    assert new_token() != new_token()
    assert re.fullmatch("[0-9a-f]{64}", hash_token("\ud800"))
    assert hash_token("a") != hash_token("b")


def test_webhook_secret_is_as_the_standard_says() -> None:
    """``whsec_`` and 32 bytes in base64."""
    secret = new_webhook_secret()

    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != new_webhook_secret()
