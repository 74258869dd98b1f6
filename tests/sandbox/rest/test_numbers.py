import pytest

from gateway.sandbox import seed
from tests.sandbox.rest.office import NOBODY, Office

PATH = "/v1/twilio/numbers"
ACCOUNT = {"account_sid": "AC" + "a" * 32, "auth_token": "hush"}


async def test_number_is_imported_listed_and_relabelled(office: Office) -> None:
    """The token is not kept; an empty label gets a generic one."""
    made = await office.post(PATH, {"phone_number": "+15005550009", **ACCOUNT})
    assert made.status == 201
    assert made.body["label"] == "Twilio number"
    assert made.body["phone_sid"].startswith("PN")
    assert "hush" not in str((await office.get(PATH)).body)
    path = f"{PATH}/{made.body['id']}"
    changed = await office.patch(path, {"label": "Desk"})
    assert (changed.status, changed.body["label"]) == (200, "Desk")
    assert changed.body["updated_at"] > made.body["updated_at"]
    assert changed.body in (await office.get(PATH)).body


async def test_number_can_be_imported_once(office: Office) -> None:
    """A second import is a conflict, for another organization too: a number rings in one place."""
    body = {"phone_number": "+15005550001", **ACCOUNT}
    assert (await office.post(PATH, body)).plain == (409, {"error": "this number is imported already"})
    rival = await office.rival()
    assert (await rival.post(PATH, body)).status == 409
    assert (await rival.get(PATH)).body == []


async def test_what_twilio_refuses_is_502(office: Office) -> None:
    """Twilio's magic number stands for its refusal."""
    answer = await office.post(PATH, {"phone_number": "+15005550000", **ACCOUNT})
    assert (answer.status, answer.error) == (502, "Twilio answered: the account has no such number")


@pytest.mark.parametrize(
    "change", [{"phone_number": "5005550009"}, {"account_sid": "x"}, {"auth_token": ""}, {"label": None}]
)
async def test_import_that_cannot_work_is_400(office: Office, change: dict[str, object]) -> None:
    """Number, account and token must be of their kinds."""
    assert (await office.post(PATH, {"phone_number": "+15005550009", **ACCOUNT, **change})).status == 400


async def test_label_needs_a_number_and_a_text(office: Office) -> None:
    """Wrong id, wrong body, no such number, somebody else's."""
    assert (await office.patch(f"{PATH}/x", {"label": "a"})).plain == (400, {"error": "id: not a UUID"})
    assert (await office.patch(f"{PATH}/{seed.NUMBER}", {})).status == 400
    assert (await office.patch(f"{PATH}/{NOBODY}", {"label": "a"})).status == 404
    rival = await office.rival()
    assert (await rival.patch(f"{PATH}/{seed.NUMBER}", {"label": "a"})).status == 404
