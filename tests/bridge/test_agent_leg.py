"""The agent's leg over a fake wire: one session, how it ends, and the one that replaces it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

import pytest

from gateway.bridge import events as on
from gateway.bridge.agent_leg import AgentLeg, AgentLine
from gateway.errors import AgentConnectError, VatelApiError
from gateway.vatel import messages as vatel
from tests.bridge.stage import Agent, Agents
from tests.virtual_time import on_virtual_time

FRAME = b"\x00\x01" * 480


class Call:
    """Stands where the call session stands: takes events and messages, holds the tasks."""

    def __init__(self, *script: Agent | Exception) -> None:
        self.agents = Agents(list(script))
        self.events: list[on.Event] = []
        self.said: list[vatel.ServerMessage] = []
        self.group = asyncio.TaskGroup()
        self.tasks: list[asyncio.Task[None]] = []
        self.now = asyncio.get_running_loop().time
        self.line = AgentLine(self.agents.dial, self, self.now, self.spawn)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start a task of the call."""
        self.tasks.append(self.group.create_task(work))
        return self.tasks[-1]

    def happened(self, event: on.Event) -> None:
        """Take an event."""
        self.events.append(event)

    def agent_said(self, message: vatel.ServerMessage) -> None:
        """Take a message."""
        self.said.append(message)


@asynccontextmanager
async def call_with(*script: Agent | Exception) -> AsyncIterator[Call]:
    """Run a call that has dialled its agent."""
    call = Call(*script)
    async with call.group:
        call.line.connect("", 0.0)
        await asyncio.sleep(0.01)
        yield call
        call.line.leave()


@on_virtual_time
async def test_session_runs_and_ends() -> None:
    """Connected, ready, its messages, and its end: each reported once, in order; the socket is closed."""
    agent = Agent().start()
    async with call_with(agent) as call:
        agent.say(vatel.SpeechStarted(), vatel.SessionEnded())
        await asyncio.sleep(0.1)

        assert call.events == [on.AgentConnected(), on.AgentReady(), on.AgentEnded()]
        assert call.said == [vatel.SessionStarted("s-1"), vatel.SpeechStarted()]
        assert agent.closed == [1000]


@on_virtual_time
async def test_any_message_makes_a_session_ready() -> None:
    """A session that never says ``session_started`` is ready with its first message."""
    agent = Agent()
    async with call_with(agent) as call:
        assert call.events == [on.AgentConnected()]
        agent.say(vatel.SpeechStarted())
        await asyncio.sleep(0.1)

        assert call.events[-1] == on.AgentReady()


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (1000, on.AgentEnded()),
        (1005, on.AgentEnded()),
        (1001, on.AgentLost("close_1001")),
        (1006, on.AgentLost("close_1006")),
        (1009, on.AgentLost("close_1009")),
        (1011, on.AgentLost("close_1011")),
        (4001, on.AgentLost("close_4001")),
    ],
)
def test_close_codes(code: int, event: on.Event) -> None:
    """A normal close is the agent's end, any other a loss that names its code."""

    @on_virtual_time
    async def play() -> None:
        agent = Agent().start()
        async with call_with(agent) as call:
            agent.drop(code)
            await asyncio.sleep(0.1)
            assert call.events[-1] == event

    play()


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (VatelApiError("x", reason="unauthorized", status=401), on.AgentFailed("unauthorized", False)),
        (VatelApiError("x", reason="not_found", status=404), on.AgentFailed("not_found", False)),
        (VatelApiError("x", reason="server_error", status=503), on.AgentFailed("server_error", True)),
        (VatelApiError("x", reason="rate_limited", status=429), on.AgentFailed("rate_limited", True)),
        (AgentConnectError("x", reason="timeout"), on.AgentFailed("timeout", True)),
        (AgentConnectError("x", reason="tls"), on.AgentFailed("tls", False)),
    ],
)
def test_failed_attempts(error: VatelApiError | AgentConnectError, event: on.Event) -> None:
    """A failed attempt says why, and whether another one may help."""

    @on_virtual_time
    async def play() -> None:
        async with call_with(error) as call:
            [failed] = call.events
            assert isinstance(failed, on.AgentFailed)
            assert replace(failed, after_s=0.0) == event
            assert 0.2 <= failed.after_s <= 0.6

    play()


@on_virtual_time
async def test_attempt_waits_as_asked() -> None:
    """The wait before an attempt is kept."""
    call = Call(Agent().start())
    async with call.group:
        call.line.connect("so far", 1.5)
        await asyncio.sleep(1.4)
        assert call.agents.told == []
        await asyncio.sleep(0.2)
        assert call.agents.told == ["so far"]
        call.line.leave()


@on_virtual_time
async def test_junk_is_counted_and_goes_by() -> None:
    """Bad and unknown messages change nothing; fifty bad ones mean a peer that speaks something else."""
    agent = Agent().start()
    async with call_with(agent) as call:
        agent.say_raw('{"type":"response_audio","data":{"turn_id":"t","audio":"?!"}}')
        agent.say(vatel.Unknown("news"))
        agent.binary_frames = 2
        await asyncio.sleep(0.1)
        assert len(call.events) == 2
        for _ in range(49):
            agent.say_raw("not json")
        await asyncio.sleep(0.1)

        assert call.events[-1] == on.AgentLost("too_many_errors")
    counters = call.line.counters
    assert (counters.bad_messages, counters.ignored, counters.messages) == (52, 1, 52)


@on_virtual_time
async def test_junk_is_counted_by_its_reason() -> None:
    """The snapshot says of bad messages what was bad, over all sessions; binary frames are among them."""
    agent = Agent().start()
    agent.binary_frames = 3
    async with call_with(agent) as call:
        agent.say_raw("not json")
        agent.say_raw('{"type":7}')
        agent.say_raw("not json")
        await asyncio.sleep(0.1)
    call.line.leave()
    counted = call.line.snapshot()

    assert (counted["sessions"], counted["bad_messages"]) == (1, 6)
    assert counted["bad_messages.bad_json"] == 2
    assert counted["bad_messages.wrong_type"] == 1
    assert counted["bad_messages.binary"] == 3


@on_virtual_time
async def test_caller_audio_before_the_session_is_early() -> None:
    """Frames before the socket is open are counted as early, later ones sent."""
    agent = Agent().start()
    call = Call(agent)
    call.line.send_audio(FRAME)
    async with call.group:
        call.line.connect("", 0.0)
        call.line.send_audio(FRAME)
        await asyncio.sleep(0.01)
        call.line.send_audio(FRAME)
        call.line.send_audio(b"")
        call.line.leave()
        call.line.send_audio(FRAME)

    assert bytes(agent.audio) == FRAME
    assert call.line.counters.unsent_frames == 3


@on_virtual_time
async def test_stalled_agent_loses_frames_then_the_session() -> None:
    """A full socket drops frames and counts them; after 5 s of that the session is lost, once."""
    agent = Agent().start()
    async with call_with(agent) as call:
        agent.stalled = True
        for _ in range(240):
            call.line.send_audio(FRAME)
            await asyncio.sleep(0.02)
        assert len(call.events) == 2
        for _ in range(20):
            call.line.send_audio(FRAME)
            await asyncio.sleep(0.02)

        assert [e for e in call.events if isinstance(e, on.AgentLost)] == [on.AgentLost("stalled")]
    assert call.line.counters.dropped_frames == pytest.approx(251, abs=1)


@on_virtual_time
async def test_agent_that_reads_again_is_kept() -> None:
    """A stall that passes costs its frames and nothing else."""
    agent = Agent().start()
    async with call_with(agent) as call:
        for stalled in (True, False, True):
            agent.stalled = stalled
            for _ in range(150):
                call.line.send_audio(FRAME)
                await asyncio.sleep(0.02)

        assert call.events == [on.AgentConnected(), on.AgentReady()]
    assert call.line.counters.dropped_frames == 300


@on_virtual_time
async def test_each_tool_call_is_answered_once() -> None:
    """Only a question this session asked is answered, and only once, even by a stalled socket."""
    agent = Agent().start()
    async with call_with(agent) as call:
        leg = call.line.leg
        assert leg is not None
        assert not leg.answer("t-1", "ok")
        agent.say(vatel.ToolCall("t-1", "book", ()))
        agent.stalled = True
        await asyncio.sleep(0.1)

        assert leg.answer("t-1", "ok")
        assert not leg.answer("t-1", "again")
    assert [answer.output for answer in agent.answers] == ["ok"]
    assert call.line.leg is None
    assert not leg.answer("t-1", "late")


@on_virtual_time
async def test_answer_before_the_socket_is_open() -> None:
    """Nothing is answered on a session that is not open yet."""
    leg = AgentLeg(Agents([]).dial, cast(Call, None), lambda: 0.0)

    assert not leg.open
    assert not leg.answer("t-1", "ok")


@on_virtual_time
async def test_leaving_while_dialling_cancels_it() -> None:
    """A session that is still being opened is given up; nothing more is heard of it."""
    async with call_with() as call:
        call.line.leave()
        await asyncio.sleep(1)

        assert call.events == []
        assert call.tasks[0].cancelled()


@on_virtual_time
async def test_replacement_takes_over() -> None:
    """A new connect leaves the old session and closes it; turn names are told apart from then on."""
    first, second = Agent().start(), Agent().start()
    async with call_with(first, second) as call:
        assert (call.line.turn("turn-1"), call.line.turn("")) == ("turn-1", "")
        call.line.connect("so far", 0.0)
        await asyncio.sleep(0.1)
        call.line.send_audio(FRAME)

        assert (call.line.turn("turn-1"), call.line.turn("")) == ("2/turn-1", "")
        assert (first.closed, bytes(second.audio)) == ([1000], FRAME)
    assert call.line.counters.sessions == 2


@on_virtual_time
async def test_failed_attempt_is_no_session() -> None:
    """An attempt that led nowhere does not change the names of turns."""
    agent = Agent().start()
    async with call_with(AgentConnectError("x", reason="timeout"), agent) as call:
        call.line.connect("", 0.0)
        await asyncio.sleep(0.1)

        assert call.line.turn("turn-1") == "turn-1"


@on_virtual_time
async def test_session_that_reports_its_end_is_not_cancelled() -> None:
    """Leaving from within the session's own report lets it close its socket in peace."""
    agent = Agent().start()
    call = Call(agent)

    def leave(event: on.Event) -> None:
        call.events.append(event)
        if isinstance(event, on.AgentEnded):
            call.line.leave()

    call.happened = leave  # type: ignore[method-assign]
    async with call.group:
        call.line.connect("", 0.0)
        agent.say(vatel.SessionEnded())
        await asyncio.sleep(0.1)

    assert agent.closed == [1000]
    assert not call.tasks[0].cancelled()
