"""One call's tools: every question has one answer, in time; what succeeded once is not done twice."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace

from gateway.errors import ToolError
from gateway.telemetry.log import get_logger
from gateway.telemetry.metrics import TOOL_RUNS, TOOL_SECONDS
from gateway.tools import builtin, request
from gateway.tools.catalog import Builtin, Webhook
from gateway.tools.controls import CallControls
from gateway.tools.failure import failed
from gateway.tools.generation import Generation
from gateway.tools.masking import MASK
from gateway.tools.question import ComfortPlan, Question, ToolOutcome
from gateway.tools.runner import Run, timed_out

log = get_logger(__name__)

_UNKNOWN = "(unknown)"
_MOST_KEPT = 1_000
_GRACE_S = 0.05  # a run ends itself at its deadline; whoever waits leaves it that long

Spawn = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]
"""Start a task that may outlive the call."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that has found its tool.

    Attributes:
        tool: None when no entry takes it.
        kept_arguments: as records may keep them: sensitive values masked.
    """

    question: Question
    tool: Webhook | Builtin | None
    kept_arguments: Mapping[str, object] = field(repr=False)

    @property
    def label(self) -> str:
        """The entry's name, for logs and metrics: the agent cannot make it up."""
        return self.tool.label if self.tool is not None else _UNKNOWN

    @property
    def comfort(self) -> ComfortPlan:
        """What the caller hears meanwhile."""
        return self.tool.comfort if self.tool is not None else ComfortPlan()


@dataclass(slots=True)
class _Running:
    """A run that goes on, or has ended.

    Attributes:
        began_at: seconds of the loop's clock.
        ended: its result stands in the run.
        late: the agent that asked cannot get the result any more.
    """

    run: Run
    began_at: float
    ended: bool = False
    late: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def outlives(self) -> bool:
        """True when somebody can still use the result once nobody waits for it."""
        spec = self.run.webhook.spec
        return spec.mode == "background" or spec.callback_url is not None or spec.idempotency is not None

    @property
    def deadline(self) -> float:
        """When it is given up."""
        spec = self.run.webhook.spec
        told_late = spec.mode == "background" or spec.callback_url is not None
        return self.began_at + (max(spec.deadline_s, spec.late_s) if told_late else spec.deadline_s)


class CallTools:
    """Lives from a call's first stream until a while after its last. Made by the toolbox.

    Args:
        generation: the catalogue that the call began with.
        spawn: starts runs.
        on_left: called when a stream of the call is done with it.

    Attributes:
        streams: of the call that use it now.
    """

    def __init__(self, generation: Generation, spawn: Spawn, on_left: Callable[[], None]) -> None:
        generation.hold()
        self._generation = generation
        self._spawn = spawn
        self._on_left = on_left
        self.streams = 0
        self._slots = asyncio.Semaphore(generation.catalog.parallel)
        self._kept: dict[tuple[str, str], _Running] = {}  # of idempotent tools: those that go on or went well

    def leave(self) -> None:
        """Say that a stream of the call is over; another one may follow."""
        self.streams -= 1
        self._on_left()

    def close(self) -> None:
        """Let go of the catalogue: the call is over."""
        self._generation.release()

    def ask(self, question: Question) -> Asked:
        """Find the tool that a question is for."""
        tool = self._generation.catalog.find(question.tool, question.call.agent_id)
        if tool is None:
            return Asked(question, None, dict.fromkeys(question.arguments, MASK))
        return Asked(question, tool, tool.mask.arguments(question.arguments))

    async def run(self, asked: Asked, controls: CallControls) -> ToolOutcome:
        """Answer a question, at the latest when its tool's deadline has passed."""
        began_at = _now()
        try:
            outcome = await self._answer(asked, controls, began_at)
        except ToolError as error:
            outcome = failed(asked.tool, asked.question, error, self._generation.runner.today())
        TOOL_RUNS.labels(asked.label, outcome.failure or "ok").inc()
        TOOL_SECONDS.labels(asked.label).observe(_now() - began_at)
        if asked.tool is None:
            return replace(outcome, kept=outcome.output)
        return replace(outcome, kept=asked.tool.mask.text(outcome.output, asked.question.arguments))

    async def _answer(self, asked: Asked, controls: CallControls, began_at: float) -> ToolOutcome:
        tool = asked.tool
        if tool is None:
            raise ToolError(f"There is no tool called {asked.question.tool}.", reason="unknown_tool")
        question = checked(tool, asked.question)
        if isinstance(tool, Builtin):
            return ToolOutcome(await builtin.run(tool, question, controls))
        running, replayed = self._run_of(tool, question, began_at)
        if tool.spec.mode == "background":
            running.late = True
            return ToolOutcome(tool.spec.accepted, replayed=replayed)
        await self._wait(running, began_at + tool.spec.deadline_s + _GRACE_S)
        run = running.run
        error = run.error if running.ended else timed_out(tool, question.tool)
        today = self._generation.runner.today()
        outcome = ToolOutcome(run.output) if error is None else failed(tool, question, error, today)
        return replace(outcome, attempts=run.attempts, http_status=run.http_status, replayed=replayed)

    def _run_of(self, tool: Webhook, question: Question, began_at: float) -> tuple[_Running, bool]:
        """Return the run that answers a question, and whether it is an earlier one."""
        run_id = secrets.token_hex(16)
        if tool.idempotency is None:
            return self._begin(Run(tool, question, run_id, run_id), began_at), False
        key = tool.idempotency.render(request.scope(question, self._generation.runner.today()))
        kept = self._kept.get((tool.label, key))
        if kept is not None and not (kept.ended and kept.run.error is not None):
            return kept, True
        running = self._kept[tool.label, key] = self._begin(Run(tool, question, key, run_id), began_at)
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return running, False

    def _begin(self, run: Run, began_at: float) -> _Running:
        running = _Running(run, began_at)
        self._generation.hold()
        running.task = self._spawn(self._carry_out(running))
        return running

    async def _carry_out(self, running: _Running) -> None:
        run = running.run
        try:
            await self._finish(run, running.deadline)
            running.ended = True
            if running.late and run.webhook.spec.callback_url is not None:
                await self._generation.callbacks.tell(run, _now() - running.began_at)
        except Exception as error:  # outermost frame: a bug of ours fails this run alone, and says so
            log.error("tool_broke", exc_info=error)
            run.error = ToolError("The tool broke in the gateway.", reason="internal_error")
            running.ended = True
        finally:
            self._generation.release()

    async def _finish(self, run: Run, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            run.error = ToolError("Too many tools run at once in this call.", reason="too_many")
            return
        try:
            await self._generation.runner.finish(run, deadline)
        finally:
            self._slots.release()

    async def _wait(self, running: _Running, until: float) -> None:
        """Wait for a run's result; one that nobody can use later is cancelled when the waiting ends."""
        assert running.task is not None
        try:
            if not running.ended:
                await asyncio.wait({running.task}, timeout=max(0.0, until - _now()))
        finally:
            if not running.ended:
                running.late = True
                if not running.outlives:
                    running.task.cancel()


def checked(tool: Webhook | Builtin, question: Question) -> Question:
    """Return the question with its arguments as the tool's schema wants them.

    Raises:
        ToolError: an argument does not fit; the message tells the agent which, and what is wanted.
    """
    if tool.schema is None:
        return question
    arguments, faults = tool.schema.check(question.arguments)
    if faults:
        raise ToolError(" ".join(faults), reason="bad_arguments")
    return replace(question, arguments=arguments)


def _now() -> float:
    return asyncio.get_running_loop().time()
