import pytest

from gateway.sandbox import seed
from tests.sandbox.rest.office import NOBODY, Office


async def test_agent_is_made_shown_changed_and_deleted(office: Office) -> None:
    """What is given is kept over the defaults, a change touches nothing else, and in the end it is gone."""
    made = await office.post("/v1/agents", {"name": "Ada", "keyterms": ["a", "b"]})
    assert made.status == 201
    path = f"/v1/agents/{made.body['id']}"
    assert (await office.get(path)).body == made.body
    assert made.body["id"] in [agent["id"] for agent in (await office.get("/v1/agents")).body]
    changed = await office.patch(path, {"prompt": "Be brief.", "keyterms": ["c"]})
    assert changed.status == 200
    differing = {name for name in made.body if made.body[name] != changed.body[name]}
    assert differing == {"prompt", "keyterms", "updated_at"}
    assert (await office.delete(path)).plain == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        assert (await office.ask(method, path, {})).plain == (404, {"error": "agent not found"})


async def test_what_the_sandbox_keeps_for_itself_is_not_shown(office: Office) -> None:
    """No field begins with an underscore."""
    agents = (await office.get("/v1/agents")).body
    assert agents
    assert not [name for agent in agents for name in agent if name.startswith("_")]


async def test_new_agent_has_one_version_a_draft(office: Office) -> None:
    """It starts with a version that can be published."""
    agent_id = await office.agent()
    [version] = (await office.get(f"/v1/agents/{agent_id}/versions")).body
    assert (version["agent_id"], version["published_at"]) == (agent_id, None)


async def test_number_must_be_the_organizations_own(office: Office) -> None:
    """Another number is 400, null takes the number away."""
    agent_id = await office.agent(phone_number_id=seed.NUMBER)
    path = f"/v1/agents/{agent_id}"
    assert (await office.get(path)).body["phone_number_id"] == seed.NUMBER
    refused = await office.patch(path, {"phone_number_id": NOBODY})
    assert (refused.status, refused.error) == (400, "phone_number_id: the organization has no such number")
    assert (await office.patch(path, {"phone_number_id": None})).body["phone_number_id"] == ""
    rival = await office.rival()
    assert (await rival.post("/v1/agents", {"name": "x", "phone_number_id": seed.NUMBER})).status == 400


async def test_faults_are_told_all_at_once(office: Office) -> None:
    """Every fault of a body is in the one error."""
    answer = await office.post("/v1/agents", {"name": "x", "llm": "a/b", "default_language": "xx"})
    assert answer.status == 400
    assert "llm: " in answer.error
    assert "default_language: " in answer.error


async def test_body_that_is_wrong_changes_nothing(office: Office) -> None:
    """A refused change is not half made."""
    path = f"/v1/agents/{await office.agent()}"
    before = (await office.get(path)).body
    assert (await office.patch(path, {"prompt": "new", "status": "asleep"})).status == 400
    assert (await office.patch(path, b"{")).status == 400
    assert (await office.get(path)).body == before


@pytest.mark.parametrize(
    ("method", "body"), [("GET", b""), ("DELETE", b""), ("PATCH", {"error": "id: not a UUID"})]
)
async def test_id_that_is_none_is_400(office: Office, method: str, body: object) -> None:
    """GET and DELETE say nothing in the body, as the contract declares it."""
    assert (await office.ask(method, "/v1/agents/ada", {})).plain == (400, body)


async def test_agents_of_others_are_not_there(office: Office) -> None:
    """Another organization sees, changes and deletes nothing of ours."""
    agent_id, rival = await office.agent(), await office.rival()
    assert (await rival.get("/v1/agents")).body == []
    for method in ("GET", "PATCH", "DELETE"):
        assert (await rival.ask(method, f"/v1/agents/{agent_id}", {})).status == 404
    assert (await office.get(f"/v1/agents/{agent_id}")).status == 200


async def test_deleted_agent_takes_versions_and_assignments_along(office: Office) -> None:
    """Nothing of it is left but its calls."""
    calls = (await office.get(f"/v1/calls?agent_ids={seed.BISTRO}")).body["pagination"]["total"]
    assert (await office.delete(f"/v1/agents/{seed.BISTRO}")).status == 204
    assert (await office.get(f"/v1/sip-trunks/{seed.TRUNK}/assignments")).body == []
    assert (await office.get(f"/v1/agents/{seed.BISTRO}/versions")).status == 404
    assert (await office.get(f"/v1/calls?agent_ids={seed.BISTRO}")).body["pagination"]["total"] == calls > 0
