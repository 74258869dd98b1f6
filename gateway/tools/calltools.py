"""One call's tools: every question has one answer, in time; what succeeded once is not done twice."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.errors import ToolError
from gateway.telemetry.log import get_logger
from gateway.telemetry.metrics import TOOL_LATE_RESULTS, TOOL_RUNS, TOOL_SECONDS
from gateway.tools import builtin, request
from gateway.tools.catalog import Builtin, Webhook
from gateway.tools.controls import CallControls
from gateway.tools.failure import failed
from gateway.tools.generation import Generation
from gateway.tools.masking import MASK, Mask
from gateway.tools.question import ComfortPlan, Question, ToolOutcome
from gateway.tools.runner import Run, timed_out
from gateway.tools.running import Running

log = get_logger(__name__)

_UNKNOWN = "(unknown)"
_NOTHING = Mask.of(())
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


class CallTools:
    """Lives from a call's first stream to the call's end. Made by the toolbox.

    Args:
        generation: the catalogue that the call began with.
        spawn: starts runs that may outlive the call.
        on_left: called when the call is over.

    Attributes:
        on_run: told of every run of an endpoint that has ended.
    """

    def __init__(self, generation: Generation, spawn: Spawn, on_left: Callable[[], None]) -> None:
        generation.hold()
        self._generation = generation
        self._spawn = spawn
        self._on_left = on_left
        self._places = asyncio.Semaphore(generation.catalog.parallel)
        self._places_behind = asyncio.Semaphore(generation.catalog.parallel)  # of what nobody waits for
        self._kept: dict[tuple[str, str], Running] = {}  # of idempotent tools: those that go on or went well
        self.on_run: Callable[[Run], None] = lambda run: None

    def leave(self) -> None:
        """Say that the call is over: no stream of it follows."""
        self._on_left()

    def close(self) -> None:
        """Let go of the catalogue."""
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
        result = "call_ended"
        try:
            outcome = await self._outcome(asked, controls, began_at)
            result = outcome.failure or "ok"
        finally:
            TOOL_RUNS.labels(asked.label, result).inc()
            TOOL_SECONDS.labels(asked.label).observe(_now() - began_at)
        mask = asked.tool.mask if asked.tool is not None else _NOTHING
        secrets_met = self._generation.catalog.secrets
        return replace(outcome, kept=mask.kept(outcome.output, asked.question.arguments, secrets_met))

    async def _outcome(self, asked: Asked, controls: CallControls, began_at: float) -> ToolOutcome:
        try:
            return await self._answer(asked, controls, began_at)
        except ToolError as error:
            return failed(asked.tool, asked.question, error, self._today())

    async def _answer(self, asked: Asked, controls: CallControls, began_at: float) -> ToolOutcome:
        tool = asked.tool
        if tool is None:
            raise ToolError(f"There is no tool called {asked.question.tool}.", reason="unknown_tool")
        question = checked(tool, asked.question)
        if isinstance(tool, Builtin):
            await asyncio.sleep(0)  # it acts on the call, which may be in the midst of handling the question
            return ToolOutcome(await builtin.run(tool, question, controls))
        running, replayed = self._run_of(tool, question, began_at)
        if running.in_background:
            return ToolOutcome(tool.spec.accepted, replayed=replayed)
        in_time = True
        if running.outlives:
            in_time = await running.wait(began_at + tool.spec.deadline_s + _GRACE_S)
        else:
            await self._finish(running)
        run = running.run
        error = run.error if in_time else timed_out(tool, question.tool)
        outcome = ToolOutcome(run.output) if error is None else failed(tool, question, error, self._today())
        return replace(outcome, attempts=run.attempts, http_status=run.http_status, replayed=replayed)

    def _run_of(self, tool: Webhook, question: Question, began_at: float) -> tuple[Running, bool]:
        """Return the run that answers a question, and whether it is an earlier one."""
        run_id = secrets.token_hex(16)
        if tool.idempotency is None:
            return self._begin(Run(tool, question, run_id, run_id), began_at), False
        key = tool.idempotency.render(request.scope(question, self._today()))
        if question.tool != tool.spec.name:  # one entry takes several names: each is a tool of its own
            key = f"{question.tool}:{key}"
        kept = self._kept.get((tool.label, key))
        if kept is not None and not (kept.ended.is_set() and kept.run.error is not None):
            return kept, True
        running = self._kept[tool.label, key] = self._begin(Run(tool, question, key, run_id), began_at)
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return running, False

    def _begin(self, run: Run, began_at: float) -> Running:
        behind = run.webhook.spec.mode == "background"
        running = Running(run, began_at, self._places_behind if behind else self._places, late=behind)
        if running.outlives:
            self._generation.hold()
            self._spawn(self._carry_out(running))
        return running

    async def _carry_out(self, running: Running) -> None:
        run = running.run
        try:
            await self._finish(running)
            latency_s = _now() - running.began_at
            if running.late:
                _book_late(run, latency_s)
                if run.webhook.spec.callback_url is not None:
                    await self._generation.callbacks.tell(run, latency_s)
        finally:
            self._generation.release()

    async def _finish(self, running: Running) -> None:
        """Come to a result in any case, and let those who wait have it."""
        run = running.run
        try:
            if await running.take_place():
                await self._generation.runner.finish(run, running.deadline)
            else:
                run.error = ToolError("Too many tools run at once in this call.", reason="too_many")
        except asyncio.CancelledError:
            run.error = ToolError("The tool was cancelled.", reason="cancelled")
            raise
        except Exception as error:  # outermost frame: a bug of ours fails this run alone, and says so
            log.error("tool_broke", exc_info=error)
            run.error = ToolError("The tool broke in the gateway.", reason="internal_error")
        finally:
            running.give_place()
            running.ended.set()
            self.on_run(run)

    def _today(self) -> datetime:
        return self._generation.runner.today()


def _book_late(run: Run, latency_s: float) -> None:
    """Say what a run came to that nobody waited for: no agent will ask."""
    label = run.webhook.label
    TOOL_LATE_RESULTS.labels(label, run.reason or "ok").inc()
    log.info(
        "tool_ran_late",
        call_id=run.question.call.call_id,
        name=label,
        status="error" if run.reason else "ok",
        reason=run.reason,
        latency_ms=round(latency_s * 1000),
        attempts=run.attempts,
        http_status=run.http_status,
    )


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
