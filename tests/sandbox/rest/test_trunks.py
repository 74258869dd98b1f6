import pytest

from gateway.sandbox import seed
from tests.sandbox.rest.office import NOBODY, Office

PATH = "/v1/sip-trunks"


async def test_trunk_is_made_shown_changed_and_deleted(office: Office) -> None:
    """Only the preset is needed; a change touches what it names; in the end it is gone with its places."""
    made = await office.post(PATH, {"pbx": "3cx"})
    assert (made.status, made.body["pbx"], made.body["caller_id_transforms"]) == (201, "3cx", [])
    path = f"{PATH}/{made.body['id']}"
    assert (await office.get(path)).body == made.body
    changed = await office.patch(path, {"outbound_host": "pbx.example.com", "register": True})
    assert (changed.status, changed.body["outbound_host"]) == (200, "pbx.example.com")
    assert changed.body["outbound_registration_status"] == "registered"
    assert changed.body in (await office.get(PATH)).body
    assigned = await office.post(f"{path}/assignments", {"agent_id": seed.BISTRO})
    assert (await office.delete(path)).plain == (204, b"")
    assert (await office.get(path)).plain == (404, {"error": "SIP trunk not found"})
    assert (await office.get(f"{PATH}/assignments/{assigned.body['id']}")).status == 404


async def test_passwords_are_written_and_never_read(office: Office) -> None:
    """Neither the answer to their writing nor any later one has them, or says that they are set."""
    secrets = {"inbound_sip_password": "hush-in", "outbound_sip_password": "hush-out"}
    made = await office.post(PATH, {"pbx": "generic", **secrets})
    path = f"{PATH}/{made.body['id']}"
    changed = await office.patch(path, {"inbound_sip_password": "hush-new"})
    for answer in (made, changed, await office.get(path), await office.get(PATH)):
        assert "hush" not in str(answer.body)
        assert "password" not in str(answer.body)


@pytest.mark.parametrize("nothing", [None, ""])
async def test_null_and_the_empty_text_clear(office: Office, nothing: str | None) -> None:
    """A cleared field is left out, since the contract has no null in answers; transforms become none."""
    path = f"{PATH}/{seed.TRUNK}"
    assert "inbound_host" in (await office.get(path)).body
    changed = await office.patch(path, {"inbound_host": nothing, "inbound_sip_username": nothing})
    assert changed.status == 200
    assert {"inbound_host", "inbound_sip_username"} & set(changed.body) == set()
    assert changed.body["inbound_registration_status"] == "not_registered"
    assert (await office.patch(path, {"caller_id_transforms": None})).body["caller_id_transforms"] == []


async def test_inbound_username_is_one_trunks_alone(office: Office) -> None:
    """A second trunk cannot have it, in no organization; the trunk itself may repeat its own."""
    for someone in (office, await office.rival()):
        taken = await someone.post(PATH, {"pbx": "generic", "inbound_sip_username": "bistro"})
        assert taken.plain == (409, {"error": "this inbound SIP username is in use"})
    other = await office.post(PATH, {"pbx": "generic", "inbound_sip_username": "other"})
    path = f"{PATH}/{other.body['id']}"
    assert (await office.patch(path, {"inbound_sip_username": "bistro"})).status == 409
    assert (await office.patch(path, {"inbound_sip_username": "other"})).status == 200
    assert (await office.get(path)).body["inbound_sip_username"] == "other"


async def test_change_of_nothing_is_400(office: Office) -> None:
    """The contract asks for at least one field."""
    for body in ({}, {"colour": "red"}):
        answer = await office.patch(f"{PATH}/{seed.TRUNK}", body)
        assert (answer.status, answer.error) == (400, "body: no fields to update")


async def test_trunks_of_others_are_not_there(office: Office) -> None:
    """Another organization sees, changes and deletes nothing of ours."""
    rival = await office.rival()
    assert (await rival.get(PATH)).body == []
    for method in ("GET", "PATCH", "DELETE"):
        body = {"register": True} if method == "PATCH" else None
        for trunk_id in (seed.TRUNK, NOBODY):
            assert (await rival.ask(method, f"{PATH}/{trunk_id}", body)).status == 404


@pytest.mark.parametrize(
    ("method", "body"), [("GET", b""), ("DELETE", b""), ("PATCH", {"error": "id: not a UUID"})]
)
async def test_id_that_is_none_is_400(office: Office, method: str, body: object) -> None:
    """GET and DELETE are bare."""
    assert (await office.ask(method, f"{PATH}/x", {"register": True})).plain == (400, body)
