import base64
import json
from typing import Any

import pytest

from gateway.sandbox import seed
from gateway.sandbox.server import Sandbox
from gateway.sandbox.switches import Switches
from tests.sandbox.rest.office import KEY, NOBODY, Answer, Office, opened

PATH = "/v1/session-token"


def claims(token: str) -> dict[str, Any]:
    """Return what is written in a token."""
    body = token.split(".")[1]
    written: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return written


async def test_token_has_what_was_asked_for_in_its_claims(office: Office) -> None:
    """Agent, version and scopes, and as parameters what the session is to have."""
    asked = {"first_message": "Hi", "prompt": "P", "chat_id": NOBODY, "chat": True}
    variables = [{"key": "city", "value": "Lyon"}]
    written = claims(await office.token(seed.BISTRO, **asked, variables=variables))
    assert written["agent_id"] == seed.BISTRO
    assert written["version_id"] == seed.version_id(seed.BISTRO)
    assert written["scopes"] == ["voice", "chat"]
    assert written["parameters"] == {
        "chat_id": NOBODY,
        "first_message": "Hi",
        "prompt": "P",
        "variables": {"city": "Lyon"},
    }
    plain = claims(await office.token(seed.BISTRO))
    assert (plain["scopes"], plain["parameters"]) == (["voice"], {})


async def test_agent_of_another_organization_is_403(office: Office) -> None:
    """Told apart from an agent that is not there."""
    rival = await office.rival()
    answer = await rival.post(PATH, {"agent_id": seed.BISTRO})
    assert answer.plain == (403, {"error": "the agent belongs to another organization"})
    assert (await office.post(PATH, {"agent_id": NOBODY})).plain == (404, {"error": "agent not found"})


async def test_deleted_and_inactive_agents_get_no_token(office: Office) -> None:
    """Neither takes traffic."""
    agent_id = await office.published()
    await office.patch(f"/v1/agents/{agent_id}", {"status": "inactive"})
    assert (await office.post(PATH, {"agent_id": agent_id})).plain == (
        404,
        {"error": "the agent is not active"},
    )
    await office.delete(f"/v1/agents/{agent_id}")
    assert (await office.post(PATH, {"agent_id": agent_id})).status == 404


async def test_agent_must_be_published_first(office: Office) -> None:
    """A new agent's version is a draft: publishing it makes the agent callable."""
    agent_id = await office.agent()
    answer = await office.post(PATH, {"agent_id": agent_id})
    assert answer.plain == (404, {"error": "the agent has no published version: publish one first"})
    [version] = (await office.get(f"/v1/agents/{agent_id}/versions")).body
    await office.post(f"/v1/agents/{agent_id}/versions/{version['id']}/publish")
    assert claims(await office.token(agent_id))["version_id"] == version["id"]


@pytest.mark.parametrize(
    "version_id",
    [NOBODY, seed.version_id(seed.BISTRO, 2), seed.version_id(seed.FRONT_DESK)],
    ids=["nobody's", "a draft", "another agent's"],
)
async def test_version_must_be_a_published_one_of_the_agent(office: Office, version_id: str) -> None:
    """400 without a body, as the contract declares it."""
    answer = await office.post(PATH, {"agent_id": seed.BISTRO, "version_id": version_id})
    assert answer.plain == (400, b"")
    published = seed.version_id(seed.BISTRO)
    assert claims(await office.token(seed.BISTRO, version_id=published))["version_id"] == published


async def test_webrtc_needs_a_media_server(office: Office) -> None:
    """503 without one; with one there are a room, an identity, the server's address and a token for it."""
    body = {"agent_id": seed.BISTRO, "transport": "webrtc"}
    assert (await office.post(PATH, body)).plain == (503, {"error": "media server not configured"})
    async with opened(Sandbox(api_key=KEY, webrtc_url="wss://media.example.com")) as modern:
        answer = (await modern.post(PATH, body)).body
        assert set(answer) == {"token", "room", "identity", "url", "webrtc_token"}
        assert answer["url"] == "wss://media.example.com"
        media = claims(answer["webrtc_token"])
        assert (media["sub"], media["video"]["room"]) == (answer["identity"], answer["room"])
        assert media["attributes"]["agent_id"] == seed.BISTRO
        assert set((await modern.post(PATH, {"agent_id": seed.BISTRO})).body) == {"token"}


async def with_switches(office: Office, switches: str) -> Answer:
    """Ask for a token of the echo with switches of its own."""
    body = {"agent_id": office.sandbox.agent_id("echo")}
    return await office.ask("POST", PATH, body, {"Sandbox-Switches": switches})


async def test_header_switches_one_session(office: Office) -> None:
    """The next one is plain again; the header's other switches are checked as all are."""
    assert (await with_switches(office, "token_status=503, retry_after_s=7")).status == 503
    assert (await with_switches(office, "")).status == 200
    answer = await with_switches(office, "colour=blue")
    assert answer.status == 400
    assert answer.error.startswith("Sandbox-Switches: no switch 'colour'")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after_s", [0, 7])
async def test_refusal_says_when_to_come_back_or_not(office: Office, status: int, retry_after_s: int) -> None:
    """Retry-After is there when it is switched on."""
    switches = Switches(token_status=status, retry_after_s=retry_after_s)
    office.sandbox.set_switches("echo", switches)
    answer = await office.post(PATH, {"agent_id": office.sandbox.agent_id("echo")})
    assert (answer.status, answer.error) == (status, "refused by switch token_status")
    assert answer.headers.get("Retry-After") == ("7" if retry_after_s else None)
