"""Tool calls over the desk: one run each at most, one answer, one record of the end, whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from gateway.audio import clips
from gateway.bridge import events as on
from gateway.bridge.agent_leg import AgentLine
from gateway.bridge.comforter import Comforter
from gateway.bridge.controls import Controls
from gateway.bridge.machine import CallMachine
from gateway.bridge.scribe import Scribe
from gateway.bridge.tool_desk import ToolDesk
from gateway.errors import ToolError
from gateway.journal import Journal
from gateway.records import Ending, Reason, Result, ToolAsked, ToolRun
from gateway.tools.controls import CallControls
from gateway.tools.question import ComfortPlan, ToolOutcome
from gateway.vatel import messages as vatel
from gateway.vatel.messages import ServerMessage, ToolCall, ToolCallOutput
from tests.bridge.stage import CALL, FINE, Agent, Stage, Tools
from tests.virtual_time import on_virtual_time

BOOK = ToolCall("t-1", "book", ())
UNANSWERED = ToolRun("t-1", "book", "undeliverable", 500, "", "call_ended")


class Office:
    """A desk with a real line to a fake agent."""

    def __init__(self, tools: Tools) -> None:
        loop = asyncio.get_running_loop()
        stage = Stage()
        self.agent = Agent().start()
        self.written: list[object] = []
        self.tools = tools
        self._group = asyncio.TaskGroup()
        self.line = AgentLine(self._dial, self, loop.time, self._spawn)
        self.comforter = Comforter(stage.leg, loop.time)
        self.phone = stage.phone
        journal = Journal()
        self._watch = journal.watch()
        self._watcher = self._watch.__enter__()
        self.controls = Controls(
            *(CALL, CallMachine(), stage.leg, self.comforter, stage.carrier.transfer),
            *(self._spawn, self.happened, lambda: None, loop.time),
        )
        scribe = Scribe(CALL, journal, loop.time)
        self.desk = ToolDesk(
            *(CALL, tools, self.controls, self.line, scribe),
            *(self.comforter, self._spawn, self.happened, loop.time),
        )

    async def _dial(self, so_far: str) -> Agent:
        return self.agent

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)

    def happened(self, event: on.Event) -> None:
        """Do what the machine does with an answer."""
        if isinstance(event, on.ToolAnswered):
            self.desk.answer(event.number)

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
    """A tool's output goes back under its id; the record keeps how it went, and nothing that is masked."""
    outcome = ToolOutcome("fine, 4711 ✓", "fine, *** ✓", attempts=2, http_status=200, replayed=True)
    pin = vatel.Argument("pin", data_type="number", value="4711")
    size = vatel.Argument("size", data_type="number", value="2")
    async with Office(Tools(outcome, wait_s=0.25)) as office:
        office.agent.say(ToolCall("t-1", "book", (pin, size)))
        await asyncio.sleep(1)

        assert [(answer.id, answer.output) for answer in office.agent.answers] == [("t-1", "fine, 4711 ✓")]
        [run] = office.runs()
    kept = {"pin": "***", "size": 2}
    assert office.written[0] == ToolAsked("t-1", "book", kept)
    assert run == ToolRun(
        *("t-1", "book", "ok", 250, "fine, *** ✓"),
        arguments=kept,
        attempts=2,
        http_status=200,
        output_bytes=len("fine, 4711 ✓") + 2,
        replayed=True,
    )
    [question] = office.tools.asked
    assert (question.tool_call_id, question.tool, question.call) == ("t-1", "book", CALL)
    assert question.arguments == {"pin": 4711, "size": 2}
    assert (office.desk.counters.tools, office.desk.counters.tools_failed) == (1, 0)


@on_virtual_time
async def test_failure_is_an_answer() -> None:
    """A failed tool is answered with its error and booked as one, with its slug."""
    async with Office(Tools(ToolOutcome('{"error":"x"}', failure="timeout"))) as office:
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
        async with Office(Tools(ToolOutcome("x", failure=failure), wait_s=1.0)) as office:
            office.agent.say(BOOK)
            await asyncio.sleep(0.5)
            office.line.leave()
            await asyncio.sleep(1)

            assert office.agent.answers == []
            assert [(run.status, run.detail) for run in office.runs()] == [("undeliverable", failure)]
        assert office.desk.counters.tools_undeliverable == 1
        assert office.desk.counters.tools_failed == bool(failure)

    play()


@on_virtual_time
async def test_call_that_ends_leaves_no_question_open() -> None:
    """What has not been answered when the call ends has its record then, and only one; the tools are told."""
    async with Office(Tools(wait_s=1.0)) as office:
        office.agent.say(BOOK, ToolCall("t-2", "cancel", ()))
        await asyncio.sleep(0.5)
        office.desk.leave()
        office.desk.leave()

        assert office.runs()[0] == UNANSWERED
        assert [run.tool_call_id for run in office.runs()] == ["t-1", "t-2"]
        for task in list(office._group._tasks):
            task.cancel()
    assert len(office.runs()) == 2
    assert office.tools.left == 2
    counters = office.desk.counters
    assert (counters.tools, counters.tools_failed, counters.tools_undeliverable) == (2, 0, 2)


@on_virtual_time
async def test_question_that_comes_too_late_is_not_run() -> None:
    """A tool call that is refused is masked and booked like any other; nothing is asked of the tool."""
    async with Office(Tools()) as office:
        office.desk.refuse(ToolCall("t-1", "book", (vatel.Argument("pin", value="4711"),)))
        await asyncio.sleep(1)

        [run] = office.runs()
    assert office.written[0] == ToolAsked("t-1", "book", {"pin": "***"})
    assert (run.status, run.detail, run.latency_ms) == ("undeliverable", "call_ended", 0)
    assert run.arguments == {"pin": "***"}
    assert (len(office.tools.asked), office.tools.ran, office.agent.answers) == (1, [], [])


@on_virtual_time
async def test_comfort_lasts_from_question_to_answer() -> None:
    """The caller's wait is covered as the tool's plan has it."""
    tools = Tools(wait_s=3.0, comfort=ComfortPlan(hold_s=1.0))
    async with Office(tools) as office:
        office.agent.say(BOOK)
        for _ in range(200):
            await asyncio.sleep(0.01)
            office.comforter.tick(asyncio.get_running_loop().time())
        heard = office.phone.heard
    assert heard == clips.load("hold")[: len(heard)]
    assert len(heard) > 1_000


def test_outcome_keeps_its_secret() -> None:
    """What a tool answered is in no repr."""
    assert "4711" not in repr(ToolOutcome("pin 4711", "pin 4711"))


# --- the same in whole calls


def asked_and_ran(stage: Stage) -> tuple[list[str], list[str]]:
    """Return the ids of the questions and of the records of their ends, sorted."""
    asked = sorted(each.tool_call_id for each in stage.journaled if isinstance(each, ToolAsked))
    ran = sorted(each.tool_call_id for each in stage.journaled if isinstance(each, ToolRun))
    return asked, ran


def runs(stage: Stage) -> list[ToolRun]:
    """Return the records of the tools' ends."""
    return [each for each in stage.journaled if isinstance(each, ToolRun)]


@on_virtual_time
async def test_tool_is_asked_once_and_answered_once() -> None:
    """A tool call repeated by the platform runs once, also after its answer; exactly one output goes back."""
    async with Stage(tools=Tools(wait_s=0.5)).play() as stage:
        stage.agent.say(BOOK, BOOK)
        await stage.talk(1.0)
        stage.agent.say(BOOK)
        await stage.talk(1.0)

        assert [question.tool_call_id for question in stage.tools.ran] == ["t-1"]
        assert stage.agent.answers == [ToolCallOutput("t-1", '{"ok":true}')]
    assert asked_and_ran(stage) == (["t-1"], ["t-1"])
    assert (stage.tools.left, stage.tools.cancelled) == (1, 0)


@on_virtual_time
async def test_failed_tool_is_answered_too() -> None:
    """A tool that fails is answered with the error, and counted."""
    tools = Tools(ToolOutcome('{"error":"no answer"}', failure="timeout"))
    async with Stage(tools=tools).play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(0.1)

        assert stage.agent.answers == [ToolCallOutput("t-1", '{"error":"no answer"}')]
    assert (stage.end().counters["tools"], stage.end().counters["tools_failed"]) == (1, 1)


@on_virtual_time
async def test_interruption_cancels_no_tool() -> None:
    """A caller who cuts in while a tool runs has neither cancelled nor doubled it."""
    async with Stage(tools=Tools(wait_s=1.0)).play() as stage:
        stage.agent.speak("t1", 2_000)
        stage.agent.say(BOOK)
        await stage.talk(0.5)
        stage.agent.say(vatel.SpeechStarted(), vatel.Interruption(), vatel.SpeechStopped(), BOOK)
        await stage.talk(2.0)

        assert stage.agent.answers == [ToolCallOutput("t-1", FINE.output)]
    assert (len(stage.tools.ran), stage.tools.cancelled) == (1, 0)
    assert asked_and_ran(stage) == (["t-1"], ["t-1"])


@on_virtual_time
async def test_tool_called_before_the_session_says_it_started() -> None:
    """A session whose first message is a tool call is ready by that: it is run and answered."""
    agent = Agent()
    async with Stage([agent]).play() as stage:
        agent.say(BOOK, vatel.SessionStarted("s-1"))
        await stage.talk(0.5)

        assert agent.answers == [ToolCallOutput("t-1", FINE.output)]
    assert [run.status for run in runs(stage)] == ["ok"]


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
    [run] = runs(stage)
    assert (run.status, run.output) == ("undeliverable", FINE.kept)
    assert stage.end().counters["tools_undeliverable"] == 1


@on_virtual_time
async def test_answer_while_the_agent_is_being_replaced() -> None:
    """An answer that is there before the new session is open waits for nobody: it is undeliverable."""
    first = Agent().start()
    async with Stage([first], tools=Tools(wait_s=1.0)).play() as stage:
        first.say(BOOK)
        await stage.talk(0.5)
        first.drop()
        await stage.talk(1.0)

        assert [run.status for run in runs(stage)] == ["undeliverable"]


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
    assert [run.status for run in runs(stage)] == ["undeliverable", "ok"]


@on_virtual_time
async def test_questions_of_one_name_that_are_answered_the_other_way_round() -> None:
    """The new session's quick tool is answered to it while the old one's slow namesake still runs."""
    outcomes = iter([(3.0, "slow"), (0.5, "quick")])

    async def take_turns(controls: CallControls) -> ToolOutcome:
        wait_s, output = next(outcomes)
        await asyncio.sleep(wait_s)
        return ToolOutcome(output, output)

    first, second = Agent().start(), Agent().start()
    async with Stage([first, second], tools=Tools(deeds={"book": take_turns})).play() as stage:
        first.say(BOOK)
        await stage.talk(0.5)
        first.drop()
        await stage.talk(0.5)
        second.say(BOOK)
        await stage.talk(3.0)

        assert (first.answers, second.answers) == ([], [ToolCallOutput("t-1", "quick")])
    assert [(run.status, run.output) for run in runs(stage)] == [("ok", "quick"), ("undeliverable", "slow")]


@on_virtual_time
async def test_caller_hangs_up_during_a_tool_call() -> None:
    """A tool that still runs when the caller leaves is cancelled; nothing is sent to the closed session."""
    async with Stage(tools=Tools(wait_s=30)).play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(0.5)
        stage.phone.hang_up()

        assert await stage.ended() == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)
    assert (stage.tools.cancelled, stage.tools.left) == (1, 1)
    assert stage.agent.answers == []
    assert runs(stage) == [UNANSWERED]
    kinds = [type(each).__name__ for each in stage.journaled]
    assert kinds.index("ToolRun") < kinds.index("CallEnded")


async def hang_up(stage: Stage) -> None:
    """The caller leaves."""
    stage.phone.hang_up()


async def lose_the_line(stage: Stage) -> None:
    """The media stream breaks."""
    stage.phone.drop()


async def shut_down(stage: Stage) -> None:
    """The process insists on leaving."""
    stage.session.post(on.ShutdownDue())
    stage.session.post(on.ShutdownDue())


async def cancel(stage: Stage) -> None:
    """The process goes down at once."""
    assert stage.running is not None
    stage.running.cancel()


async def end_by_agent(stage: Stage) -> None:
    """The agent ends the call."""
    stage.agent.say(vatel.SessionEnded())


async def lose_the_agent(stage: Stage) -> None:
    """The agent is lost for good."""
    stage.agent.drop()


WAYS = [hang_up, lose_the_line, shut_down, cancel, end_by_agent, lose_the_agent]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("delay_s", [None, 0.0, 0.5, 1.0])
def test_each_question_has_one_end(way: Callable[[Stage], Awaitable[None]], delay_s: float | None) -> None:
    """However the call ends, and at whatever moment of a tool's run, there is one record of its end."""

    @on_virtual_time
    async def play() -> None:
        async with Stage(tools=Tools(wait_s=1.0)).play() as stage:
            await stage.talk(0.2)
            stage.agent.say(BOOK, ToolCall("t-2", "cancel", ()))
            if delay_s is not None:
                await asyncio.sleep(delay_s)
            await way(stage)
            stage.agent.say(ToolCall("t-3", "late", ()))
            await stage.talk(2.5)
        asked, ran = asked_and_ran(stage)
        assert asked == ran
        assert len(set(ran)) == len(ran)
        answered = [answer.id for answer in stage.agent.answers]
        assert sorted(run.tool_call_id for run in runs(stage) if run.status == "ok") == sorted(answered)
        assert stage.tools.left == 1
        assert stage.end().counters["tools"] == len(ran)

    play()


@on_virtual_time
async def test_question_of_an_agent_that_said_goodbye_is_booked() -> None:
    """A tool called with the session's last breath, before the agent is left, is not forgotten."""
    async with Stage(tools=Tools()).play() as stage:
        stage.agent.speak("t1", 1_000)
        await stage.talk(0.1)
        stage.session.post(on.OperatorEnded())
        stage.agent.say(BOOK)
        await stage.talk(3.0)
    asked, ran = asked_and_ran(stage)
    assert asked == ran


@on_virtual_time
async def test_tool_call_while_draining_is_booked_and_not_run() -> None:
    """A tool call in a call that is ending already has its record, as the one before it has."""
    async with Stage(tools=Tools()).play() as stage:
        stage.agent.speak("t1", 1_000)
        await stage.talk(0.1)
        stage.session.happened(on.OperatorEnded())
        stage.session.agent_said(BOOK)
        await stage.talk(3.0)

    assert stage.tools.ran == []
    assert [(run.status, run.detail) for run in runs(stage)] == [("undeliverable", "call_ended")]


@on_virtual_time
async def test_answer_that_arrives_with_the_end() -> None:
    """A tool that is done in the very moment in which the call ends keeps its result in the record."""

    async def end_and_answer(controls: CallControls) -> ToolOutcome:
        stage.session.happened(on.CallerLeft("hung_up"))
        return FINE

    async with Stage(tools=Tools(deeds={"book": end_and_answer})).play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(0.5)
    assert stage.agent.answers == []
    assert [(run.status, run.output, run.detail) for run in runs(stage)] == [("undeliverable", FINE.kept, "")]


@on_virtual_time
async def test_bug_in_a_tool_ends_this_call_alone() -> None:
    """A tool that raises, which it must not, ends its call alone; the question is recorded all the same."""
    async with Stage(tools=Tools(ZeroDivisionError("a bug"))).play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(0.1)
        assert await stage.ended() == Ending(Result.FAILED, Reason.INTERNAL_ERROR)
    assert asked_and_ran(stage) == (["t-1"], ["t-1"])
    assert stage.tools.left == 1


@on_virtual_time
async def test_tool_that_cannot_be_done_is_told_to_the_agent() -> None:
    """A deed that is refused is an answer like any other failure."""

    async def refuse(controls: CallControls) -> ToolOutcome:
        raise ToolError("No.", reason="refused")

    async with Stage(tools=Tools(deeds={"book": refuse})).play() as stage:
        stage.agent.say(BOOK)
        await stage.talk(0.2)
        assert stage.agent.answers == [ToolCallOutput("t-1", "No.")]
    assert [(run.status, run.detail) for run in runs(stage)] == [("error", "refused")]
