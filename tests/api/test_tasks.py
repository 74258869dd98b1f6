"""Tasks by the API: made, changed, checked, executed once, reset."""

import asyncio
from datetime import time
from typing import Any

import pytest

from gateway.egress.addresses import Allowance
from gateway.egress.destinations import Policy
from gateway.storage.agents import Agents
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.dial_policy import DialPolicy
from gateway.storage.rows import SuppressedNumber
from gateway.storage.suppression import SuppressionList
from tests.control_room import ControlRoom, control_room
from tests.tenants import CALLEE, HUNG_UP, LOST, NOW, agent, an_id

WHOLE: dict[str, Any] = {
    "name": "Remind Ada",
    "to_number": CALLEE,
    "description": "of her appointment",
    "starting_message": "Hello {{customer_name}}!",
    "context_data": {"customer_name": "Ada", "visits": 3},
    "priority": 5,
    "scheduled_at": "2026-11-27T09:00:00.000Z",
    "time_zone": "Europe/Berlin",
    "answering_machine": "hang_up",
    "webhook_url": "https://example.com/hook",
    "webhook_events": ["call_completed", "call_failed"],
}


def plain(room: ControlRoom, **more: Any) -> dict[str, Any]:
    """Return the least a task needs, and more."""
    return {"agent_id": room.acme.agent.id, "name": "Remind", "to_number": CALLEE} | more


async def test_task_is_created_as_given(room: ControlRoom) -> None:
    """Every field comes back, with its agent where one asks for the task."""
    created = await room.post("/tasks", plain(room, **WHOLE))
    got = await room.get(f"/tasks/{created.data['id']}")

    assert created.status == 201
    assert created.data.items() >= WHOLE.items()
    assert (created.data["status"], created.data["call_id"], created.data["attempts"]) == ("pending", None, 0)
    assert got.data["agent"]["id"] == room.acme.agent.id
    assert {name: value for name, value in got.data.items() if name != "agent"} == created.data


async def test_task_has_defaults(room: ControlRoom) -> None:
    """The least there is: not scheduled, no webhook, every event."""
    created = (await room.post("/tasks", plain(room))).data

    assert (created["priority"], created["scheduled_at"], created["context_data"]) == (0, None, {})
    assert (created["webhook_url"], created["answering_machine"]) == (None, "continue")
    assert created["webhook_events"] == ["call_started", "call_completed", "call_failed"]


MISFITS: list[tuple[str, Any]] = [
    ("to_number", "030123456"),
    ("to_number", None),
    ("name", ""),
    ("priority", "high"),
    ("priority", 1.5),
    ("priority", 1001),
    ("scheduled_at", "tomorrow"),
    ("scheduled_at", "2026-11-27T09:00:00"),
    ("time_zone", "Mars/Olympus"),
    ("context_data", []),
    ("answering_machine", "shout"),
    ("webhook_url", "http://example.com/hook"),
    ("webhook_url", "https://127.0.0.1/hook"),
    ("webhook_events", ["call_exploded"]),
    ("webhook_events", "call_started"),
    ("status", "completed"),
    ("organization_id", "theirs"),
    ("attempts", 0),
]


async def test_what_does_not_fit_is_named(room: ControlRoom) -> None:
    """A wrong, unknown or foreign field is 400 with its name, when creating and when changing."""
    task = await room.acme.add_task()
    for field, value in MISFITS:
        created = await room.post("/tasks", plain(room, **{field: value}))
        changed = await room.patch(f"/tasks/{task.id}", {field: value})
        for refused in (created, changed):
            assert (refused.status, refused.reason) == (400, "validation"), (field, value)
            assert refused.body["details"]["field"].split(".")[0] == field
    missing = await room.post("/tasks", {})

    assert set(missing.body["details"]["fields"]) == {"agent_id", "name", "to_number"}
    assert (await room.get("/tasks")).data["total"] == 1


async def test_webhook_goes_where_the_operator_allows(database: Database) -> None:
    """An address inside is taken when its network is allowed, and refused by its field when another is."""
    allowed, other = "https://10.1.2.3:9000/hook", "https://10.2.0.1/hook"
    async with control_room(database, webhooks=Policy(Allowance.parse(["10.1.0.0/16"]))) as room:
        created = await room.post("/tasks", plain(room, webhook_url=allowed))
        path = f"/tasks/{created.data['id']}"
        refused = [
            await room.post("/tasks", plain(room, webhook_url=other)),
            await room.patch(path, {"webhook_url": other}),
        ]
        kept = (await room.get(path)).data["webhook_url"]

    assert (created.status, kept) == (201, allowed)
    for answer in refused:
        assert (answer.status, answer.body["details"]["field"]) == (400, "webhook_url")
        assert "a private address" in answer.body["error"]


async def test_agent_of_a_task_must_be_ones_own(room: ControlRoom) -> None:
    """Unknown or a rival's: there is no such agent."""
    for agent_id in (an_id(), room.rival.agent.id):
        refused = await room.post("/tasks", plain(room, agent_id=agent_id))
        assert (refused.status, refused.body["error"]) == (404, "There is no such agent.")


async def test_names_that_texts_ask_for_must_be_given(room: ControlRoom) -> None:
    """A template without its value is a mistake now, not on the phone."""
    asking = agent(
        room.acme.id, system_prompt="For {{customer_name}}, {{when}}.", starting_message="{{greeting}}"
    )
    await Agents(room.database).add(asking)
    body = plain(room, agent_id=asking.id)
    nothing = await room.post("/tasks", body)
    given = body | {"context_data": {"customer_name": "Ada", "when": "now"}}
    own = await room.post("/tasks", given | {"starting_message": "Hello"})
    changed = await room.patch(f"/tasks/{own.data['id']}", {"context_data": {}})
    reworded = await room.patch(f"/tasks/{own.data['id']}", {"starting_message": "{{other}}"})

    assert nothing.body["details"]["field"] == "context_data"
    assert "customer_name, greeting, when" in nothing.body["error"]
    assert own.status == 201
    assert "customer_name, when" in changed.body["error"]
    assert "other" in reworded.body["error"]


async def test_pending_task_changes(room: ControlRoom) -> None:
    """What is named changes, the rest stays; a new webhook address is tried again."""
    task = await room.acme.add_task(webhook_disabled=True)
    room.pass_time(1)
    changed = await room.patch(f"/tasks/{task.id}", {"priority": 9, "scheduled_at": None})
    hooked = await room.patch(f"/tasks/{task.id}", {"webhook_url": "https://example.com/new"})

    assert (changed.data["priority"], changed.data["name"]) == (9, task.name)
    assert changed.data["updated_at"] == "2026-11-26T12:00:01.123Z"
    assert (changed.data["webhook_disabled"], hooked.data["webhook_disabled"]) == (True, False)


async def test_tasks_are_listed_by_agent_and_status(room: ControlRoom) -> None:
    """Both filters narrow; an agent of nobody has none."""
    await room.acme.add_task()
    await room.acme.executed(HUNG_UP)
    by_agent = f"agent_id={room.acme.agent.id}"

    assert (await room.get(f"/tasks?{by_agent}")).data["total"] == 2
    assert (await room.get(f"/tasks?{by_agent}&status=completed")).data["total"] == 1
    assert (await room.get(f"/tasks?agent_id={an_id()}")).data["total"] == 0


async def test_task_is_executed_once(room: ControlRoom) -> None:
    """Of many who ask at once, one places the call; the others are told."""
    task = await room.acme.add_task()
    async with asyncio.TaskGroup() as group:
        asks = [group.create_task(room.post(f"/tasks/{task.id}/execute")) for _ in range(10)]
    answers = [ask.result() for ask in asks]
    [placed] = [answer for answer in answers if answer.status == 200]
    after = await room.get(f"/tasks/{task.id}")

    assert placed.data == {"call_id": room.floor.placed[0], "message": "Call initiated"}
    assert len(room.floor.placed) == 1
    assert {answer.reason for answer in answers if answer.status != 200} == {"not_pending"}
    assert (after.data["status"], after.data["call_id"]) == ("in_progress", placed.data["call_id"])
    call = (await room.get(f"/calls/{placed.data['call_id']}")).data
    assert (call["task_id"], call["status"], call["direction"]) == (task.id, "initiated", "outbound")


async def test_call_that_twilio_refuses_is_told(room: ControlRoom) -> None:
    """503 without Twilio's words; the task has failed and can be reset."""
    task = await room.acme.add_task()
    room.floor.twilio_refuses = True
    refused = await room.post(f"/tasks/{task.id}/execute")
    failed = (await room.get(f"/tasks/{task.id}")).data
    reset = await room.post(f"/tasks/{task.id}/reset")

    assert (refused.status, refused.headers["Retry-After"]) == (503, "7")
    assert "canary" not in refused.raw.decode()
    assert failed["status"] == "failed"
    assert (reset.data["status"], reset.data["call_id"]) == ("pending", None)


@pytest.mark.parametrize(
    ("ending", "changes", "reset", "delete"),
    [(None, 400, 400, 400), (HUNG_UP, 400, 200, 400), (LOST, 400, 200, 200)],
    ids=["in progress", "completed", "failed"],
)
async def test_what_a_task_allows_by_its_status(
    room: ControlRoom, ending: Any, changes: int, reset: int, delete: int
) -> None:
    """Changed and executed only when pending, reset when its call is over, deleted when it failed."""
    task, _ = await room.acme.executed(ending)
    path = f"/tasks/{task.id}"

    assert (await room.patch(path, {"name": "x"})).status == changes
    assert (await room.post(f"{path}/execute")).status == 400
    assert (await room.delete(path)).status == delete
    if delete != 200:
        assert (await room.post(f"{path}/reset")).status == reset


async def test_pending_task_is_not_reset_but_deleted(room: ControlRoom) -> None:
    """There is nothing to reset; deleted, it is not there for any verb."""
    task = await room.acme.add_task()
    path = f"/tasks/{task.id}"

    assert (await room.post(f"{path}/reset")).reason == "pending_or_live"
    assert (await room.delete(path)).data == {"message": "Task deleted"}
    for answer in (
        await room.get(path),
        await room.patch(path, {"name": "x"}),
        await room.delete(path),
        await room.post(f"{path}/execute"),
        await room.post(f"{path}/reset"),
    ):
        assert answer.status == 404


async def test_disabled_agent_calls_nobody(room: ControlRoom) -> None:
    """Nor does one that has no Vatel agent anywhere."""
    task = await room.acme.add_task()
    await Agents(room.database).update(room.acme.id, room.acme.agent.id, enabled=False)

    assert (await room.post(f"/tasks/{task.id}/execute")).reason == "agent_disabled"
    assert room.floor.placed == []


async def test_agent_needs_a_vatel_agent_to_call(database: Database) -> None:
    """Its own, or the default of the settings."""
    async with control_room(database, vatel_agent_id=None) as room:
        task = await room.acme.add_task()
        refused = await room.post(f"/tasks/{task.id}/execute")
        await room.patch(f"/agents/{room.acme.agent.id}", {"vatel_agent_id": an_id()})
        placed = await room.post(f"/tasks/{task.id}/execute")

    assert refused.reason == "no_vatel_agent"
    assert placed.status == 200


POLICY = DialPolicy(
    allowed_prefixes=("+49",), quiet_from=time(11), quiet_until=time(13), time_zone="UTC", max_attempts=1
)


async def test_dry_run_names_every_rule(database: Database) -> None:
    """What would forbid a call is told by rule, with the end of the quiet hours; nothing is dialled."""
    async with control_room(database, policy=POLICY) as room:
        entry = SuppressedNumber(
            id=an_id(), organization_id=room.acme.id, number=CALLEE, reason="asked", created_at=NOW
        )
        await SuppressionList(database).add(entry)
        await room.acme.executed(LOST)
        checked = await room.post("/tasks:check", {"to_number": CALLEE})
        abroad = await room.post("/tasks:check", {"to_number": "+19005550100", "time_zone": "Asia/Tokyo"})
        later = await room.post("/tasks:check", {"to_number": "+4930999999", "at": "2026-11-26T13:00:00Z"})
        other = await room.post(
            "/tasks:check", {"to_number": CALLEE, "at": "2026-11-26T14:00:00Z"}, key="rival"
        )
        calls = (await room.get("/calls")).data["total"]

    assert checked.data["allowed"] is False
    assert [block["rule"] for block in checked.data["blocks"]] == [
        "suppression_list",
        "quiet_hours",
        "attempt_cap",
    ]
    assert checked.data["blocks"][1]["until"] == "2026-11-26T13:00:00.000Z"
    assert [block["rule"] for block in abroad.data["blocks"]] == ["destination_prefix"]
    assert later.data == other.data == {"allowed": True, "blocks": []}
    assert calls == 1


async def test_forbidden_call_is_not_placed(database: Database) -> None:
    """403 with the rules; the task stays pending."""
    async with control_room(database, policy=DialPolicy(allowed_prefixes=("+1",))) as room:
        task = await room.acme.add_task()
        refused = await room.post(f"/tasks/{task.id}/execute")
        left = (await room.get(f"/tasks/{task.id}")).data["status"]
        page = await Calls(database).list_page(room.acme.id, 10, 0)

    assert (refused.status, refused.reason) == (403, "blocked")
    assert [block["rule"] for block in refused.body["details"]["blocks"]] == ["destination_prefix"]
    assert (left, page.total, room.floor.placed) == ("pending", 0, [])


async def test_stolen_key_cannot_ring_the_world(database: Database) -> None:
    """A key places so many calls a day; the next is 429 and leaves its task pending, another key goes on."""
    async with control_room(database, calls_per_key=2) as room:
        tasks = [await room.acme.add_task(to_number=f"+4930{n:06}") for n in range(4)]
        answers = [await room.post(f"/tasks/{task.id}/execute") for task in tasks[:3]]
        left = (await room.get(f"/tasks/{tasks[2].id}")).data["status"]
        other = await room.post(f"/tasks/{tasks[3].id}/execute", key=await room.key("calls"))

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].reason == "call_limit"
    assert int(answers[2].headers["Retry-After"]) > 86_000
    assert answers[2].headers["X-RateLimit-Limit"] == "1000"
    assert (left, other.status) == ("pending", 200)
