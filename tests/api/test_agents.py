"""Agents and numbers by the API."""

from typing import Any

from tests.control_room import ControlRoom
from tests.tenants import an_id

PLAIN = {"name": "Desk", "system_prompt": "Be kind."}
WHOLE = {
    "name": "Front desk",
    "system_prompt": "Be kind to {{customer_name}}.\nAlways.",
    "description": "answers",
    "starting_message": "Hello!",
    "enabled": False,
    "voice_settings": {"id": "anna", "speed": 1.1, "deep": {"er": [1, None]}},
    "dtmf_rules": {
        "0": {"action": "transfer", "number": "+4930123456"},
        "*9": {"action": "hangup", "inter_digit_timeout_ms": 500},
        "5": {"action": "webhook", "url": "https://example.com/keys"},
        "##": {"action": "ignore"},
    },
    "vatel_agent_id": "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11",
    "vatel_version_id": "v7",
    "record": True,
}


async def test_agent_is_created_as_given(room: ControlRoom) -> None:
    """Every field comes back, rules with their defaults; id and times are ours."""
    created = await room.post("/agents", WHOLE)
    got = await room.get(f"/agents/{created.data['id']}")

    assert created.status == 201
    assert got.data == created.data
    for name, value in WHOLE.items():
        if name != "dtmf_rules":
            assert created.data[name] == value
    assert created.data["dtmf_rules"]["0"] == {
        "action": "transfer",
        "number": "+4930123456",
        "inter_digit_timeout_ms": 2000,
    }
    assert created.data["created_at"] == created.data["updated_at"] == "2026-11-26T12:00:00.123Z"


async def test_agent_needs_a_name_and_a_prompt(room: ControlRoom) -> None:
    """All that is missing is named at once; the rest has its defaults."""
    refused = await room.post("/agents", {})
    created = await room.post("/agents", PLAIN)

    assert refused.status == 400
    assert set(refused.body["details"]["fields"]) == {"name", "system_prompt"}
    assert created.data["enabled"] is True
    assert (created.data["description"], created.data["starting_message"]) == ("", None)
    assert (created.data["voice_settings"], created.data["dtmf_rules"]) == ({}, {})


MISFITS: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", "two\r\nlines"),
    ("name", "x" * 201),
    ("name", 7),
    ("system_prompt", ""),
    ("system_prompt", None),
    ("enabled", "yes"),
    ("enabled", 1),
    ("voice_settings", []),
    ("dtmf_rules", {"A": {"action": "hangup"}}),
    ("dtmf_rules", {"1": {"action": "explode"}}),
    ("dtmf_rules", {"1": {"action": "transfer"}}),
    ("dtmf_rules", {"1": {"action": "transfer", "number": "030123456"}}),
    ("dtmf_rules", {"1": {"action": "webhook", "url": "http://example.com"}}),
    ("dtmf_rules", {"1": {"action": "hangup", "extra": 1}}),
    ("vatel_agent_id", "no uuid"),
    ("id", "mine"),
    ("organization_id", "theirs"),
    ("created_at", "2020-01-01T00:00:00Z"),
]


async def test_what_does_not_fit_is_named(room: ControlRoom) -> None:
    """A wrong, unknown or foreign field is 400 with its name, when creating and when changing."""
    path = f"/agents/{room.acme.agent.id}"
    before = (await room.get(path)).data
    for field, value in MISFITS:
        created = await room.post("/agents", PLAIN | {field: value})
        changed = await room.patch(path, {field: value})
        for refused in (created, changed):
            assert (refused.status, refused.reason) == (400, "validation"), (field, value)
            assert refused.body["details"]["field"].split(".")[0] == field

    assert (await room.get(path)).data == before
    assert (await room.get("/agents")).data["total"] == 1


async def test_change_leaves_the_rest(room: ControlRoom) -> None:
    """Only what is named changes; nothing named changes nothing, not even the time."""
    path = f"/agents/{room.acme.agent.id}"
    before = (await room.get(path)).data
    room.pass_time(5)
    nothing = (await room.patch(path, {})).data
    changed = (await room.patch(path, {"enabled": False, "starting_message": "Hi"})).data

    assert nothing == before
    assert changed == before | {
        "enabled": False,
        "starting_message": "Hi",
        "updated_at": "2026-11-26T12:00:05.123Z",
    }
    assert (await room.patch(path, {"starting_message": None})).data["starting_message"] is None


async def test_agents_are_listed_in_pages(room: ControlRoom) -> None:
    """Newest first, with the total, narrowed by enabled."""
    for number in range(3):
        room.pass_time(1)
        await room.post("/agents", PLAIN | {"name": f"A{number}", "enabled": number != 1})
    page = (await room.get("/agents?limit=2&offset=1")).data
    disabled = (await room.get("/agents?enabled=false")).data

    assert [one["name"] for one in page["items"]] == ["A1", "A0"]
    assert (page["total"], page["limit"], page["offset"]) == (4, 2, 1)
    assert [one["name"] for one in disabled["items"]] == ["A1"]
    assert (await room.get("/agents")).data["limit"] == 50


async def test_agent_with_active_tasks_is_not_deleted(room: ControlRoom) -> None:
    """The refusal says why; without tasks it goes, and is then not there."""
    path = f"/agents/{room.acme.agent.id}"
    task = await room.acme.add_task()
    refused = await room.delete(path)
    await room.delete(f"/tasks/{task.id}")
    deleted = await room.delete(path)

    assert (refused.status, refused.reason) == (400, "active_tasks")
    assert deleted.data == {"message": "Agent deleted"}
    assert (await room.get(path)).status == (await room.delete(path)).status == 404


async def test_number_leads_to_an_agent(room: ControlRoom) -> None:
    """It is listed, is nobody else's, and can be given up."""
    wanted = {"number": "+4930654321", "agent_id": room.acme.agent.id}
    created = await room.post("/numbers", wanted)
    taken = await room.post(
        "/numbers", {"number": "+4930654321", "agent_id": room.rival.agent.id}, key="rival"
    )
    absent = await room.post("/numbers", {"number": "+4930654322", "agent_id": an_id()})
    foreign = await room.post("/numbers", {"number": "+4930654322", "agent_id": room.rival.agent.id})

    assert created.status == 201
    assert created.data.items() >= wanted.items()
    assert (taken.status, taken.reason, taken.body["details"]["field"]) == (400, "number_taken", "number")
    assert absent.status == foreign.status == 404
    assert (await room.get("/numbers")).data["items"] == [created.data]
    path = f"/numbers/{created.data['id']}"
    assert (await room.delete(path, key="rival")).status == 404
    assert (await room.delete(path)).status == 200
    assert (await room.delete(path)).status == 404
