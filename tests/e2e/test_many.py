"""Many conversations at the same time: nothing lost in any of them, and nothing left of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest
from aiohttp import web

from gateway.audio import ulaw
from gateway.records import ToolRun
from gateway.sandbox.scripted import ToolUser
from gateway.sandbox.session import SessionRecord
from gateway.simulator.caller import WavCaller, sine
from gateway.simulator.microphone import cut
from gateway.simulator.options import CallOptions
from gateway.simulator.promises import Limits
from gateway.simulator.report import CallReport
from tests.e2e.running import DISTURBED_S, felt, run
from tests.e2e.town import Plan, StreamEnd, town

CALLS: Final = 20
LIMITS: Final = Limits(setup_ms=2_000, gaps=None, tail_lost_ms=0, ended_by="gateway")
SPEECH: Final = cut(ulaw.encode(sine(300.0, 4_000, -20.0)))
FRAME_BYTES: Final = 960  # 20 ms of PCM16 at 24 kHz


@dataclass(frozen=True, slots=True)
class Conversation:
    """One call as its three parties saw it."""

    report: CallReport
    ended: StreamEnd
    tools: list[ToolRun]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What became of all calls.

    Attributes:
        sessions: the agent's side; in no order.
        explained_ms: silence that this process's own standing still may have put into a call.
    """

    conversations: list[Conversation]
    sessions: list[SessionRecord]
    explained_ms: float
    asked: int
    live: int
    reserved: int
    live_sessions: int


class Answers:
    """A tool endpoint. Lives as long as its server."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with a number of its own."""
        await request.read()
        self.asked += 1
        return web.Response(text=str(self.asked))


@asynccontextmanager
async def tool_server(answers: Answers) -> AsyncIterator[str]:
    """Serve a tool endpoint; yield its URL."""
    app = web.Application()
    app.router.add_post("/tools", answers.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/tools"
    finally:
        await runner.cleanup()


async def converse(calls: int) -> Evidence:
    """Have so many conversations: the caller speaks, the agent asks a tool, says its answer, and ends."""
    answers = Answers()
    async with tool_server(answers) as url:
        plan = Plan(ToolUser(call_after_s=0.4), tools={"default": {"url": url}})
        async with town(plan) as place, felt() as pulse:
            caller = WavCaller(SPEECH, linger_s=10.0)
            async with asyncio.TaskGroup() as tasks:
                making = []
                for _ in range(calls):
                    options = CallOptions(max_seconds=20.0)
                    making.append(tasks.create_task(place.call(caller, options, LIMITS)))
                    await asyncio.sleep(0.02)
            reports = [call.result() for call in making]
            endings = [await place.chronicle.ended(report.call_sid) for report in reports]
            return Evidence(
                [
                    Conversation(report, ended, place.chronicle.of(report.call_sid, ToolRun))
                    for report, ended in zip(reports, endings, strict=True)
                ],
                list(place.sandbox.records),
                pulse.worst_late_s * 1_000 if pulse.worst_late_s >= DISTURBED_S else 0.0,
                answers.asked,
                place.gateway.registry.live,
                place.gateway.registry.reserved,
                place.sandbox.live_sessions,
            )


@pytest.fixture(scope="module")
def many() -> Evidence:
    """Twenty conversations; the run itself checks that no task, socket or file is left of them."""
    return run(converse(CALLS))


@pytest.mark.timeout(60)
def test_every_conversation_keeps_its_promises(many: Evidence) -> None:
    """Each caller hears the agent to its last sample, without a gap, and is hung up on by the gateway."""
    broken = [
        str(promise) for talk in many.conversations for promise in talk.report.promises if not promise.held
    ]
    gaps = [gap for talk in many.conversations for gap in talk.report.streams[0].gaps_ms]

    assert broken == []
    assert [gap for gap in gaps if gap > many.explained_ms] == []
    assert {str(talk.ended.ending) for talk in many.conversations} == {"completed/agent_ended"}


def test_every_tool_call_is_answered_once(many: Evidence) -> None:
    """The endpoint was asked once for each call, and each agent got one answer, its own."""
    answers = [output for session in many.sessions for _, output in session.tool_outputs]

    assert many.asked == CALLS
    assert [[run.status for run in talk.tools] for talk in many.conversations] == [["ok"]] * CALLS
    assert sorted(answers, key=int) == [str(number) for number in range(1, CALLS + 1)]


def test_every_frame_of_the_callers_reaches_its_agent(many: Evidence) -> None:
    """What was said while the agent listened is all there, but for the resampler's delay of 30 ms."""
    carried = sum(
        talk.ended.counters["caller_frames"] - talk.ended.counters["unsent_frames"]
        for talk in many.conversations
    )
    arrived = sum(session.audio_bytes for session in many.sessions) / FRAME_BYTES
    heard = [talk.ended.counters for talk in many.conversations]

    assert (
        sum(counted["dropped_frames"] + counted["pieces_dropped"] for counted in heard) <= CALLS
    )  # at the end
    assert sum(counted["caller_gaps"] for counted in heard) == 0
    assert 0 <= carried - arrived <= 4 * CALLS  # the delay, and the last frames, which nobody waits for


def test_nobody_is_left(many: Evidence) -> None:
    """After the calls no session is live at either end, and no place is held."""
    assert (many.live, many.reserved, many.live_sessions) == (0, 0, 0)
    assert {session.close_code for session in many.sessions} == {1000}
    assert len(many.sessions) == CALLS
