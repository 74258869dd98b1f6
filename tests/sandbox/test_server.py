import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from gateway.errors import ConfigError
from gateway.sandbox.faculties import recorded
from gateway.sandbox.scripted import Silent
from gateway.sandbox.seed import version_id
from gateway.sandbox.server import Sandbox
from gateway.sandbox.signals import sine
from gateway.sandbox.switches import Switches
from gateway.sandbox.talker import Talker
from gateway.speech import extra, tts
from gateway.vatel.decoding import decode_agent
from gateway.vatel.messages import dump_input_audio

AGENT = "00000000-0000-4000-8000-000000000001"
FRAME = sine(300.0, 0.02, -12.0)
BEARER = {"Authorization": "Bearer key"}


class Client:
    """Somebody who uses a sandbox. Lives as long as the test."""

    def __init__(self, sandbox: Sandbox, http: ClientSession) -> None:
        self.sandbox = sandbox
        self._http = http

    async def ask(self, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Ask for a token; return status and body, parsed when it is JSON."""
        url = f"{self.sandbox.url}/v1/session-token"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self._http.post(url, headers=BEARER if headers is None else headers, data=raw) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else await answer.read()

    async def token(self, agent_id: str = AGENT, **more: object) -> str:
        """Return a token."""
        status, body = await self.ask({"agent_id": agent_id, **more})
        assert status == 200, body
        return str(body["token"])

    async def show(self, agent_id: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Ask for an agent; return status and body."""
        url = f"{self.sandbox.url}/v1/agents/{agent_id}"
        async with self._http.get(url, headers=BEARER if headers is None else headers) as answer:
            return answer.status, await answer.read()

    async def open(self, token: str, *, compress: int = 0, **query: str) -> ClientWebSocketResponse:
        """Connect with a token."""
        url = f"{self.sandbox.url}/v1/connection"
        return await self._http.ws_connect(url, params={"token": token, **query}, compress=compress)

    async def refused(self, query: str) -> tuple[int, bytes]:
        """Ask for an upgrade; return the status and body it is refused with."""
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        async with self._http.get(f"{self.sandbox.url}/v1/connection{query}", headers=headers) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of a running sandbox whose tokens live for a minute."""
    sandbox = Sandbox(api_key="key")
    await sandbox.start()
    async with ClientSession() as http:
        yield Client(sandbox, http)
    await sandbox.stop()


async def test_token_opens_one_connection(client: Client) -> None:
    """The first connection is upgraded, a second with the same token gets 401 without a body."""
    token = await client.token()
    socket = await client.open(token)
    assert (await socket.receive()).json()["type"] == "session_started"
    assert await client.refused(f"?token={token}") == (401, b"")
    await socket.close()


async def test_whole_request_of_the_contract_is_taken(client: Client) -> None:
    """Every documented field is accepted, and what it says reaches the session."""
    token = await client.token(
        version_id=version_id(AGENT),
        chat_id=AGENT,
        transport="websocket",
        first_message="Bonjour",
        prompt="Be brief.",
        chat=True,
        variables=[{"key": "city", "value": "Lyon"}],
    )
    socket = await client.open(token)
    await socket.receive()
    opening = client.sandbox.records[0].opening
    assert (opening.first_message, opening.prompt) == ("Bonjour", "Be brief.")
    assert opening.variables == (("city", "Lyon"),)
    await socket.close()


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "key"}, {"Authorization": "Basic key"}],
)
async def test_bad_key_is_401_without_a_body(client: Client, headers: dict[str, str]) -> None:
    """Without the organization's key not even the agent is looked up."""
    assert await client.ask({"agent_id": AGENT}, headers) == (401, b"")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"agent_id": AGENT, "voice": "x"}, "unknown field `voice`"),
        ({}, "missing required field `agent_id`"),
        ({"agent_id": "echo"}, "Invalid UUID"),
        ({"agent_id": AGENT, "chat_id": "7"}, "Invalid UUID"),
        ({"agent_id": AGENT, "transport": "sip"}, "Invalid enum value 'sip'"),
        ({"agent_id": AGENT, "chat": "yes"}, "Expected `bool`"),
        ({"agent_id": AGENT, "variables": {"a": "b"}}, "Expected `array`"),
        ({"agent_id": AGENT, "variables": [{"key": "a", "value": 1}]}, "Expected `str`"),
        ({"agent_id": AGENT, "first_message": None}, "Expected `str`"),
        ([], "Expected `object`"),
        (b"{", "body: "),
        (b"", "body: "),
        (b"\xff", "body: "),
        (b"[" * 100_000, "body: "),
    ],
)
async def test_body_outside_the_contract_is_400_with_a_reason(
    client: Client, body: object, message: str
) -> None:
    """The body is strict, and the error is one readable sentence."""
    status, answer = await client.ask(body)
    assert status == 400
    assert message in answer["error"]


async def test_unknown_agent_is_404(client: Client) -> None:
    """A uuid nobody has is not found."""
    status, answer = await client.ask({"agent_id": AGENT.replace("8000", "8001")})
    assert (status, answer) == (404, {"error": "agent not found"})


async def test_webrtc_is_not_configured(client: Client) -> None:
    """The other transport is answered as by a deployment without media servers."""
    assert await client.ask({"agent_id": AGENT, "transport": "webrtc"}) == (
        503,
        {"error": "media server not configured"},
    )


async def test_speaking_agent_without_its_extra_plays_recorded_lines(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra a talking agent greets all the same, with a voice from the package."""
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    client.sandbox.set_switches("table_booking", Switches(interim=False, pace=0.0))
    socket = await client.open(await client.token(client.sandbox.agent_id("table_booking")))
    await socket.receive()
    audio = b""
    while (message := (await socket.receive()).json())["type"] == "response_audio":
        audio += base64.b64decode(message["data"]["audio"])
    assert message["data"]["text"] == "Hello, this is Vatel Bistro. How can I help you?"
    assert audio == recorded(message["data"]["text"])
    await socket.close()


async def test_warm_up_without_the_extra_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox whose speaking agent cannot work still gets ready for the others."""
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    sandbox = Sandbox()
    sandbox.add("martian", Talker(voice=tts.Voice("en-martian")))
    await sandbox.warm_up()


@pytest.mark.parametrize("query", ["", "?token=", "?token=abc", "?agentId=1"])
async def test_connection_without_a_token_is_400(client: Client, query: str) -> None:
    """No token and no token's shape are bad requests, said in the body."""
    status, body = await client.refused(query)
    assert status == 400
    assert b'"error"' in body


async def test_forged_token_is_401(client: Client) -> None:
    """A token that was never minted opens nothing, and leaves no session behind."""
    assert await client.refused("?token=a.b.c") == (401, b"")
    assert client.sandbox.live_sessions == 0


@pytest.mark.parametrize("switch", ["token_ttl_s=0", "used_token=true"])
async def test_expired_or_used_token_is_401(client: Client, switch: str) -> None:
    """With either switch tokens are handed out that open nothing; other agents' tokens do."""
    client.sandbox.switch(f"echo.{switch}")
    assert await client.refused(f"?token={await client.token()}") == (401, b"")
    assert client.sandbox.live_sessions == 0
    socket = await client.open(await client.token(client.sandbox.agent_id("tone")))
    assert (await socket.receive()).json()["type"] == "session_started"
    await socket.close()


async def test_agent_and_version_in_the_query_are_ignored(client: Client) -> None:
    """Older clients send them; the token alone decides."""
    token = await client.token()
    socket = await client.open(token, agentId="none", versionId="none")
    assert (await socket.receive()).json()["type"] == "session_started"
    await socket.close()


async def test_compression_is_not_agreed_to(client: Client) -> None:
    """A client that offers permessage-deflate gets plain frames."""
    socket = await client.open(await client.token(), compress=15)
    assert socket.compress == 0
    await socket.close()


async def test_switches_refuse_tokens_and_upgrades(client: Client) -> None:
    """Each refusal has the status asked for; 401 has no body."""
    sandbox = client.sandbox
    sandbox.switch("echo.token_status=401")
    assert await client.ask({"agent_id": AGENT}) == (401, b"")
    sandbox.switch("echo.token_status=503")
    assert (await client.ask({"agent_id": AGENT}))[0] == 503
    sandbox.switch("echo.token_status=0")
    sandbox.switch("echo.upgrade_status=403")
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.open(await client.token())
    assert caught.value.status == 403


async def test_older_deployment_knows_no_variables(client: Client) -> None:
    """With the switch the newest field is an unknown one."""
    client.sandbox.switch("refuse_variables=true")
    status, _ = await client.ask({"agent_id": AGENT, "variables": []})
    assert status == 400
    assert (await client.ask({"agent_id": AGENT}))[0] == 200


async def test_slow_token_and_slow_upgrade_take_their_time(client: Client) -> None:
    """The delays are waited, each."""
    client.sandbox.set_switches("echo", Switches(token_delay_s=0.05, upgrade_delay_s=0.05))
    began = asyncio.get_running_loop().time()
    socket = await client.open(await client.token())
    assert asyncio.get_running_loop().time() - began >= 0.09
    await socket.close()


def test_agents_are_found_by_name() -> None:
    """Names map to ids; an unknown one is answered with those there are."""
    sandbox = Sandbox()
    assert sandbox.agent_id("echo") == AGENT
    with pytest.raises(ConfigError, match="no agent 'ekho'; it has echo, tone"):
        sandbox.agent_id("ekho")


def test_added_agent_gets_the_next_id_and_a_known_name_keeps_its_own() -> None:
    """New names extend the catalog, old ones are replaced in place."""
    sandbox = Sandbox()
    assert sandbox.add("mine", Silent()).endswith("12")
    assert sandbox.add("echo", Silent()) == AGENT
    assert len(sandbox.agents) == 12


def test_switch_is_for_all_agents_or_for_one() -> None:
    """A plain name sets all, a dotted one sets its agent."""
    sandbox = Sandbox()
    sandbox.switch("chunk_ms=20")
    sandbox.switch("tone.pace=0.5")
    by_name = {entry.name: entry.switches for entry in sandbox.agents}
    assert {switches.chunk_ms for switches in by_name.values()} == {20}
    assert (by_name["tone"].pace, by_name["echo"].pace) == (0.5, 4.0)


def test_switch_for_nobody_is_refused() -> None:
    """A dotted switch names an agent that exists."""
    with pytest.raises(ConfigError, match="no agent 'tune'"):
        Sandbox().switch("tune.pace=1")


def test_every_sandbox_makes_up_its_own_key() -> None:
    """Without a key given, two sandboxes do not share one."""
    assert Sandbox().api_key != Sandbox().api_key


async def test_taken_port_is_an_error(client: Client) -> None:
    """Two sandboxes cannot listen on one port."""
    second = Sandbox()
    with pytest.raises(OSError, match="address already in use"):
        await second.start(port=int(client.sandbox.url.rpartition(":")[2]))
    await second.stop()


async def test_stop_ends_every_session_with_1001() -> None:
    """Clients are told that the server goes away, and nothing is left."""
    sandbox = Sandbox(api_key="key")
    await sandbox.start()
    async with ClientSession() as http:
        client = Client(sandbox, http)
        sockets = [await client.open(await client.token()) for _ in range(5)]
        for socket in sockets:
            await socket.receive()
        async with asyncio.TaskGroup() as group:
            group.create_task(sandbox.stop())
            endings = [group.create_task(socket.receive()) for socket in sockets]
        assert [(ending.result().type, ending.result().data) for ending in endings] == [
            (WSMsgType.CLOSE, 1001)
        ] * 5
    assert sandbox.live_sessions == 0
    assert all(record.over.is_set() for record in sandbox.records)


async def test_two_hundred_echoes_keep_every_frame_in_order(client: Client) -> None:
    """200 sessions at once, ten frames each: every caller gets exactly its own back."""

    async def talk(number: int) -> None:
        async with await client.open(await client.token()) as socket:
            await socket.receive()
            audio = number.to_bytes(2, "little") * 480
            for _ in range(10):
                await socket.send_str(dump_input_audio(audio))
            replies = [(await socket.receive()).json()["data"]["audio"] for _ in range(10)]
            assert set(replies) == {dump_input_audio(audio).split('"')[-2]}

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(talk(number))
    assert sum(record.audio_frames for record in client.sandbox.records) == 2_000


async def test_client_that_leaves_during_the_upgrade_leaves_nothing(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever goes while the upgrade is being answered has no session, and nobody complains about it."""
    client.sandbox.set_switches("echo", Switches(upgrade_delay_s=0.05))
    token = await client.token()
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", int(client.sandbox.url.rpartition(":")[2]))
        request = (
            f"GET /v1/connection?token={token} HTTP/1.1\r\nHost: sandbox\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        writer.write(request.encode())
        await asyncio.sleep(0.02)
        writer.transport.abort()
        token = await client.token()
    await asyncio.sleep(0.1)

    assert len(client.sandbox.records) == 0
    assert client.sandbox.live_sessions == 0
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_agent_is_shown(client: Client) -> None:
    """A client that wants to add to an agent's prompt can read it first, as the gateway's own client does."""
    status, body = await client.show(client.sandbox.agent_id("greeter"))
    agent = decode_agent(body)
    assert (status, agent.name) == (200, "greeter")
    assert (agent.prompt or "").startswith("You are the greeter agent")
    assert agent.first_message == "Hello, this is the sandbox. How can I help you?"


async def test_agent_is_shown_only_to_its_owner(client: Client) -> None:
    """Without the key there is a bare 401, whoever is asked for."""
    assert await client.show(AGENT, {}) == (401, b"")
    assert await client.show("no-uuid", {"Authorization": "Bearer wrong"}) == (401, b"")


async def test_agent_that_is_none_is_refused(client: Client) -> None:
    """An id that is no uuid is 400 without a body, one nobody has 404 with a reason."""
    assert await client.show("echo") == (400, b"")
    status, body = await client.show(AGENT.replace("8000", "8001"))
    assert (status, json.loads(body)) == (404, {"error": "agent not found"})


async def test_switches_are_drawn_with_the_token(client: Client) -> None:
    """What is switched between token and connection is for later sessions."""
    token = await client.token()
    client.sandbox.switch("echo.upgrade_status=503")
    socket = await client.open(token)
    assert (await socket.receive()).json()["type"] == "session_started"
    await socket.close()


async def test_agent_added_while_it_runs_can_be_called(client: Client) -> None:
    """It is there for REST and for tokens at once."""
    agent_id = client.sandbox.add("late", Silent())
    assert (await client.show(agent_id))[0] == 200
    socket = await client.open(await client.token(agent_id))
    assert (await socket.receive()).json()["type"] == "session_started"
    await socket.close()


async def test_changed_first_message_is_what_the_agent_says(client: Client) -> None:
    """PATCH on an agent with a script replaces what it says first."""
    agent_id = client.sandbox.agent_id("greeter")
    url = f"{client.sandbox.url}/v1/agents/{agent_id}"
    async with client._http.patch(url, json={"first_message": "Salut."}, headers=BEARER) as answer:
        assert answer.status == 200
    socket = await client.open(await client.token(agent_id))
    texts: list[str] = []
    while not texts:
        message = (await socket.receive()).json()
        if message["type"] == "response_text":
            texts.append(message["data"]["text"])
    assert texts == ["Salut."]
    await socket.close()


async def test_key_given_takes_the_place_of_the_databases(tmp_path: Path) -> None:
    """Without one given the database's is good again; what is given stays."""
    path = tmp_path / "box.db"
    keys = []
    for given in ("first", None, "second", None):
        sandbox = Sandbox(api_key=given, database=path)
        await sandbox.start()
        keys.append(sandbox.api_key)
        await sandbox.stop()
    assert keys == ["first", "first", "second", "second"]


async def test_database_in_use_by_nobody_is_needed(tmp_path: Path) -> None:
    """A file that is no database stops the start with a reason; the sandbox can be stopped all the same."""
    path = tmp_path / "box.db"
    path.write_text("Dear Ada, " * 100)
    sandbox = Sandbox(database=path)
    with pytest.raises(ConfigError, match="--database"):
        await sandbox.start()
    await sandbox.stop()
