"""The control API as a whole: what the contract lists is there, and tenants stay apart on every route."""

import io
import json
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.storage.call_events import CallEvents
from gateway.telemetry import log
from tests.api.test_people import Browser
from tests.control_room import ControlRoom
from tests.tenants import HUNG_UP, an_id, said

CONTRACT = {
    "GET /agents", "GET /agents/{agent_id}", "POST /agents", "PATCH /agents/{agent_id}",
    "DELETE /agents/{agent_id}", "GET /tasks", "POST /tasks", "GET /tasks/{task_id}",
    "PATCH /tasks/{task_id}", "DELETE /tasks/{task_id}", "POST /tasks/{task_id}/execute",
    "POST /tasks/{task_id}/reset",
    "POST /tasks:check", "GET /calls", "GET /calls/{call_id}", "DELETE /calls/{call_id}",
    "GET /calls/{call_id}/transcript", "POST /calls/{call_id}/transcript", "GET /calls/{call_id}/report",
    "GET /calls/{call_id}/events", "GET /calls/{call_id}/recording", "GET /calls/{call_id}/recording/stream",
    "GET /calls/{call_id}/live", "POST /calls/{call_id}/end", "POST /calls/{call_id}/cancel",
    "POST /calls/{call_id}/transfer", "GET /capacity", "GET /webhook-deliveries",
    "GET /webhook-deliveries/{delivery_id}", "POST /webhook-deliveries/{delivery_id}/redeliver",
    "GET /suppression-list", "POST /suppression-list", "DELETE /suppression-list/{entry_id}", "GET /numbers",
    "POST /numbers", "DELETE /numbers/{number_id}", "GET /api-keys", "POST /api-keys",
    "DELETE /api-keys/{key_id}", "POST /api-keys/{key_id}/regenerate", "GET /organizations",
    "POST /organizations", "PATCH /organizations/{organization_id}",
    "GET /organizations/{organization_id}/webhook-secret",
    "POST /organizations/{organization_id}/webhook-secret", "GET /users", "POST /users/invite",
    "POST /users/accept", "POST /sign-in", "POST /sign-out", "GET /session", "PATCH /session",
}  # fmt: skip


async def description(room: ControlRoom) -> Any:
    """Return the API's own description."""
    return (await room.get("/openapi.json", key=None, prefix="")).body


async def test_everything_the_contract_lists_is_there(room: ControlRoom) -> None:
    """Each method and path, and no other, in a valid description."""
    told = await description(room)
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in told["paths"].items()
        for method in methods
    }

    OpenAPIV31SpecValidator(told).validate()
    assert operations == CONTRACT


async def ids(room: ControlRoom) -> dict[str, str]:
    """Make one of everything of the rival; return the ids by the names that paths give them."""
    await room.rival.executed(HUNG_UP, webhook_url="https://example.com/hook")
    task = await room.rival.add_task()
    call = await room.rival.finished()
    number = await room.post("/numbers", {"number": "+4930999", "agent_id": room.rival.agent.id}, key="rival")
    entry = await room.post("/suppression-list", {"number": "+49309999999"}, key="rival")
    bob = Browser(room)
    await bob.join(room.rival, "bob@example.com")
    key = await bob.ask("POST", "/api-keys", {"name": "x"})
    delivery = (await room.get("/webhook-deliveries", key="rival")).data["items"][0]
    return {
        "agent_id": room.rival.agent.id,
        "task_id": task.id,
        "call_id": call.id,
        "number_id": number.data["id"] if number.status == 201 else an_id(),
        "entry_id": entry.data["id"],
        "delivery_id": delivery["id"],
        "key_id": key.data["id"],
        "organization_id": room.rival.id,
    }


BODIES: dict[str, Any] = {
    "PATCH /agents/{agent_id}": {"name": "stolen"},
    "PATCH /tasks/{task_id}": {"name": "stolen"},
    "POST /calls/{call_id}/transfer": {"to_number": "+4930123456"},
    "PATCH /organizations/{organization_id}": {"name": "stolen"},
}


async def test_no_route_leads_to_anothers_things(room: ControlRoom) -> None:
    """Every described route with an id: 404 for a rival's as for nobody's, to the letter."""
    theirs, ada = await ids(room), Browser(room)
    await ada.join(room.acme)
    before = await everything(room)
    for path, methods in (await description(room))["paths"].items():
        if "{" not in path:
            continue
        for method, operation in methods.items():
            route = path.removeprefix("/api/v1")
            body = BODIES.get(f"{method.upper()} {route}")
            answers = []
            for values in (theirs, dict.fromkeys(theirs, an_id())):
                url = route.format(**values)
                if operation["security"] == [{"session": []}]:
                    answers.append(await ada.ask(method, url, body))
                else:
                    answers.append(await room.ask(method, url, body))
            assert [answer.status for answer in answers] == [404, 404], (method, path)
            told = [json.dumps({**answer.body, "meta": 0}) for answer in answers]
            assert told[0] == told[1], (method, path)
    assert await everything(room) == before


async def everything(room: ControlRoom) -> list[Any]:
    """Return all that the rival has, as its own key sees it."""
    paths = ("/agents", "/tasks", "/calls", "/numbers", "/suppression-list", "/webhook-deliveries")
    return [(await room.get(path, key="rival")).data for path in paths]


async def test_lists_hold_only_ones_own(room: ControlRoom) -> None:
    """A rival with one of everything leaves the first tenant's lists as they were."""
    paths = ("/agents", "/tasks", "/calls", "/numbers", "/suppression-list", "/webhook-deliveries")
    before = [(await room.get(path)).data for path in paths]
    theirs = await ids(room)
    after = [(await room.get(path)).data for path in paths]

    assert after == before
    for name in ("agent_id", "task_id"):
        listed = await room.get(f"/calls?{name}={theirs[name]}")
        assert listed.data["total"] == 0
    assert (await room.get(f"/tasks?agent_id={theirs['agent_id']}")).data["total"] == 0
    assert (await room.get(f"/webhook-deliveries?call_id={theirs['call_id']}")).data["total"] == 0


async def test_no_secret_and_no_callers_word_is_logged(room: ControlRoom) -> None:
    """At the finest level, through every layer: no key, password, token, number, prompt or speech."""
    out, ada = io.StringIO(), Browser(room)
    log.configure("debug", "json", stream=out)
    joined = await ada.join(room.acme, "canary.person@example.com", "canary password!")
    key = (await ada.ask("POST", "/api-keys", {"name": "CI"})).data["key"]
    agent = {"name": "x", "system_prompt": "canary prompt"}
    agent_id = (await room.post("/agents", agent, key=key)).data["id"]
    task = {"agent_id": agent_id, "name": "x", "to_number": "+4930555123456", "description": "canary"}
    task_id = (await room.post("/tasks", task, key=key)).data["id"]
    executed = await room.post(f"/tasks/{task_id}/execute", key=key)
    call = await room.acme.finished()
    await CallEvents(room.database).append([said(call.id, 3, 2, "caller", "canary speech")])
    link = (await room.get(f"/calls/{call.id}/recording", key=key)).data["recording_url"]
    await room.get("/calls?number=%2B4930555123456", key=key)
    await room.get("/agents", key=f"{key}canary")
    await room.post("/agents", {"name": "canary\0", "system_prompt": 7}, key=key)
    written = out.getvalue()

    assert (joined.status, executed.status) == (201, 200)
    secrets = (key, key[-16:], link.rpartition("=")[2], "canary", "4930555123456")
    assert [secret for secret in secrets if secret in written] == []
