"""API keys and organizations by signed-in users."""

import pytest

from tests.api.test_people import Browser
from tests.control_room import ControlRoom
from tests.tenants import an_id


@pytest.fixture
async def ada(room: ControlRoom) -> Browser:
    """A person of the first tenant, signed in."""
    browser = Browser(room)
    await browser.join(room.acme)
    return browser


async def test_key_is_shown_once_and_works(room: ControlRoom, ada: Browser) -> None:
    """Its text is in the answer that creates it and in no other."""
    created = await ada.ask("POST", "/api-keys", {"name": "CI", "scopes": ["calls", "read", "read"]})
    listed = await ada.ask("GET", "/api-keys")
    text = created.data["key"]
    [told] = [one for one in listed.data["items"] if one["name"] == "CI"]

    assert created.status == 201
    assert told.items() <= created.data.items()
    assert told["scopes"] == ["read", "calls"]
    assert text not in listed.raw.decode()
    assert text[-16:] not in listed.raw.decode()
    assert (await room.get("/agents", key=text)).status == 200
    assert (await room.post("/agents", {"name": "x", "system_prompt": "y"}, key=text)).status == 403


async def test_revoked_key_stops_at_once(room: ControlRoom, ada: Browser) -> None:
    """The next request with it is 401; it stays listed as revoked and cannot come back."""
    room.pass_time(1)
    created = (await ada.ask("POST", "/api-keys", {"name": "CI"})).data
    path = f"/api-keys/{created['id']}"
    revoked = await ada.ask("DELETE", path)

    assert revoked.status == 200
    assert (await room.get("/agents", key=created["key"])).status == 401
    assert (await ada.ask("DELETE", path)).status == 404
    assert (await ada.ask("POST", f"{path}/regenerate")).status == 404
    listed = (await ada.ask("GET", "/api-keys?limit=1")).data
    assert listed["items"][0]["revoked_at"] == "2026-11-26T12:00:01.123Z"


async def test_regenerated_key_replaces_the_old(room: ControlRoom, ada: Browser) -> None:
    """The same key with a new text; the old text is worth nothing."""
    created = (await ada.ask("POST", "/api-keys", {"name": "CI"})).data
    fresh = (await ada.ask("POST", f"/api-keys/{created['id']}/regenerate")).data

    assert (fresh["id"], fresh["name"]) == (created["id"], "CI")
    assert fresh["key"] != created["key"]
    assert (await room.get("/agents", key=created["key"])).status == 401
    assert (await room.get("/agents", key=fresh["key"])).status == 200


async def test_keys_of_others_are_not_there(room: ControlRoom, ada: Browser) -> None:
    """Neither listed nor touched."""
    bob = Browser(room)
    await bob.join(room.rival, "bob@example.com")
    theirs = (await bob.ask("POST", "/api-keys", {"name": "theirs"})).data
    for key_id in (theirs["id"], an_id()):
        assert (await ada.ask("DELETE", f"/api-keys/{key_id}")).status == 404
        assert (await ada.ask("POST", f"/api-keys/{key_id}/regenerate")).status == 404
    assert "theirs" not in (await ada.ask("GET", "/api-keys")).raw.decode()
    assert (await room.get("/agents", key=theirs["key"])).status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "name"), ({"name": "x", "scopes": []}, "scopes"), ({"name": "x", "scopes": ["admin"]}, "scopes.0")],
)
async def test_key_that_does_not_fit_is_refused(ada: Browser, body: dict[str, object], field: str) -> None:
    """A name is needed, and scopes that there are."""
    assert (await ada.ask("POST", "/api-keys", body)).body["details"]["field"] == field


async def test_organizations_are_made_and_changed(room: ControlRoom, ada: Browser) -> None:
    """Who makes one belongs to it; a default agent must be its own."""
    made = await ada.ask("POST", "/organizations", {"name": "Second"})
    listed = (await ada.ask("GET", "/organizations")).data
    path = f"/organizations/{room.acme.id}"
    changed = await ada.ask("PATCH", path, {"name": "Acme 2", "default_agent_id": room.acme.agent.id})
    same = await ada.ask("PATCH", path, {})
    foreign_agent = await ada.ask("PATCH", path, {"default_agent_id": room.rival.agent.id})
    cleared = await ada.ask("PATCH", path, {"default_agent_id": None})

    assert made.status == 201
    assert {one["id"] for one in listed} == {room.acme.id, made.data["id"]}
    assert (changed.data["name"], changed.data["default_agent_id"]) == ("Acme 2", room.acme.agent.id)
    assert same.data == changed.data
    assert foreign_agent.status == 404
    assert cleared.data["default_agent_id"] is None


async def test_webhook_secret_is_changed_with_an_overlap(room: ControlRoom, ada: Browser) -> None:
    """The new one signs, the old one stays beside it."""
    path = f"/organizations/{room.acme.id}/webhook-secret"
    before = (await ada.ask("GET", path)).data
    after = (await ada.ask("POST", path)).data

    assert before["webhook_secret"].startswith("whsec_")
    assert after["previous_webhook_secret"] == before["webhook_secret"]
    assert after["webhook_secret"] != before["webhook_secret"]
    assert after["changed_at"] == "2026-11-26T12:00:00.123Z"
    assert (await ada.ask("GET", path)).data == after


async def test_organizations_of_others_are_not_there(room: ControlRoom, ada: Browser) -> None:
    """Not named, not changed, and their secret is theirs."""
    for organization_id in (room.rival.id, an_id()):
        path = f"/organizations/{organization_id}"
        assert (await ada.ask("PATCH", path, {"name": "stolen"})).status == 404
        assert (await ada.ask("GET", f"{path}/webhook-secret")).status == 404
        assert (await ada.ask("POST", f"{path}/webhook-secret")).status == 404
    assert "Rival" not in (await ada.ask("GET", "/organizations")).raw.decode()
