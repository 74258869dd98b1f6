import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from gateway.sandbox import seed
from gateway.sandbox.switches import Switches
from tests.sandbox.rest.office import NOBODY, Office

ECHO = "00000000-0000-4000-8000-000000000001"
SWITCHES = f"/sandbox/agents/{ECHO}/switches"


@asynccontextmanager
async def session(office: Office, agent_id: str = ECHO) -> AsyncIterator[tuple[ClientWebSocketResponse, str]]:
    """Hold a session; yield its socket and id."""
    url = f"{office.sandbox.url}/v1/connection?token={await office.token(agent_id)}"
    async with ClientSession() as http, http.ws_connect(url) as socket:
        yield socket, (await socket.receive()).json()["data"]["id"]


def echo(office: Office) -> Switches:
    """Return the echo's switches."""
    return next(entry.switches for entry in office.sandbox.agents if entry.name == "echo")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sandbox/agents"),
        ("PATCH", SWITCHES),
        ("PATCH", "/sandbox/switches"),
        ("GET", "/sandbox/faults"),
        ("POST", "/sandbox/faults"),
        ("DELETE", "/sandbox/faults"),
        ("GET", "/sandbox/sessions"),
        ("PATCH", f"/sandbox/sessions/{NOBODY}/switches"),
        ("DELETE", f"/sandbox/sessions/{NOBODY}"),
        ("POST", "/sandbox/organizations"),
        ("POST", "/sandbox/tokens"),
    ],
)
async def test_only_the_sandboxs_own_key_opens_it(office: Office, method: str, path: str) -> None:
    """Neither no key nor another organization's is enough."""
    rival = await office.rival()
    for key in ("", "wrong", rival.key):
        stranger = Office(office.sandbox, office._http, key)
        answer = await stranger.ask(method, path, {})
        assert answer.plain == (401, {"error": "the sandbox's own key is missing or wrong"})


async def test_agents_are_listed_with_their_switches(office: Office) -> None:
    """Those with a script and those made by REST."""
    office.sandbox.switch("echo.chunk_ms=20")
    listed = {agent["id"]: agent for agent in (await office.get("/sandbox/agents")).body}
    assert listed[ECHO]["switches"]["chunk_ms"] == 20
    assert listed[seed.BISTRO]["switches"]["chunk_ms"] == 100


async def test_switch_of_an_agent_stays(office: Office) -> None:
    """It is as if it had been given on the command line."""
    answer = await office.patch(SWITCHES, {"close_code": 1011, "interim": False, "empty": "absent"})
    assert answer.status == 200
    assert echo(office) == Switches(close_code=1011, interim=False, empty="absent")


async def test_switch_of_the_next_sessions_goes_by(office: Office) -> None:
    """Only the tokens asked for next are odd."""
    answer = await office.patch(f"{SWITCHES}?sessions=2", {"token_status": 503})
    assert answer.status == 200
    asked = [(await office.post("/v1/session-token", {"agent_id": ECHO})).status for _ in range(3)]
    assert asked == [503, 503, 200]
    assert echo(office) == Switches()


@pytest.mark.parametrize("sessions", ["0", "1001", "x", "-1", "99999999"])
async def test_number_of_sessions_is_checked(office: Office, sessions: str) -> None:
    """It is 1 to 1000."""
    answer = await office.patch(f"{SWITCHES}?sessions={sessions}", {"pace": 1})
    assert answer.plain == (400, {"error": "sessions: give 1 to 1000"})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"colour": "blue"}, "no switch 'colour'"),
        ({"pace": "fast"}, "switch pace: 'fast' is not what it takes"),
        ({"close_code": 1004}, "switch close_code: 1004 is out of range"),
        ({"interim": None}, "switch interim: 'None' is not what it takes"),
        ([], "body: Expected `object`"),
    ],
)
@pytest.mark.parametrize("path", [SWITCHES, "/sandbox/switches"])
async def test_bad_switch_is_400_with_the_fix(office: Office, path: str, body: object, said: str) -> None:
    """The same sentence as on the command line, and nothing is switched."""
    answer = await office.patch(path, body)
    assert answer.status == 400
    assert said in answer.error
    assert echo(office) == Switches()


async def test_switch_of_all_agents_is_for_new_ones_too(office: Office) -> None:
    """An agent made afterwards is as odd."""
    assert (await office.patch("/sandbox/switches", {"token_status": 429, "emulated": True})).status == 200
    for agent_id in (ECHO, seed.BISTRO, await office.published()):
        assert (await office.post("/v1/session-token", {"agent_id": agent_id})).status == 429
    assert echo(office).emulated


async def test_everything_can_be_taken_back(office: Office) -> None:
    """Switches and faults are gone at once."""
    await office.patch(SWITCHES, {"token_status": 503})
    await office.patch(f"/sandbox/agents/{seed.BISTRO}/switches", {"token_status": 503})
    await office.post("/sandbox/faults", {"path": "/v1/llms"})
    assert [rule["path"] for rule in (await office.get("/sandbox/faults")).body] == ["/v1/llms"]
    assert (await office.delete("/sandbox/faults")).plain == (204, b"")
    assert (await office.get("/v1/llms")).status == 200
    await office.token(ECHO)
    await office.token(seed.BISTRO)


async def test_live_session_is_switched_and_ended(office: Office) -> None:
    """It is listed while it lives; the way it will end can still be changed."""
    async with session(office) as (socket, session_id):
        [listed] = (await office.get("/sandbox/sessions")).body
        assert listed == {"id": session_id, "agent": "echo"}
        path = f"/sandbox/sessions/{session_id}"
        changed = await office.patch(f"{path}/switches", {"close_code": 4000, "empty": "absent"})
        assert changed.body["close_code"] == 4000
        assert (await office.delete(path)).plain == (204, b"")
        assert (await socket.receive()).data == '{"type":"session_ended"}'
        assert (await socket.receive()).data == 4000
    assert (await office.get("/sandbox/sessions")).body == []


@pytest.mark.parametrize(("code", "kind"), [("1011", WSMsgType.CLOSE), ("1006", WSMsgType.CLOSED)])
async def test_live_session_is_cut_with_a_code(office: Office, code: str, kind: WSMsgType) -> None:
    """Without session_ended, by a close frame or by nothing at all."""
    async with session(office) as (socket, session_id):
        assert (await office.delete(f"/sandbox/sessions/{session_id}?code={code}")).status == 204
        async with asyncio.timeout(5):
            message = await socket.receive()
        assert message.type in (kind, WSMsgType.ERROR)
    call = (await office.get(f"/v1/calls/{session_id}")).body
    assert call["termination_reason"] == ("connection_lost" if code == "1006" else "ended_by_agent")


async def test_session_that_is_not_open_is_404(office: Office) -> None:
    """Nor can a code that is none end one."""
    assert (await office.delete(f"/sandbox/sessions/{NOBODY}")).status == 404
    async with session(office) as (_, session_id):
        assert (await office.delete(f"/sandbox/sessions/{session_id}?code=9")).status == 400


async def test_organization_gets_a_key(office: Office) -> None:
    """One of its own, or a new one; told once, and no two the same."""
    made = await office.post("/sandbox/organizations", {"name": "Other"})
    assert made.status == 201
    other = Office(office.sandbox, office._http, made.body["api_key"])
    shown = await other.get("/v1/organization")
    assert shown.body == {name: value for name, value in made.body.items() if name != "api_key"}
    again = await office.post("/sandbox/organizations", {"name": "x", "api_key": office.key})
    assert again.plain == (409, {"error": "api_key: another organization has it"})
    assert (await office.post("/sandbox/organizations", {})).status == 400


async def test_rule_that_makes_no_sense_is_400(office: Office) -> None:
    """The error says what a rule takes."""
    answer = await office.post("/sandbox/faults", {"status": 200})
    assert (answer.status, "give 400 to 599" in answer.error) == (400, True)
