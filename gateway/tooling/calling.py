"""Calls a tool for a person to see: what is sent, what comes back, how long it took, what the agent gets."""

import asyncio
from collections.abc import Callable, Mapping

from gateway.tooling import sample, showing
from gateway.tools.calltools import Asked
from gateway.tools.catalog import Builtin, Catalog, Webhook
from gateway.tools.question import Question, ToolOutcome
from gateway.tools.runner import Run
from gateway.tools.toolbox import opened

Say = Callable[..., None]


class OnPaper:
    """A call that does nothing but say what would be done to it. Lives as long as the command."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def end(self) -> None:
        """Say so."""
        self._say("(the call would end when the agent has said goodbye)")

    async def transfer(self, number: str, ring_timeout_s: int) -> None:
        """Say so."""
        self._say(f"(the caller would be put through to {number}, ringing for at most {ring_timeout_s} s)")

    def press(self, digits: str) -> None:
        """Say so."""
        self._say(f"({len(digits)} keys would be heard as tones)")

    def hold(self, seconds: float) -> None:
        """Say so."""
        self._say(f"(the caller would hear the hold tone for at most {seconds:g} s)")

    def facts(self) -> dict[str, object]:
        """Return what a call would know of itself."""
        return {"duration_s": 0.0}


async def call(catalog: Catalog, name: str, arguments: Mapping[str, object], agent_id: str, say: Say) -> str:
    """Call a tool once, for real; return how it failed, or nothing."""
    question = Question("call-1", name, arguments, sample.call(agent_id))
    async with opened(catalog) as toolbox:
        tools = toolbox.enter(question.call)
        asked = tools.ask(question)
        shown = _Demonstration(catalog, asked, say)
        tools.on_run = shown.ended
        outcome = await tools.run(asked, OnPaper(say))
        shown.show_outcome(outcome)
        failure = await shown.show_late_result(outcome)
        tools.leave()
    return failure


class _Demonstration:
    """One tool called for a person to see. Lives as long as the command."""

    def __init__(self, catalog: Catalog, asked: Asked, say: Say) -> None:
        self._catalog = catalog
        self._asked = asked
        self._say = say
        self._run: Run | None = None
        self._ended = asyncio.Event()
        self._began_at = asyncio.get_running_loop().time()

    def ended(self, run: Run) -> None:
        """Take a run that has ended."""
        self._run = run
        self._ended.set()

    def show_outcome(self, outcome: ToolOutcome) -> None:
        """Say what was sent, what came back, and what the agent gets of it."""
        if _in_background(self._asked.tool) and not outcome.failure:
            self._say("the agent would get at once:", self._clean(outcome.kept))
            return
        self._show_exchange()
        status = f", HTTP {outcome.http_status}" if outcome.http_status else ""
        self._say(f"{outcome.failure or 'ok'} {self._after()}, requests: {outcome.attempts}{status}")
        self._say("", "the agent would get:", self._clean(outcome.kept))

    async def show_late_result(self, outcome: ToolOutcome) -> str:
        """Wait for a run that goes on when the agent has its answer; return how it failed, if it did."""
        tool = self._asked.tool
        if not isinstance(tool, Webhook) or not _goes_on(tool, outcome) or self._ended.is_set():
            return outcome.failure
        spec = tool.spec
        self._say("", f"it runs on for at most {max(spec.late_s, spec.deadline_s):g} s ...", "")
        await self._ended.wait()
        run = self._run
        assert run is not None
        self._show_exchange()
        self._say(f"{run.reason or 'ok'} {self._after()}, requests: {run.attempts}")
        where = "goes to the callback URL" if spec.callback_url is not None else "goes nowhere"
        result = str(run.error) if run.error is not None else run.output
        self._say("", f"the result, which {where}:", self._clean(result))
        return run.reason

    def _show_exchange(self) -> None:
        """Say which request was really sent, and what really came back, as far as it has ended."""
        run = self._run
        if run is None or run.sent is None:
            return
        tool, arguments = run.webhook, run.question.arguments
        self._say(*showing.request_lines(run.sent, self._catalog, tool, arguments), "")
        if run.got is not None:
            self._say("answered with", *showing.answer_lines(run.got, self._catalog, tool, arguments), "")

    def _after(self) -> str:
        return f"after {(asyncio.get_running_loop().time() - self._began_at) * 1000:.0f} ms"

    def _clean(self, text: str) -> str:
        tool = self._asked.tool
        if not isinstance(tool, Webhook):
            return showing.printable(text)
        clean = showing.Cleaner(self._catalog, tool, self._asked.question.arguments)
        return showing.printable(clean.text(text))


def _goes_on(tool: Webhook, outcome: ToolOutcome) -> bool:
    """Tell whether a run may still come to something when its question has been answered."""
    background = _in_background(tool) and not outcome.failure
    return background or (tool.spec.callback_url is not None and outcome.failure == "timeout")


def _in_background(tool: Webhook | Builtin | None) -> bool:
    return isinstance(tool, Webhook) and tool.spec.mode == "background"
