"""A client that takes nothing but what the contract says drives the whole API, and a whole session."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest
from aiohttp import ClientSession

from gateway.audio import wav
from gateway.sandbox import seed
from gateway.sandbox.server import Sandbox
from gateway.sandbox.signals import sine
from gateway.sandbox.switches import Switches
from gateway.speech import extra
from tests.contract import strict_models as strict

T = TypeVar("T")
KEY = "strict-key"
PATIENCE_S = 15.0


class Client:
    """Lives as long as its test.

    Attributes:
        asked: the operations asked for so far, as the contract writes them.
    """

    def __init__(self, http: ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self.asked: set[tuple[str, str]] = set()

    async def ask(
        self,
        method: str,
        path: str,
        kind: Any,
        *ids: str,
        status: int = 200,
        query: str = "",
        body: Any = None,
    ) -> Any:
        """Make a call and read its answer strictly; ``{}`` in the path stand for ids."""
        self.asked.add((method, path))
        headers = {"Authorization": f"Bearer {KEY}"}
        url = self._url + path.format(*ids) + query
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            content = await answer.read()
            assert answer.status == status, (method, path, answer.status, content)
            if kind is None:
                assert content == b""
                return None
            if kind is bytes:
                return content
            assert answer.content_type == "application/json"
            return strict.read_answer(content, kind)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A running sandbox."""
    sandbox = Sandbox(api_key=KEY, webrtc_url="wss://media.example.com")
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
    """A client that takes nothing but what the contract says."""
    async with ClientSession() as http:
        yield Client(http, sandbox.url)


async def drive_agents(client: Client) -> str:
    """Use every operation on agents; return one that can be called."""
    made = await client.ask("POST", "/v1/agents", strict.Agent, status=201, body={"name": "Ada"})
    agent_id = str(made.id)
    assert await client.ask("GET", "/v1/agents/{}", strict.Agent, agent_id) == made
    assert made in await client.ask("GET", "/v1/agents", list[strict.Agent])
    change = {
        "prompt": "Brief.",
        "phone_number_id": seed.SPARE_NUMBER,
        "timeout_settings": {"silence_counter": 2},
    }
    changed = await client.ask("PATCH", "/v1/agents/{}", strict.Agent, agent_id, body=change)
    assert (changed.prompt, changed.phone_number_id) == ("Brief.", seed.SPARE_NUMBER)
    [version] = await client.ask("GET", "/v1/agents/{}/versions", list[strict.GraphVersion], agent_id)
    ids = (agent_id, str(version.id))
    detail = await client.ask("GET", "/v1/agents/{}/versions/{}", strict.GraphVersionDetail, *ids)
    assert detail.version == version
    publish = "/v1/agents/{}/versions/{}/publish"
    assert (await client.ask("POST", publish, strict.GraphVersion, *ids)).published_at
    await client.ask("POST", publish, strict.Error, *ids, status=409)
    dial = "/v1/agents/{}/dial"
    await client.ask("POST", dial, strict.Dialled, agent_id, query="?number=%2B15005550010")
    await client.ask("POST", dial, strict.Error, agent_id, status=400)
    return agent_id


async def drive_phones(client: Client, agent_id: str) -> None:
    """Use every operation on numbers, trunks and assignments."""
    account = {"account_sid": "AC" + "b" * 32, "auth_token": "t"}
    numbers = "/v1/twilio/numbers"
    body = {"phone_number": "+15005550033", **account}
    number = await client.ask("POST", numbers, strict.TwilioNumber, status=201, body=body)
    await client.ask("POST", numbers, strict.Error, status=409, body=body)
    assert number in await client.ask("GET", numbers, list[strict.TwilioNumber])
    await client.ask("PATCH", numbers + "/{}", strict.TwilioNumber, str(number.id), body={"label": "x"})
    trunks = "/v1/sip-trunks"
    full = {
        "pbx": "yeastar",
        "caller_id_transforms": [{"type": "replace", "value": "0", "value2": "+49", "number": 1}],
        "inbound_auth_type": "acl",
        "inbound_sip_password": "p",
        "register": None,
    }
    trunk = await client.ask("POST", trunks, strict.SipTrunk, status=201, body=full)
    trunk_id = str(trunk.id)
    assert trunk == await client.ask("GET", trunks + "/{}", strict.SipTrunk, trunk_id)
    assert trunk in await client.ask("GET", trunks, list[strict.SipTrunk])
    await client.ask("PATCH", trunks + "/{}", strict.SipTrunk, trunk_id, body={"register": True})
    places, place = trunks + "/{}/assignments", trunks + "/assignments/{}"
    assigned = await client.ask(
        "POST", places, strict.SipAssignment, trunk_id, status=201, body={"agent_id": agent_id, "number": "1"}
    )
    assert [assigned] == await client.ask("GET", places, list[strict.SipAssignment], trunk_id)
    one = str(assigned.id)
    assert assigned == await client.ask("GET", place, strict.SipAssignment, one)
    await client.ask(
        "PATCH", place, strict.SipAssignment, one, body={"number": None, "alternate_number": "9"}
    )
    await client.ask("DELETE", place, None, one, status=204)
    await client.ask("DELETE", trunks + "/{}", None, trunk_id, status=204)


async def test_every_operation_answers_as_the_contract_says(client: Client) -> None:
    """All 29 operations beside the socket are used, each answer is read strictly."""
    await client.ask("GET", "/v1/organization", strict.Organization)
    await client.ask("GET", "/v1/llms", strict.Llms)
    await client.ask("GET", "/v1/voices", strict.Voices)
    agent_id = await drive_agents(client)
    await drive_phones(client, agent_id)
    listed = await client.ask("GET", "/v1/calls", strict.CallPage)
    assert listed.pagination.total == 4
    recorded = str(listed.calls[1].id)
    await client.ask("GET", "/v1/calls/{}", strict.Call, recorded)
    content = await client.ask("GET", "/v1/calls/{}/recording", bytes, recorded)
    assert wav.read(content)[1] == 24_000
    body = {"agent_id": agent_id, "transport": "webrtc"}
    assert (await client.ask("POST", "/v1/session-token", strict.SessionToken, body=body)).webrtc_token
    await client.ask("DELETE", "/v1/agents/{}", None, agent_id, status=204)
    await client.ask("GET", "/v1/agents/{}", strict.Error, agent_id, status=404)
    assert len(client.asked) == 29


class Talk:
    """A session held strictly. Lives as long as its socket."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.heard: list[tuple[str, strict.Strict]] = []

    async def until(self, wanted: str) -> Any:
        """Read messages up to the next of a type; return its data."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                name, data = strict.read_message((await self._socket.receive()).data)
                self.heard.append((name, data))
                if name == wanted:
                    return data

    async def speak(self, seconds: float, level_dbfs: float = -12.0) -> None:
        """Send audio as it would be spoken, only faster."""
        audio = sine(300.0, seconds, level_dbfs)
        for start in range(0, len(audio), 960):
            encoded = base64.b64encode(audio[start : start + 960]).decode()
            await self._socket.send_json({"type": "input_audio", "data": {"audio": encoded}})

    async def answer(self, tool_call_id: str, output: str) -> None:
        """Answer a tool call."""
        data = {"toolCallId": tool_call_id, "output": output}
        await self._socket.send_json({"type": "tool_call_output", "data": data})


@pytest.mark.parametrize("empty", ["null", "object"])
async def test_whole_session_is_what_the_contract_says(sandbox: Sandbox, client: Client, empty: Any) -> None:
    """Speech, a tool with every type, its answer, the end; then the call with all of it, recorded."""
    sandbox.set_switches("must_answer", Switches(empty=empty))
    body = {
        "agent_id": sandbox.agent_id("must_answer"),
        "chat": True,
        "variables": [{"key": "city", "value": "Lyon"}],
    }
    token = (await client.ask("POST", "/v1/session-token", strict.SessionToken, body=body)).token
    async with (
        ClientSession() as http,
        http.ws_connect(f"{sandbox.url}/v1/connection?token={token}") as socket,
    ):
        talk = Talk(socket)
        call_id = str((await talk.until("session_started")).id)
        await talk.speak(0.5)
        asked = await talk.until("tool_call")
        assert {argument.dataType for argument in asked.arguments} == {
            "string",
            "number",
            "boolean",
            "array",
            "object",
        }
        await talk.speak(0.7, -90.0)
        await talk.until("speech_stopped")
        await talk.answer(asked.toolCallId, "four")
        await talk.until("session_ended")
    assert [name for name, _ in talk.heard if name != "response_audio"] == [
        "session_started",
        "speech_started",
        "tool_call",
        "speech_stopped",
        "response_text",
        "response_text",
        "session_ended",
    ]
    call = await client.ask("GET", "/v1/calls/{}", strict.Call, call_id)
    assert (call.status, call.termination_reason) == ("ended", "ended_by_agent")
    assert [entry.type for entry in call.transcript.entries] == ["tool_call", "tool_call_output", "message"]
    assert call.transcript.entries[0].toolCall.endedAt
    assert [variable.value for variable in call.extracted_variables] == ["Lyon"]
    assert call.summary
    assert wav.read(await client.ask("GET", "/v1/calls/{}/recording", bytes, call_id))[1] == 24_000


async def test_missing_payload_would_be_noticed(sandbox: Sandbox, client: Client) -> None:
    """The strictness is real: an older server's dialect is refused by this client."""
    sandbox.set_switches("greeter", Switches(omit_is_final=True))
    body = {"agent_id": sandbox.agent_id("greeter")}
    token = (await client.ask("POST", "/v1/session-token", strict.SessionToken, body=body)).token
    async with (
        ClientSession() as http,
        http.ws_connect(f"{sandbox.url}/v1/connection?token={token}") as socket,
    ):
        talk = Talk(socket)
        await talk.until("session_started")
        with pytest.raises(ValueError, match="is_final"):
            await talk.until("session_ended")


def _turns(transcripts: list[strict.InputTranscript]) -> list[str]:
    """Return the turns of transcripts, in order."""
    return list(dict.fromkeys(data.turn_id for data in transcripts))


class Eager(Talk):
    """A caller who cuts in on every sentence but the last, and answers every tool at once."""

    async def to_the_end(self) -> None:
        """Talk until the agent ends the session."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                name, data = strict.read_message((await self._socket.receive()).data)
                self.heard.append((name, data))
                if name == "session_ended":
                    return
                if isinstance(data, strict.ToolCall):
                    await self.answer(data.toolCallId, json.dumps({"say": "It is booked."}))
                elif isinstance(data, strict.Text) and data.is_final and not data.text.startswith("See you"):
                    await self.speak(1.0)
                elif isinstance(data, strict.InputTranscript) and not data.is_final:
                    await self.speak(0.7, -90.0)


async def test_conversation_says_everything_that_the_contract_has(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All nine types in one session, interim transcripts before final ones; the call knows the booking."""
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))  # any sound is the expected answer
    sandbox.set_switches("table_booking", Switches(pace=0.0, transcript_turn_ids=True))
    body = {"agent_id": sandbox.agent_id("table_booking")}
    token = (await client.ask("POST", "/v1/session-token", strict.SessionToken, body=body)).token
    async with (
        ClientSession() as http,
        http.ws_connect(f"{sandbox.url}/v1/connection?token={token}") as socket,
    ):
        talk = Eager(socket)
        await talk.to_the_end()
    assert {name for name, _ in talk.heard} == set(strict.MESSAGES)
    transcripts = [data for _, data in talk.heard if isinstance(data, strict.InputTranscript)]
    assert [data.transcript for data in transcripts if data.is_final][:3] == [
        "i would like to book a table",
        "for four people",
        "at seven thirty",
    ]
    turns = [[data.is_final for data in transcripts if data.turn_id == turn] for turn in _turns(transcripts)]
    assert len(turns) >= 5
    assert turns == [[False] * (len(turn) - 1) + [True] for turn in turns]
    assert all(len(turn) > 1 for turn in turns)
    [started] = [data for _, data in talk.heard if isinstance(data, strict.Started)]
    call = await client.ask("GET", "/v1/calls/{}", strict.Call, str(started.id))
    assert {variable.name: variable.value for variable in call.extracted_variables} == {
        "people": 4,
        "time": "19:30",
        "topic": "parking",
    }
    assert call.tags == ["booking"]
    assert {entry.type for entry in call.transcript.entries} == {
        "message",
        "tool_call",
        "tool_call_output",
        "interruption",
    }
