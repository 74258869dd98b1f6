"""Forms that Twilio posts: who is believed, and what is counted of the others."""

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.api.signed_forms import SignedForms
from tests.front_door import ACCOUNT, AUTH_TOKEN, PUBLIC_URL, form, front_door, sign


async def test_query_is_part_of_what_is_signed() -> None:
    """The id of a call that we placed stands in the URL; nobody can put another one in."""
    async with front_door() as door:
        path = "/twilio/status?call=11111111-2222-3333-4444-555555555555"
        believed = await door.post(path, form(CallStatus="ringing"))
        other = path.replace("1111-2222", "9999-2222")
        forged = await door.post(other, form(), signature=sign(path, form()))

    assert (believed.status, forged.status) == (204, 403)
    assert door.phone.refused == {"bad_signature": 1}


def test_refusals_are_counted_by_reason() -> None:
    """Each is answered with an empty body."""
    forms = SignedForms(PUBLIC_URL, ACCOUNT, AUTH_TOKEN)
    answers = [forms.refusal(web.HTTPForbidden, "bad_form") for _ in range(2)]
    forms.count("busy")

    assert [(answer.status, answer.text) for answer in answers] == [(403, "")] * 2
    assert forms.refused == {"bad_form": 2, "busy": 1}


async def test_without_a_token_nothing_is_checked_but_the_form() -> None:
    """Signatures are off on loopback alone; nonsense is still refused."""
    forms = SignedForms(PUBLIC_URL, None, None)
    request = make_mocked_request("POST", "/twilio/status")
    request._read_bytes = b"CallSid=CA" + b"0" * 32 + b"&AccountSid=AC" + b"1" * 32

    assert await forms.read(request) == {"CallSid": "CA" + "0" * 32, "AccountSid": "AC" + "1" * 32}
