"""What Twilio says of an account and its numbers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.twilio.account import Account, OwnNumber, parse_account, parse_numbers

NUMBER: dict[str, Any] = {
    "sid": "PN" + "0" * 32,
    "phone_number": "+15005550001",
    "voice_url": "https://voice.example/twilio/voice",
    "voice_method": "POST",
    "voice_application_sid": "",
    "trunk_sid": None,
    "status_callback": "https://voice.example/twilio/status",
    "status_callback_method": "POST",
    "capabilities": {"voice": True, "sms": True},
}


def number(**changes: object) -> OwnNumber:
    """Return what is read of a page with one number."""
    page = parse_numbers(json.dumps({"incoming_phone_numbers": [NUMBER | changes]}).encode())
    assert page is not None
    ((found,), next_page) = page
    assert next_page == ""
    return found


def test_account_is_read() -> None:
    """Its state and kind, as the console shows them."""
    body = json.dumps({"sid": "AC" + "0" * 32, "status": "active", "type": "Trial"}).encode()

    assert parse_account(body) == Account("active", "Trial")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"sid": 7}', b"<html>"])
def test_what_is_no_account_is_none(body: bytes) -> None:
    """Somebody else's answer is not taken for Twilio's."""
    assert parse_account(body) is None


def test_number_is_read_with_its_webhooks() -> None:
    """And stays out of what is printed of it."""
    found = number()

    assert found == OwnNumber(
        number="+15005550001",
        voice_url="https://voice.example/twilio/voice",
        voice_method="POST",
        status_callback="https://voice.example/twilio/status",
        status_callback_method="POST",
        elsewhere="",
        voice=True,
    )
    assert "5550001" not in repr(found)


@pytest.mark.parametrize(
    ("changes", "elsewhere", "voice"),
    [
        ({"trunk_sid": "TK1"}, "trunk", True),
        ({"voice_application_sid": "AP1"}, "application", True),
        ({"capabilities": {"voice": False}}, "", False),
        ({"capabilities": None}, "", True),
        ({"voice_url": None, "voice_method": 7}, "", True),
    ],
)
def test_number_that_is_used_otherwise(changes: dict[str, object], elsewhere: str, voice: bool) -> None:
    """A trunk or an application takes its calls, whatever its webhook; what is oddly written is empty."""
    found = number(**changes)

    assert (found.elsewhere, found.voice) == (elsewhere, voice)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"incoming_phone_numbers": {}}'])
def test_what_is_no_list_of_numbers_is_none(body: bytes) -> None:
    """An empty list is another matter."""
    assert parse_numbers(body) is None
    assert parse_numbers(b'{"incoming_phone_numbers": [1, {}, {"phone_number": ""}]}') == ([], "")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing that an API answers breaks the check."""
    parse_account(body)
    parse_numbers(body)
