import pytest

from gateway.sandbox import seed
from tests.sandbox.rest.office import NOBODY, Office

VERSIONS = f"/v1/agents/{seed.BISTRO}/versions"
DRAFT = f"{VERSIONS}/{seed.version_id(seed.BISTRO, 2)}"


async def test_versions_are_listed_and_shown_with_their_nodes(office: Office) -> None:
    """The oldest comes first; a detail has the nodes of the conversation."""
    first, draft = (await office.get(VERSIONS)).body
    assert first["published_at"]
    assert (draft["tag"], draft["published_at"]) == ("draft", None)
    detail = (await office.get(DRAFT)).body
    assert detail["version"] == draft
    assert [node["type"] for node in detail["nodes"]] == ["first_message", "conversation", "end"]


async def test_version_is_published_once(office: Office) -> None:
    """The first time it gets its date and becomes the active one; the second time is a conflict."""
    published = await office.post(f"{DRAFT}/publish")
    assert published.status == 200
    assert published.body["published_at"]
    assert (await office.get(DRAFT)).body["version"] == published.body
    again = await office.post(f"{DRAFT}/publish")
    assert (again.status, again.error) == (409, "this version is published already")


async def test_version_of_another_agent_is_not_found(office: Office) -> None:
    """Ids that exist but do not belong together are 404, as are those of nobody."""
    for agent_id, version_id in (
        (seed.FRONT_DESK, seed.version_id(seed.BISTRO)),
        (seed.BISTRO, NOBODY),
        (NOBODY, seed.version_id(seed.BISTRO)),
    ):
        path = f"/v1/agents/{agent_id}/versions/{version_id}"
        assert (await office.get(path)).status == 404
        assert (await office.post(f"{path}/publish")).status == 404


async def test_versions_of_others_are_not_there(office: Office) -> None:
    """Another organization's key finds no agent."""
    rival = await office.rival()
    for method, path in (("GET", VERSIONS), ("GET", DRAFT), ("POST", f"{DRAFT}/publish")):
        assert (await rival.ask(method, path)).plain == (404, {"error": "agent not found"})


@pytest.mark.parametrize("path", ["/v1/agents/x/versions", f"{VERSIONS}/x", f"{VERSIONS}/x/publish"])
async def test_ids_that_are_none_are_400_without_a_body(office: Office, path: str) -> None:
    """All three operations declare it bare."""
    method = "POST" if path.endswith("publish") else "GET"
    assert (await office.ask(method, path)).plain == (400, b"")
