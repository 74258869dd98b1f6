"""What Twilio says of an account and its numbers, read. PURE.

Contracts: https://www.twilio.com/docs/iam/api/account and
https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.twilio.calls import json_object, text_of


@dataclass(frozen=True, slots=True)
class Account:
    """An account. ``status`` is ``active``, ``suspended`` or ``closed``, ``kind`` ``Full`` or ``Trial``."""

    status: str
    kind: str


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """A number of the account, and what happens when it is called.

    Attributes:
        voice_url: whose TwiML is asked for; empty when there is none.
        elsewhere: what takes the calls instead, whatever ``voice_url`` says: a SIP trunk or a TwiML
            application; empty when nothing does.
        voice: whether it can be called at all.
    """

    number: str = field(repr=False)
    voice_url: str
    voice_method: str
    status_callback: str
    status_callback_method: str
    elsewhere: Literal["", "trunk", "application"]
    voice: bool


def parse_account(body: bytes) -> Account | None:
    """Read an account; None when the body is not one."""
    seen = json_object(body)
    if seen is None or not text_of(seen, "sid"):
        return None
    return Account(text_of(seen, "status"), text_of(seen, "type"))


def parse_numbers(body: bytes) -> tuple[list[OwnNumber], str] | None:
    """Read a page of numbers, leaving out what is none.

    Returns:
        The numbers, and the path of the next page, empty behind the last; None when the body is no page.
    """
    seen = json_object(body)
    listed = None if seen is None else seen.get("incoming_phone_numbers")
    if seen is None or not isinstance(listed, list):
        return None
    found = [_number(one) for one in listed if isinstance(one, dict) and text_of(one, "phone_number")]
    return found, text_of(seen, "next_page_uri")


def _number(seen: Mapping[str, object]) -> OwnNumber:
    able = seen.get("capabilities")
    trunk, application = text_of(seen, "trunk_sid"), text_of(seen, "voice_application_sid")
    return OwnNumber(
        number=text_of(seen, "phone_number"),
        voice_url=text_of(seen, "voice_url"),
        voice_method=text_of(seen, "voice_method"),
        status_callback=text_of(seen, "status_callback"),
        status_callback_method=text_of(seen, "status_callback_method"),
        elsewhere="trunk" if trunk else "application" if application else "",
        voice=not isinstance(able, dict) or able.get("voice") is not False,
    )
