"""Tool calls over the desk: one answer each, whatever happens."""

import asyncio
from collections.abc import Coroutine

import pytest

from gateway.bridge import events as on
from gateway.bridge.agent_leg import AgentLine
from gateway.bridge.scribe import Scribe
from gateway.bridge.tool_desk import ToolDesk, ToolOutcome
from gateway.journal import Journal
from gateway.records import ToolAsked, ToolRun
from gateway.vatel.messages import ServerMessage, ToolCall, ToolCallOutput
from tests.bridge.stage import CALL, Agent, Stage, Tools
from tests.virtual_time import on_virtual_time

BOOK = ToolCall("t-1", "book", ())


class Office:
    """A desk with a real line to a fake agent."""

    def __init__(self, tools: Tools) -> None:
        loop = asyncio.get_running_loop()
        self.agent = Agent().start()
        self.events: list[on.Event] = []
        self.written: list[object] = []
        self._group = asyncio.TaskGroup()
        self.line = AgentLine(self._dial, self, loop.time, self._spawn)
        journal = Journal()
        self._watch = journal.watch()
        self._watcher = self._watch.__enter__()
        scribe = Scribe(CALL, journal, loop.time)
        self.desk = ToolDesk(CALL, tools.run, self.line, scribe, self._spawn, self.happened, loop.time)

    async def _dial(self, so_far: str) -> Agent:
        return self.agent

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)

    def happened(self, event: on.Event) -> None:
        """Do what the machine does with an answer."""
        self.events.append(event)
        if isinstance(event, on.ToolAnswered):
            self.desk.answer(event.tool_call_id, event.output)

    def agent_said(self, message: ServerMessage) -> None:
        """Start the tools that the agent asks for."""
        if isinstance(message, ToolCall):
            self.desk.start(message)

    def runs(self) -> list[ToolRun]:
        """Return what became of the tools."""
        happenings = []
        while not self._watcher._queue.empty():
            happenings.append(self._watcher._queue.get_nowait()[1])
        self.written += happenings
        return [h for h in self.written if isinstance(h, ToolRun)]

    async def __aenter__(self) -> "Office":
        await self._group.__aenter__()
        self.line.connect("", 0.0)
        await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.line.leave()
        await self._group.__aexit__(None, None, None)
        self._watch.__exit__(None, None, None)


@on_virtual_time
async def test_answer_goes_to_who_asked() -> None:
    """A tool's output goes back under its id, with how long it took in the journal."""
    async with Office(Tools(ToolOutcome("fine"), wait_s=0.25)) as office:
        office.agent.say(BOOK)
        await asyncio.sleep(1)

        assert [(answer.id, answer.output) for answer in office.agent.answers] == [("t-1", "fine")]
        assert office.runs() == [ToolRun("t-1", "book", "ok", 250, "fine")]
        assert office.written[0] == ToolAsked("t-1", "book", {})
    assert (office.desk.counters.tools, office.desk.counters.tools_failed) == (1, 0)


@on_virtual_time
async def test_failure_is_an_answer() -> None:
    """A failed tool is answered with its error and booked as one, with its slug."""
    async with Office(Tools(ToolOutcome('{"error":"x"}', "timeout"))) as office:
        office.agent.say(BOOK)
        await asyncio.sleep(1)

        assert [answer.output for answer in office.agent.answers] == ['{"error":"x"}']
        (run,) = office.runs()
    assert (run.status, run.detail) == ("error", "timeout")
    assert office.desk.counters.tools_failed == 1


@on_virtual_time
async def test_tools_run_side_by_side() -> None:
    """Tools do not wait for each other; each answer finds its own question."""
    async with Office(Tools(wait_s=1.0)) as office:
        before = asyncio.get_running_loop().time()
        office.agent.say(BOOK, ToolCall("t-2", "cancel", ()))
        await asyncio.sleep(1.1)

        assert sorted(answer.id for answer in office.agent.answers) == ["t-1", "t-2"]
        assert asyncio.get_running_loop().time() - before < 1.2


@pytest.mark.parametrize("failure", ["", "timeout"])
def test_answer_without_a_session_is_undeliverable(failure: str) -> None:
    """An answer whose session is gone is booked as undeliverable, a failed one counted as failed too."""

    @on_virtual_time
    async def play() -> None:
        async with Office(Tools(ToolOutcome("x", failure), wait_s=1.0)) as office:
            office.agent.say(BOOK)
            await asyncio.sleep(0.5)
            office.line.leave()
            await asyncio.sleep(1)

            assert office.agent.answers == []
            assert [run.status for run in office.runs()] == ["undeliverable"]
        assert office.desk.counters.tools_undeliverable == 1
        assert office.desk.counters.tools_failed == bool(failure)

    play()


def test_outcome_keeps_its_secret() -> None:
    """What a tool answered is in no repr."""
    assert "4711" not in repr(ToolOutcome("pin 4711"))


@on_virtual_time
async def test_failed_tool_is_answered_too() -> None:
    """A tool that fails is answered with the error, and counted."""
    tools = Tools(ToolOutcome('{"error":"no answer"}', "timeout"))
    async with Stage(tools=tools).play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(0.1)

        assert stage.agent.answers == [ToolCallOutput("t-1", '{"error":"no answer"}')]
    assert (stage.end().counters["tools"], stage.end().counters["tools_failed"]) == (1, 1)


@on_virtual_time
async def test_answer_for_a_session_that_is_gone() -> None:
    """The answer to a lost session's question is not given to the session that took over."""
    second = Agent().start()
    first = Agent().start()
    async with Stage([first, second], tools=Tools(wait_s=2)).play() as stage:
        first.say(BOOK)
        await stage.talk(0.5)
        first.drop()
        await stage.talk(3.0)

        assert (first.answers, second.answers) == ([], [])
    (run,) = (e for e in stage.journaled if isinstance(e, ToolRun))
    assert run.status == "undeliverable"
    assert stage.end().counters["tools_undeliverable"] == 1


@on_virtual_time
async def test_two_sessions_that_give_their_questions_one_name() -> None:
    """The old session's answer does not pass for the new one's, though both named their questions alike."""
    first, second = Agent().start(), Agent().start()
    async with Stage([first, second], tools=Tools(wait_s=2)).play() as stage:
        first.say(BOOK)
        await stage.talk(0.5)
        first.drop()
        await stage.talk(0.5)
        second.say(BOOK)
        await stage.talk(1.5)
        assert second.answers == []
        await stage.talk(1.0)

        assert second.answers == [ToolCallOutput("t-1", '{"ok":true}')]
    assert [e.status for e in stage.journaled if isinstance(e, ToolRun)] == ["undeliverable", "ok"]
