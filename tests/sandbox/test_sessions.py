import asyncio

from aiohttp import ClientSession

from gateway.sandbox.server import Sandbox
from gateway.sandbox.sessions import Sessions, new_call_id
from tests.sandbox.rest.office import Office

ECHO = "00000000-0000-4000-8000-000000000001"


def test_nobody_is_there_at_first() -> None:
    """Ending all of nothing is nothing."""
    sessions = Sessions()
    sessions.end_all()
    assert (sessions.live, list(sessions.records)) == ((), [])


def test_call_ids_are_new_each_time() -> None:
    """No two sessions share one."""
    assert len({new_call_id() for _ in range(1_000)}) == 1_000


async def test_session_is_live_as_long_as_its_connection(office: Office) -> None:
    """Then its record stays, under the id that the client was told."""
    url = f"{office.sandbox.url}/v1/connection?token={await office.token(ECHO)}"
    async with ClientSession() as http, http.ws_connect(url) as socket:
        session_id = (await socket.receive()).json()["data"]["id"]
        assert office.sandbox.live_sessions == 1
    [record] = office.sandbox.records
    async with asyncio.timeout(5):
        await record.over.wait()
    assert (record.session_id, record.agent, record.close_code) == (session_id, "echo", 1000)
    await asyncio.sleep(0.01)
    assert office.sandbox.live_sessions == 0


async def test_stopping_says_so_on_the_calls_record(office: Office) -> None:
    """A session that is open when the sandbox stops has been stopped by it."""
    sandbox: Sandbox = office.sandbox
    url = f"{sandbox.url}/v1/connection?token={await office.token(ECHO)}"
    async with ClientSession() as http, http.ws_connect(url) as socket:
        call_id = (await socket.receive()).json()["data"]["id"]
        sandbox._sessions.end_all()
        await socket.receive()
    call = (await office.get(f"/v1/calls/{call_id}")).body
    assert (call["status"], call["termination_reason"]) == ("ended", "server_stopped")
