import pytest

from gateway.sandbox import seed
from tests.sandbox.rest.office import NOBODY, Office

TRUNK = f"/v1/sip-trunks/{seed.TRUNK}/assignments"
ONE = "/v1/sip-trunks/assignments"


async def second_trunk(office: Office) -> str:
    """Make another trunk and return the path of its assignments."""
    made = await office.post("/v1/sip-trunks", {"pbx": "generic"})
    return f"/v1/sip-trunks/{made.body['id']}/assignments"


async def test_assignment_is_made_shown_changed_and_deleted(office: Office) -> None:
    """Listed by trunk, otherwise known by its own id."""
    made = await office.post(TRUNK, {"agent_id": seed.FRONT_DESK, "number": "200"})
    assert made.status == 201
    assert made.body["sip_trunk_id"] == seed.TRUNK
    assert "alternate_number" not in made.body
    path = f"{ONE}/{made.body['id']}"
    assert (await office.get(path)).body == made.body
    assert made.body in (await office.get(TRUNK)).body
    changed = await office.patch(path, {"alternate_number": "+4930123"})
    assert (changed.body["number"], changed.body["alternate_number"]) == ("200", "+4930123")
    assert (await office.delete(path)).plain == (204, b"")
    assert (await office.get(path)).plain == (404, {"error": "assignment not found"})


async def test_null_clears_and_absence_does_not(office: Office) -> None:
    """A number that is null is gone, one that is not named stays."""
    path = f"{ONE}/{seed.ASSIGNMENT}"
    assert (await office.patch(path, {"alternate_number": "7"})).body["number"] == "100"
    assert "number" not in (await office.patch(path, {"number": None})).body
    assert (await office.patch(path, {})).body["alternate_number"] == "7"


async def test_number_is_unique_on_its_trunk(office: Office) -> None:
    """On another trunk the same number is free."""
    taken = await office.post(TRUNK, {"agent_id": seed.FRONT_DESK, "number": "100"})
    assert taken.plain == (409, {"error": "number: in use on this trunk"})
    elsewhere = await office.post(await second_trunk(office), {"agent_id": seed.FRONT_DESK, "number": "100"})
    assert elsewhere.status == 201


async def test_alternate_number_is_unique_everywhere(office: Office) -> None:
    """Neither another trunk nor another organization can have it."""
    assert (await office.patch(f"{ONE}/{seed.ASSIGNMENT}", {"alternate_number": "7"})).status == 200
    body = {"agent_id": seed.FRONT_DESK, "alternate_number": "7"}
    assert (await office.post(await second_trunk(office), body)).plain == (
        409,
        {"error": "alternate_number: in use"},
    )
    rival = await office.rival()
    body = {"agent_id": await rival.agent(), "alternate_number": "7"}
    assert (await rival.post(await second_trunk(rival), body)).status == 409


async def test_change_that_clashes_is_refused_and_one_to_itself_is_not(office: Office) -> None:
    """An assignment may keep its own number."""
    made = await office.post(TRUNK, {"agent_id": seed.FRONT_DESK, "number": "200"})
    path = f"{ONE}/{made.body['id']}"
    assert (await office.patch(path, {"number": "100"})).status == 409
    assert (await office.patch(path, {"number": "200"})).status == 200
    assert (await office.get(path)).body["number"] == "200"


async def test_two_without_numbers_do_not_clash(office: Office) -> None:
    """What is not set is not unique."""
    for _ in range(2):
        assert (await office.post(TRUNK, {"agent_id": seed.FRONT_DESK})).status == 201


async def test_agent_and_trunk_must_be_ones_own(office: Office) -> None:
    """Missing ones are 404, another organization's agent is 400, its trunk 404."""
    rival = await office.rival()
    theirs = await rival.agent()
    assert (await office.post(TRUNK, {"agent_id": NOBODY})).plain == (404, {"error": "agent not found"})
    answer = await office.post(TRUNK, {"agent_id": theirs})
    assert answer.plain == (400, {"error": "agent_id: the agent is not in your organization"})
    assert (await rival.post(TRUNK, {"agent_id": theirs})).plain == (404, {"error": "SIP trunk not found"})
    assert (await rival.get(TRUNK)).status == 404
    for method in ("GET", "PATCH", "DELETE"):
        assert (await rival.ask(method, f"{ONE}/{seed.ASSIGNMENT}", {})).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/sip-trunks/x/assignments", b""),
        ("POST", "/v1/sip-trunks/x/assignments", {"error": "id: not a UUID"}),
        ("GET", f"{ONE}/x", b""),
        ("PATCH", f"{ONE}/x", {"error": "assignmentId: not a UUID"}),
        ("DELETE", f"{ONE}/x", b""),
    ],
)
async def test_ids_that_are_none_are_400(office: Office, method: str, path: str, body: object) -> None:
    """With a body where the contract declares one."""
    assert (await office.ask(method, path, {})).plain == (400, body)
