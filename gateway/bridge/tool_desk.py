"""Where the agent's tool calls are handed in and their answers out: one answer each, whatever happens."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from gateway.bridge import events as on
from gateway.bridge.agent_leg import AgentLeg, AgentLine, Spawn
from gateway.bridge.comforter import Comforter
from gateway.bridge.scribe import Scribe
from gateway.eagerly import eagerly
from gateway.records import CallInfo, ToolAsked, ToolRun
from gateway.tools.controls import CallControls
from gateway.tools.question import ComfortPlan, Question, ToolOutcome
from gateway.vatel.arguments import argument_values
from gateway.vatel.messages import ToolCall

_UNANSWERED = ToolOutcome("", failure="call_ended")
_BOOKS_S = 0.02


class Asked(Protocol):
    """A question that was taken in, and how the caller's wait for its answer is to be."""

    @property
    def question(self) -> Question:
        """What was asked."""

    @property
    def kept_arguments(self) -> Mapping[str, object]:
        """The arguments as records may keep them: sensitive values masked."""

    @property
    def comfort(self) -> ComfortPlan:
        """What the caller hears meanwhile."""

    @property
    def label(self) -> str:
        """The tool's name in logs, which the agent cannot make up."""


A = TypeVar("A", bound=Asked)


class CallTools(Protocol[A]):
    """The tools of one call. Made before its session; the sessions of all its streams share them."""

    def ask(self, question: Question) -> A:
        """Take a question in; never raises."""

    async def run(self, asked: A, controls: CallControls) -> ToolOutcome:
        """Answer a question within the tool's own deadline; never raises, unless cancelled."""

    def leave(self) -> None:
        """Say that the call is over."""


@dataclass(slots=True)
class DeskCounters:
    """Plain counters of one call; read once, at its end."""

    tools: int = 0
    tools_failed: int = 0
    tools_undeliverable: int = 0


@dataclass(slots=True)
class _Open:
    """A question without a record of its end yet.

    Attributes:
        asker: the session that asked: it alone gets the answer. Ids are unique within a session, no further.
        at: when it was asked (seconds, monotonic).
        outcome: how it was answered, once it was.
        answered_at: when.
        delivered: whether the agent has the answer.
    """

    asked: Asked
    asker: AgentLeg | None
    at: float
    outcome: ToolOutcome = _UNANSWERED
    answered_at: float | None = None
    delivered: bool = False


class ToolDesk:
    """Lives as long as its call.

    Every question is booked under a number of its own, and leaves the books with the one record of its end.

    Args:
        call: the call that asks.
        tools: answers.
        controls: what the gateway's own tools may do to the call.
        line: knows the session that asks.
        scribe: who writes it down.
        comforter: is told how long the caller waits.
        spawn: starts a task in the call's group.
        happened: takes the events.
        now: the clock.
    """

    def __init__(
        self,
        call: CallInfo,
        tools: CallTools[Any],
        controls: CallControls,
        line: AgentLine,
        scribe: Scribe,
        comforter: Comforter,
        spawn: Spawn,
        happened: Callable[[on.Event], None],
        now: Callable[[], float],
    ) -> None:
        self._call = call
        self._tools = tools
        self._controls = controls
        self._line = line
        self._scribe = scribe
        self._comforter = comforter
        self._spawn = spawn
        self._happened = happened
        self._now = now
        self._open: dict[int, _Open] = {}
        self._starting = False
        self._answered: deque[int] = deque()  # in the books, to be closed there
        self.counters = DeskCounters()

    def start(self, call: ToolCall) -> None:
        """Begin to have a tool call answered."""
        number = self._book(call)
        self._comforter.asked(number, self._open[number].asked.comfort)
        # Mostly the request leaves in the step in which the question came.
        self._starting = True
        running = eagerly(self._run(number))
        self._starting = False
        self._spawn(_held(running)).add_done_callback(lambda _: running.cancel())

    def refuse(self, call: ToolCall) -> None:
        """Book a tool call that nobody waits for any more: it is not run."""
        self._close(self._book(call))

    def answer(self, number: int) -> None:
        """Give the agent its answer, or book it as undeliverable."""
        self._comforter.answered(number)
        question = self._open[number]
        asker, tool_call_id = question.asker, question.asked.question.tool_call_id
        question.delivered = asker is not None and asker.answer(tool_call_id, question.outcome.output)
        self._answered.append(number)
        if len(self._answered) == 1:
            self._spawn(self._keep_books())

    def leave(self) -> None:
        """Book what is still open: the stream is over."""
        self._answered.clear()
        for number in list(self._open):
            self._close(number)

    def _book(self, call: ToolCall) -> int:
        self.counters.tools += 1
        number = self.counters.tools
        question = Question(call.id, call.name, argument_values(call.arguments), self._call)
        asked = self._tools.ask(question)
        self._open[number] = _Open(asked, self._line.leg, self._now())
        self._scribe.tool_asked(ToolAsked(call.id, call.name, asked.kept_arguments))
        return number

    async def _run(self, number: int) -> None:
        question = self._open[number]
        question.outcome = await self._tools.run(question.asked, self._controls)
        if self._starting:
            await asyncio.sleep(0)  # nothing was waited for, and one event is handled after the other
        question.answered_at = self._now()
        self._happened(on.ToolAnswered(number))

    async def _keep_books(self) -> None:
        """Book answers a moment later: of those that come together none waits for the books of another."""
        await asyncio.sleep(_BOOKS_S)
        while self._answered:
            self._close(self._answered.popleft())
            await asyncio.sleep(0)

    def _close(self, number: int) -> None:
        question = self._open.pop(number)
        outcome, asked = question.outcome, question.asked
        answered_at = self._now() if question.answered_at is None else question.answered_at
        self.counters.tools_failed += bool(outcome.failure) and question.answered_at is not None
        self.counters.tools_undeliverable += not question.delivered
        status: Literal["ok", "error"] = "error" if outcome.failure else "ok"
        run = ToolRun(
            asked.question.tool_call_id,
            asked.question.tool,
            status if question.delivered else "undeliverable",
            round((answered_at - question.at) * 1000),
            outcome.kept,
            outcome.failure,
            arguments=asked.kept_arguments,
            attempts=outcome.attempts,
            http_status=outcome.http_status,
            output_bytes=len(outcome.output.encode()),
            replayed=outcome.replayed,
        )
        self._scribe.tool_ran(run, asked.label)


async def _held(running: asyncio.Task[None]) -> None:
    """Have the call's group hold a task it did not start: it ends with the call, and tells of its bug."""
    await running
