"""Sessions over real sockets, driven by a client that knows nothing of the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.sandbox.scripted import Echo, Silent, Tone, ToolUser
from gateway.sandbox.server import Sandbox
from gateway.sandbox.session import SessionRecord
from gateway.sandbox.signals import sine
from gateway.sandbox.stage import Script
from gateway.sandbox.switches import Switches
from gateway.sandbox.troublesome import Manner, Rude
from gateway.vatel.messages import (
    ResponseAudio,
    ServerMessage,
    SessionEnded,
    SessionStarted,
    ToolCall,
    Unknown,
    dump_input_audio,
    dump_tool_output,
    parse,
)

FRAME = sine(300.0, 0.02, -12.0)


@asynccontextmanager
async def session(
    script: Script, switches: Switches | None = None
) -> AsyncIterator[tuple[ClientConnection, SessionRecord]]:
    """Run a sandbox with one agent and connect to it."""
    sandbox = Sandbox(api_key="key")
    agent_id = sandbox.add("subject", script, switches)
    await sandbox.start()
    try:
        async with (
            ClientSession(headers={"Authorization": "Bearer key"}) as http,
            http.post(f"{sandbox.url}/v1/session-token", json={"agent_id": agent_id}) as answer,
        ):
            token = (await answer.json())["token"]
        url = sandbox.url.replace("http", "ws") + f"/v1/connection?token={token}"
        async with connect(url, compression=None) as client:
            yield client, sandbox.records[0]
    finally:
        await sandbox.stop()
    assert sandbox.live_sessions == 0


async def drain(client: ClientConnection) -> tuple[list[ServerMessage], int]:
    """Return all that still comes, and the close code."""
    messages: list[ServerMessage] = []
    closed = await ending(client, messages)
    return messages, closed.rcvd.code if closed.rcvd else 1006


async def ending(client: ClientConnection, messages: list[ServerMessage]) -> ConnectionClosed:
    """Receive to the end; return how it came."""
    try:
        while True:
            data = await client.recv()
            messages.append(parse(data))
    except ConnectionClosed as closed:
        return closed


async def test_session_starts_with_its_id_and_echoes_frames() -> None:
    """The first message names the session; each frame then comes back unchanged."""
    async with session(Echo()) as (client, record):
        assert parse(await client.recv()) == SessionStarted(record.session_id)
        for _ in range(50):
            await client.send(dump_input_audio(FRAME))
            assert parse(await client.recv()) == ResponseAudio("echo", FRAME, False)
    assert (record.audio_frames, record.audio_bytes, record.close_code) == (50, 50 * 960, 1000)
    assert record.over.is_set()


async def test_agents_end_is_announced_then_closed() -> None:
    """By default ``session_ended`` comes last and the close is 1000."""
    async with session(Tone(duration_s=0.1, end_after=True)) as (client, record):
        messages, code = await drain(client)
    assert isinstance(messages[-1], SessionEnded)
    assert b"".join(m.audio for m in messages if isinstance(m, ResponseAudio)) == sine(1_000.0, 0.1, -6.0)
    assert (code, record.close_code) == (1000, 1000)


@pytest.mark.parametrize("code", [1000, 1005, 1006, 1011, 3000, 4999])
async def test_bare_close_comes_without_a_word(code: int) -> None:
    """With the switches the socket just closes, in the way asked for."""
    switches = Switches(ended_message=False, close_code=code)
    async with session(Tone(duration_s=0.04, end_after=True), switches) as (client, record):
        messages, seen = await drain(client)
    assert not any(isinstance(message, SessionEnded) for message in messages)
    assert (seen, record.close_code) == (code, code)


@pytest.mark.parametrize(
    ("manner", "code"), [("close", 1011), ("drop", 1006), ("reset", 1006), ("junk", 1002), ("bad_utf8", 1007)]
)
async def test_rude_end_reaches_the_client(manner: Manner, code: int) -> None:
    """What a strict client makes of each: our close code, none, or its own verdict on the bytes."""
    async with session(Rude(manner, after_s=0.0, tone_s=0.1)) as (client, record):
        closed = await ending(client, [])
    frame = closed.sent if manner in {"junk", "bad_utf8"} else closed.rcvd
    assert (frame.code if frame else 1006) == code
    assert record.over.is_set()


async def test_client_that_never_answers_a_bare_close_is_left_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The close without a code is waited for, but not for ever."""
    monkeypatch.setattr("gateway.sandbox.session._ANSWER_S", 0.05)
    switches = Switches(close_code=1005)
    async with session(Tone(duration_s=0.02, end_after=True), switches) as (client, record):
        client.transport.pause_reading()
        await record.over.wait()
        client.transport.resume_reading()
    assert record.close_code == 1005


async def test_never_ending_agent_waits_for_the_client() -> None:
    """With the switch the agent's own end does nothing: the client closes."""
    async with session(Tone(duration_s=0.02, end_after=True), Switches(never_end=True)) as (client, record):
        await client.recv()
        await client.recv()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 0.1)
        await client.close(4001)
    assert record.close_code == 4001


async def test_oddities_come_right_after_the_start() -> None:
    """With the switches an unknown type and a binary frame follow ``session_started``."""
    async with session(Silent(), Switches(unknown_types=True, binary_frame=True)) as (client, _):
        assert isinstance(parse(await client.recv()), SessionStarted)
        assert parse(await client.recv()) == Unknown("session_weather")
        assert isinstance(await client.recv(), bytes)


@pytest.mark.parametrize(
    ("empty", "text"),
    [
        ("null", '{"type":"session_ended","data":null}'),
        ("object", '{"type":"session_ended","data":{}}'),
        ("absent", '{"type":"session_ended"}'),
    ],
)
async def test_empty_payloads_are_written_as_switched(empty: str, text: str) -> None:
    """The three ways to say nothing reach the wire."""
    switches = Switches(empty=empty)  # type: ignore[arg-type]
    async with session(Tone(duration_s=0.02, end_after=True), switches) as (client, _):
        texts = [data async for data in client]
    assert texts[-1] == text


async def test_old_dialect_has_snake_case_tools_and_no_is_final() -> None:
    """With the switches a tool call and audio look as older servers wrote them."""
    switches = Switches(snake_case_tools=True, omit_is_final=True)
    async with session(ToolUser(call_after_s=0.0, wait_s=0.05), switches) as (client, _):
        texts = [str(data) async for data in client]
    (call,) = [text for text in texts if '"tool_call"' in text]
    assert '"tool_call_id":"call-1"' in call
    assert '"tool_name":"look_up"' in call
    assert not any("is_final" in text for text in texts)


async def test_tool_output_ends_the_wait_and_is_on_record() -> None:
    """The answer is spoken, the session ends, and the record tells what was answered."""
    async with session(ToolUser(call_after_s=0.0)) as (client, record):
        await client.recv()
        call = parse(await client.recv())
        assert isinstance(call, ToolCall)
        await client.send(dump_tool_output(call.id, "42"))
        messages, code = await drain(client)
    assert isinstance(messages[-1], SessionEnded)
    assert code == 1000
    assert (record.tool_calls, record.tool_outputs) == (["call-1"], [("call-1", "42")])


async def test_tool_call_can_come_twice() -> None:
    """With the switch the same call is on the wire two times."""
    async with session(ToolUser(call_after_s=0.0), Switches(duplicate_tool_calls=True)) as (client, _):
        await client.recv()
        assert await client.recv() == await client.recv()


async def test_late_start_leaves_the_client_waiting() -> None:
    """Audio sent before ``session_started`` is taken in; the start comes after its delay."""
    async with session(Silent(), Switches(started_delay_s=0.1)) as (client, record):
        began = asyncio.get_running_loop().time()
        await client.send(dump_input_audio(FRAME))
        assert isinstance(parse(await client.recv()), SessionStarted)
        assert asyncio.get_running_loop().time() - began > 0.05
    assert record.audio_frames == 1


async def test_client_that_leaves_during_a_late_start_leaves_nothing_behind() -> None:
    """The delay ends with the connection."""
    async with session(Silent(), Switches(started_delay_s=60.0)) as (client, record):
        await client.close()
    assert record.over.is_set()
    assert record.sent_messages == 0


@pytest.mark.parametrize(
    "bad",
    [
        '{"type":"input_audio"',
        '{"type":"greeting","data":{}}',
        '{"type":"input_audio","data":{"audio":"?"}}',
        "[]",
    ],
)
async def test_unreadable_message_is_counted_and_the_session_goes_on(bad: str) -> None:
    """One bad message costs nothing but its count."""
    async with session(Echo()) as (client, record):
        await client.recv()
        await client.send(bad)
        await client.send(dump_input_audio(FRAME))
        assert isinstance(parse(await client.recv()), ResponseAudio)
    assert sum(record.bad_messages.values()) == 1


async def test_binary_message_is_counted() -> None:
    """The contract knows text only."""
    async with session(Echo()) as (client, record):
        await client.recv()
        await client.send(b"\x00\x01")
        await client.send(dump_input_audio(FRAME))
        await client.recv()
    assert record.bad_messages == {"binary": 1}


async def test_client_that_vanishes_ends_the_session() -> None:
    """A connection that breaks without a close frame is recorded as 1006 and cleaned up."""
    async with session(Echo()) as (client, record):
        await client.recv()
        client.transport.abort()
        await record.over.wait()
    assert record.close_code == 1006


async def test_client_that_does_not_read_is_cut_off() -> None:
    """Unsent audio is bounded: a stalled client loses its connection, not our memory."""
    async with session(Tone(duration_s=400.0), Switches(pace=0.0, chunk_ms=10_000)) as (client, record):
        client.transport.pause_reading()
        await record.over.wait()
        client.transport.resume_reading()
    assert record.close_code == 1006


async def test_agents_time_stops_with_the_session() -> None:
    """No timer of an agent fires after the client left."""
    async with session(Tone(duration_s=1.0), Switches(pace=1.0)) as (client, record):
        await client.recv()
        await client.close()
        await record.over.wait()
        sent = record.sent_messages
        await asyncio.sleep(0.15)
        assert record.sent_messages == sent


async def test_uvloop_carries_sessions_and_resets_too() -> None:
    """Its transports are no subclass of asyncio's and its sockets are stand-ins: both ends still work."""
    uvloop = pytest.importorskip("uvloop")

    async def both() -> tuple[str, int]:
        async with session(Echo()) as (client, _):
            await client.recv()
            await client.send(dump_input_audio(FRAME))
            echoed = str(await client.recv())
        async with session(Rude("reset", after_s=0.0)) as (client, _):
            closed = await ending(client, [])
        return echoed, closed.rcvd.code if closed.rcvd else 1006

    def run() -> tuple[str, int]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(both())

    echoed, code = await asyncio.to_thread(run)
    assert parse(echoed) == ResponseAudio("echo", FRAME, False)
    assert code == 1006


async def test_session_leaves_in_the_middle_when_switched() -> None:
    """After its time the socket closes with the code asked for, announced or not, whatever is being said."""
    for announced in (True, False):
        switches = Switches(leave_after_s=0.1, close_code=1012, ended_message=announced, pace=1.0)
        async with session(Tone(duration_s=5.0), switches) as (client, record):
            messages, code = await drain(client)
        assert code == 1012
        assert isinstance(messages[-1], SessionEnded) is announced
        assert record.close_code == 1012


async def test_stalled_session_reads_later_what_came_meanwhile() -> None:
    """For a while nothing is read; then all of it, in order, and the client notices by the echo alone."""
    async with session(Echo(), Switches(stall_after_s=0.05, stall_s=0.4)) as (client, record):
        await client.recv()
        await asyncio.sleep(0.1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(20):
            await client.send(dump_input_audio(FRAME))
        await asyncio.sleep(0.1)
        assert record.audio_frames == 0
        for _ in range(20):
            await client.recv()
        assert 0.2 < loop.time() - began < 2.0
        assert record.audio_frames == 20


async def test_switches_can_change_while_the_session_goes_on() -> None:
    """How empty messages are written, and how it ends, is decided when it happens."""
    sandbox = Sandbox(api_key="key")
    agent_id = sandbox.add("subject", Silent())
    await sandbox.start()
    async with (
        ClientSession(headers={"Authorization": "Bearer key"}) as http,
        http.post(f"{sandbox.url}/v1/session-token", json={"agent_id": agent_id}) as answer,
    ):
        token = (await answer.json())["token"]
        url = sandbox.url.replace("http", "ws") + f"/v1/connection?token={token}"
        async with connect(url, compression=None) as client:
            await client.recv()
            [live] = sandbox._sessions.live
            live.switches = Switches(empty="object", close_code=4_001)
            live.end()
            assert await client.recv() == '{"type":"session_ended","data":{}}'
            _, code = await drain(client)
            assert code == 4_001
    await sandbox.stop()
