import asyncio
from typing import Any

import pytest

from gateway.sandbox import seed
from tests.sandbox.rest.office import NOBODY, Office

CALLEE = "%2B15005550010"
BISTRO = f"/v1/agents/{seed.BISTRO}/dial"


async def newest_call(office: Office, **wanted: str) -> dict[str, Any]:
    """Return the newest call that somebody was dialled for."""
    query = "&".join(f"{name}={value}" for name, value in {"outbound": "true", **wanted}.items())
    calls: list[dict[str, Any]] = (await office.get(f"/v1/calls?{query}")).body["calls"]
    return calls[0]


async def ended_call(office: Office) -> dict[str, Any]:
    """Wait until the newest dialled call is over, and return it."""
    for _ in range(200):
        call = await newest_call(office)
        if call["status"] == "ended":
            return call
        await asyncio.sleep(0.02)
    raise AssertionError("the call does not end")


@pytest.mark.parametrize(
    "query",
    [f"number={CALLEE}", f"destination={CALLEE}", f"number={CALLEE}&destination={CALLEE}"],
)
async def test_dialled_call_runs_its_course(office: Office, query: str) -> None:
    """Either name of the callee does; the answer has no id; the call can be found, and ends by itself."""
    body = {"variables": [{"key": "city", "value": "Lyon"}]}
    answer = await office.post(f"{BISTRO}?{query}&firstMessage=Bonjour", body)
    assert answer.plain == (200, {"success": True})
    call = await newest_call(office, search="0010")
    assert (call["party_number"], call["source"], call["status"]) == ("+15005550010", "twilio", "connected")
    assert call["extracted_variables"][0]["value"] == "Lyon"
    call = await ended_call(office)
    assert (call["termination_reason"], call["duration_seconds"]) == ("ended_by_user", 1)
    assert [entry["message"] for entry in call["transcript"]["entries"]] == ["Bonjour"]


async def test_agent_that_says_nothing_first_says_nothing(office: Office) -> None:
    """With enable_first_message_outbound off the transcript begins empty."""
    await office.patch(f"/v1/agents/{seed.BISTRO}", {"enable_first_message_outbound": False})
    assert (await office.post(f"{BISTRO}?number={CALLEE}")).status == 200
    assert (await ended_call(office))["transcript"]["entries"] == []


async def test_trunk_path_needs_no_number_of_ones_own(office: Office) -> None:
    """An agent that is on a trunk dials by it."""
    await office.patch(f"/v1/agents/{seed.BISTRO}", {"phone_number_id": None})
    answer = await office.post(f"{BISTRO}?number={CALLEE}&sipTrunkId={seed.TRUNK}&callerId=100")
    assert answer.plain == (200, {"success": True})
    assert (await newest_call(office))["source"] == "sip"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "number: missing; send number or destination"),
        ("number=", "number: missing; send number or destination"),
        (f"number={CALLEE}&destination=123", "number and destination: both are given, and differ"),
        ("number=12", "number: give 3 to 15 digits, with or without +"),
        ("number=1234567890123456", "number: give 3 to 15 digits, with or without +"),
        ("number=sip:ada", "number: give 3 to 15 digits, with or without +"),
        (f"number={CALLEE}&sipTrunkId=x", "sipTrunkId: not a UUID"),
    ],
)
async def test_callee_and_ids_are_checked(office: Office, query: str, error: str) -> None:
    """Each fault is 400 with a sentence."""
    assert (await office.post(f"{BISTRO}?{query}")).plain == (400, {"error": error})


@pytest.mark.parametrize("body", [b"{", {"variables": [{"key": 1, "value": "x"}]}, {"colour": "red"}])
async def test_body_is_strict_when_there_is_one(office: Office, body: object) -> None:
    """Variables have two texts, and nothing else is known."""
    answer = await office.post(f"{BISTRO}?number={CALLEE}", body)
    assert answer.status == 400
    assert answer.error.startswith("body: ")


async def test_agent_without_a_number_cannot_dial_by_twilio(office: Office) -> None:
    """400 when it has none, 400 for an id that is none."""
    answer = await office.post(f"/v1/agents/{seed.FRONT_DESK}/dial?number={CALLEE}")
    assert answer.plain == (400, {"error": "the agent has no phone number"})
    assert (await office.post(f"/v1/agents/x/dial?number={CALLEE}")).plain == (
        400,
        {"error": "id: not a UUID"},
    )


async def test_number_that_was_taken_back_is_404(office: Office) -> None:
    """The agent's record names a number that is gone."""
    store = office.sandbox._api.store  # no operation deletes a number
    await store.run(lambda tables: tables.delete("number", seed.NUMBER))
    answer = await office.post(f"{BISTRO}?number={CALLEE}")
    assert answer.plain == (404, {"error": "phone number not found"})


async def test_missing_and_inactive_agents_are_404(office: Office) -> None:
    """Neither takes traffic."""
    await office.patch(f"/v1/agents/{seed.BISTRO}", {"status": "inactive"})
    for agent_id in (seed.BISTRO, NOBODY):
        answer = await office.post(f"/v1/agents/{agent_id}/dial?number={CALLEE}")
        assert answer.plain == (404, {"error": "agent not found or not active"})


async def test_trunk_must_be_there_ones_own_and_the_agents(office: Office) -> None:
    """404, 403 for another organization's, 403 for one the agent is not on, 503 without a host."""
    rival = await office.rival()
    theirs = (await rival.post("/v1/sip-trunks", {"pbx": "generic"})).body["id"]
    free = (await office.post("/v1/sip-trunks", {"pbx": "generic"})).body["id"]

    async def dialled_by(trunk_id: str) -> tuple[int, str]:
        answer = await office.post(f"{BISTRO}?number={CALLEE}&sipTrunkId={trunk_id}")
        return answer.status, answer.error

    assert await dialled_by(NOBODY) == (404, "SIP trunk not found")
    assert await dialled_by(theirs) == (403, "the SIP trunk belongs to another organization")
    assert await dialled_by(free) == (403, "the SIP trunk is not assigned to the agent")
    await office.post(f"/v1/sip-trunks/{free}/assignments", {"agent_id": seed.BISTRO})
    assert await dialled_by(free) == (503, "the SIP trunk has no outbound host: nothing to dial by")


async def test_key_of_another_organization_is_401_with_a_body(office: Office) -> None:
    """The one operation whose 401 says something: no key, and a key that is not for this agent."""
    rival = await office.rival()
    answer = await rival.post(f"{BISTRO}?number={CALLEE}")
    assert answer.plain == (401, {"error": "this API key is not for this agent"})
    office.key = "wrong"
    answer = await office.post(f"{BISTRO}?number={CALLEE}")
    assert answer.plain == (401, {"error": "the API key is missing or wrong"})
