import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType

from gateway.sandbox import seed
from gateway.sandbox.documents import MAIN_ORGANIZATION
from gateway.vatel.messages import dump_input_audio
from tests.sandbox.rest.office import NOBODY, Answer, Office


async def forged(office: Office, agent_id: str, organization_id: str, ttl_s: float = 60.0) -> str:
    """Return a token that the API would not have minted."""
    body = {"agent_id": agent_id, "organization_id": organization_id, "ttl_s": ttl_s}
    answer = await office.post("/sandbox/tokens", body)
    assert answer.status == 201, answer
    return str(answer.body["token"])


async def refusal(office: Office, token: str) -> Answer:
    """Return how a token is refused, and that no session came of it."""
    answer = await office.refused(token)
    assert office.sandbox.live_sessions == 0
    assert len(office.sandbox.records) == 0
    return answer


async def test_used_token_is_401_before_the_upgrade(office: Office) -> None:
    """The second connection with a token is refused, bare."""
    token = await office.token(seed.BISTRO)
    office.sandbox.switch("used_token=true")
    assert (await refusal(office, await office.token(office.sandbox.agent_id("echo")))).plain == (401, b"")
    url = f"{office.sandbox.url}/v1/connection?token={token}"
    async with ClientSession() as http, http.ws_connect(url) as socket:
        assert (await socket.receive()).json()["type"] == "session_started"
        assert (await office.refused(token)).plain == (401, b"")


async def test_expired_token_is_401(office: Office) -> None:
    """A token that came too late opens nothing."""
    assert (await refusal(office, await forged(office, seed.BISTRO, MAIN_ORGANIZATION, 0.0))).plain == (
        401,
        b"",
    )


async def test_agent_of_another_organization_is_403(office: Office) -> None:
    """A token of one organization for the agent of another is refused, bare."""
    assert (await refusal(office, await forged(office, seed.BISTRO, NOBODY))).plain == (403, b"")


async def test_agent_that_was_deleted_meanwhile_is_404(office: Office) -> None:
    """The token was good, its agent is gone."""
    agent_id = await office.published()
    token = await office.token(agent_id)
    await office.delete(f"/v1/agents/{agent_id}")
    assert (await refusal(office, token)).plain == (404, b"")
    assert (await refusal(office, await forged(office, NOBODY, MAIN_ORGANIZATION))).plain == (404, b"")


@pytest.mark.parametrize(("token", "status"), [("", 400), ("abc", 400), ("a.b.c", 401)])
async def test_token_that_is_none_is_refused(office: Office, token: str, status: int) -> None:
    """Missing and misshapen ones are 400 with a reason, forged ones 401 without."""
    answer = await refusal(office, token)
    assert answer.status == status
    assert bool(answer.body) is (status == 400)


async def test_refused_upgrade_can_say_when_to_come_back(office: Office) -> None:
    """The switch's status and Retry-After are those of the answer."""
    body = {"agent_id": office.sandbox.agent_id("echo")}
    switches = {"Sandbox-Switches": "upgrade_status=429, retry_after_s=3"}
    token = (await office.ask("POST", "/v1/session-token", body, switches)).body["token"]
    answer = await refusal(office, token)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")


async def test_agent_made_by_rest_greets_and_its_call_is_on_record(office: Office) -> None:
    """It says its own first message; the session's id is the call's, with agent, version and variables."""
    agent_id = await office.published(name="Ada", first_message="Good day.")
    token = await office.token(agent_id, variables=[{"key": "city", "value": "Lyon"}])
    url = f"{office.sandbox.url}/v1/connection?token={token}"
    async with ClientSession() as http, http.ws_connect(url) as socket:
        started = (await socket.receive()).json()
        texts: list[dict[str, Any]] = []
        while not texts or not texts[-1]["is_final"]:
            message = (await socket.receive()).json()
            if message["type"] == "response_text":
                texts.append(message["data"])
        assert texts[-1]["text"] == "Good day."
        call = (await office.get(f"/v1/calls/{started['data']['id']}")).body
        assert (call["status"], call["agent_id"], call["source"]) == ("in_progress", agent_id, "api")
        assert [entry["message"] for entry in call["transcript"]["entries"]] == ["Good day."]
        assert call["extracted_variables"][0]["name"] == "city"


async def test_first_message_of_the_token_comes_first(office: Office) -> None:
    """What the token asks for is said in place of the agent's own."""
    token = await office.token(seed.BISTRO, first_message="Bonjour.")
    url = f"{office.sandbox.url}/v1/connection?token={token}"
    async with ClientSession() as http, http.ws_connect(url) as socket:
        texts: list[str] = []
        async with asyncio.timeout(10):
            while not texts:
                message = (await socket.receive()).json()
                if message["type"] == "response_text" and message["data"]["is_final"]:
                    texts.append(message["data"]["text"])
    assert texts == ["Bonjour."]


async def test_whole_session_ends_up_as_call_and_recording(office: Office) -> None:
    """Hung up by the caller: the call says so, and both voices are on the recording."""
    token = await office.token(office.sandbox.agent_id("echo"))
    url = f"{office.sandbox.url}/v1/connection?token={token}"
    async with ClientSession() as http, http.ws_connect(url) as socket:
        call_id = (await socket.receive()).json()["data"]["id"]
        for _ in range(25):
            await socket.send_str(dump_input_audio(b"\x07\x00" * 480))
            assert (await socket.receive()).type is WSMsgType.TEXT
        await asyncio.sleep(0.6)  # until the echo has been heard
    call = (await office.get(f"/v1/calls/{call_id}")).body
    assert (call["status"], call["termination_reason"]) == ("ended", "ended_by_user")
    recording = await office.get(f"/v1/calls/{call_id}/recording")
    assert recording.status == 200
    assert len(recording.body) > 24_000 * 4 * 0.4
