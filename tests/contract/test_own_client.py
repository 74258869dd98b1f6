"""The gateway's own client and socket against the sandbox: every operation, and a session."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.audio import wav
from gateway.backlog import Backlog
from gateway.errors import AgentConnectError, VatelApiError
from gateway.sandbox import seed
from gateway.sandbox.server import Sandbox
from gateway.vatel import models
from gateway.vatel.messages import (
    InputAudio,
    ResponseAudio,
    SessionStarted,
    dump_input_audio,
    parse,
)
from gateway.vatel.rest import VatelClient
from gateway.vatel.socket import SocketClosed, connect
from tests.vatel.hearing import receive

KEY = "own-key"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A running sandbox."""
    sandbox = Sandbox(api_key=KEY)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def vatel(sandbox: Sandbox) -> AsyncIterator[VatelClient]:
    """Our client."""
    async with aiohttp.ClientSession() as session:
        yield VatelClient(session, sandbox.url, KEY)


async def test_catalogues_and_agents(vatel: VatelClient) -> None:
    """Organization, models, voices, agents, versions, publishing and dialling."""
    assert (await vatel.organization()).name == "Sandbox"
    llms, voices = await vatel.llms(), await vatel.voices()
    voice = models.VoiceSettings(id=voices[0].id, provider=voices[0].provider, speed=1.2)
    agent = await vatel.agents.create("Ada", models.AgentChange(llm=llms[0], voice_settings=voice))
    assert agent.id is not None
    assert agent in await vatel.agents.list()
    change = models.AgentChange(phone_number_id=seed.SPARE_NUMBER, keyterms=("Ada",))
    assert (await vatel.agents.update(agent.id, change)).keyterms == ("Ada",)
    [version] = await vatel.agents.versions(agent.id)
    assert version.id is not None
    assert (await vatel.agents.version(agent.id, version.id)).nodes
    assert (await vatel.agents.publish(agent.id, version.id)).published_at
    with pytest.raises(VatelApiError) as caught:
        await vatel.agents.publish(agent.id, version.id)
    assert caught.value.reason == "conflict"
    assert await vatel.agents.dial(agent.id, "+15005550010", variables={"city": "Lyon"})
    await vatel.agents.delete(agent.id)
    with pytest.raises(VatelApiError) as caught:
        await vatel.agents.get(agent.id)
    assert (caught.value.reason, caught.value.status) == ("not_found", 404)


async def test_numbers_trunks_and_assignments(vatel: VatelClient) -> None:
    """Import and rename, make, change, clear and delete."""
    number = await vatel.twilio_numbers.import_number(
        "+15005550044", account_sid="AC" + "c" * 32, auth_token="t"
    )
    assert number.id is not None
    assert (await vatel.twilio_numbers.rename(number.id, "Desk")).label == "Desk"
    assert len(await vatel.twilio_numbers.list()) == 3
    trunk = await vatel.sip_trunks.create("3cx", models.SipTrunkChange(inbound_host="pbx.example.com"))
    assert trunk.id is not None
    assert await vatel.sip_trunks.get(trunk.id) == trunk
    assert trunk in await vatel.sip_trunks.list()
    cleared = await vatel.sip_trunks.update(trunk.id, models.SipTrunkChange(inbound_host=None))
    assert cleared.inbound_host is None
    assigned = await vatel.sip_assignments.create(trunk.id, seed.BISTRO, number="1")
    assert assigned.id is not None
    assert await vatel.sip_assignments.list(trunk.id) == (assigned,)
    assert await vatel.sip_assignments.get(assigned.id) == assigned
    assert (await vatel.sip_assignments.update(assigned.id, number=None)).number is None
    await vatel.sip_assignments.delete(assigned.id)
    await vatel.sip_trunks.delete(trunk.id)


async def test_calls_and_recordings(vatel: VatelClient, tmp_path: Path) -> None:
    """Pages, filters, one call, its recording as a file, and a call without one."""
    page = await vatel.calls.list(models.CallQuery(page_size=2, agent_ids=(seed.BISTRO,), outbound=False))
    assert (len(page.calls), page.pagination.total, page.pagination.has_next) == (2, 3, True)
    newest, other = page.calls
    assert newest.id is not None
    assert other.id is not None
    assert await vatel.calls.get(newest.id) == newest
    assert newest.transcript is not None
    size = await vatel.calls.save_recording(newest.id, tmp_path / "call.wav")
    assert size == (tmp_path / "call.wav").stat().st_size
    assert wav.read(tmp_path / "call.wav")[1] == 24_000
    with pytest.raises(VatelApiError, match="this call has no recording"):
        await vatel.calls.save_recording(other.id, tmp_path / "none.wav")


@pytest.mark.parametrize("retry_after_s", [0, 5])
async def test_client_reads_what_a_refusal_asks_for(
    sandbox: Sandbox, vatel: VatelClient, retry_after_s: int
) -> None:
    """429 is told apart, with the time to wait when one is named."""
    sandbox.switch("echo.token_status=429")
    sandbox.switch(f"echo.retry_after_s={retry_after_s}")
    with pytest.raises(VatelApiError) as caught:
        await vatel.session_token(sandbox.agent_id("echo"))
    assert caught.value.reason == "rate_limited"
    assert caught.value.retry_after_s == (retry_after_s or None)


async def test_session_by_our_own_socket(sandbox: Sandbox, vatel: VatelClient) -> None:
    """A token opens one socket, which echoes; the same token opens no second one; the call is on record."""
    token = (await vatel.session_token(sandbox.agent_id("echo"), variables={"city": "Lyon"})).token
    url = sandbox.url.replace("http", "ws") + "/v1/connection"
    socket = await connect(url, token=token, timeout_s=5, backlog=Backlog())
    started = parse(await text_of(receive(socket)))
    assert isinstance(started, SessionStarted)
    socket.send(dump_input_audio(bytes(960)))
    echo = parse(await text_of(receive(socket)))
    assert isinstance(echo, ResponseAudio)
    assert echo.audio == InputAudio(bytes(960)).audio
    with pytest.raises(AgentConnectError) as caught:
        await connect(url, token=token, timeout_s=5, backlog=Backlog())
    assert caught.value.reason == "unauthorized"
    await socket.close()
    async with asyncio.timeout(5):
        await sandbox.records[0].over.wait()
    call = await vatel.calls.get(started.id)
    assert (call.status, call.termination_reason) == ("ended", "ended_by_user")


async def text_of(receiving: object) -> str:
    """Return a message, which must not be the end."""
    message = await receiving  # type: ignore[misc]
    assert not isinstance(message, SocketClosed)
    return str(message)
