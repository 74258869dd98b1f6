"""Where the agent's tool calls are handed in and their answers out: one answer each, whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.bridge import events as on
from gateway.bridge.agent_leg import AgentLeg, AgentLine, Spawn
from gateway.bridge.scribe import Scribe
from gateway.records import CallInfo, ToolRun
from gateway.vatel.messages import ToolCall


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool came to.

    Attributes:
        output: the text the agent gets; a failure is told in it as JSON.
        failure: a short slug, or empty when the tool answered well.
    """

    output: str = field(repr=False)
    failure: str = ""


RunTool = Callable[[CallInfo, ToolCall], Awaitable[ToolOutcome]]
"""Answer a tool call within the router's own deadline; never raises."""


@dataclass(slots=True)
class DeskCounters:
    """Plain counters of one call; read once, at its end."""

    tools: int = 0
    tools_failed: int = 0
    tools_undeliverable: int = 0


class ToolDesk:
    """Lives as long as its call.

    Args:
        call: the call that asks.
        run_tool: the router.
        line: knows the session that asks: it alone gets the answer.
        scribe: who writes it down.
        spawn: starts a task in the call's group.
        happened: takes the events.
        now: the clock.
    """

    def __init__(
        self,
        call: CallInfo,
        run_tool: RunTool,
        line: AgentLine,
        scribe: Scribe,
        spawn: Spawn,
        happened: Callable[[on.Event], None],
        now: Callable[[], float],
    ) -> None:
        self._call = call
        self._run_tool = run_tool
        self._line = line
        self._scribe = scribe
        self._spawn = spawn
        self._happened = happened
        self._now = now
        self._answered: dict[str, tuple[AgentLeg | None, ToolRun]] = {}
        self.counters = DeskCounters()

    def start(self, call: ToolCall) -> None:
        """Begin to run a tool."""
        self.counters.tools += 1
        self._scribe.tool_asked(call)
        self._spawn(self._run(call, self._line.leg))

    async def _run(self, call: ToolCall, asker: AgentLeg | None) -> None:
        asked_at = self._now()
        try:
            outcome = await self._run_tool(self._call, call)
        except asyncio.CancelledError:
            latency_ms = round((self._now() - asked_at) * 1000)
            self.counters.tools_undeliverable += 1
            self._scribe.tool_ran(ToolRun(call.id, call.name, "undeliverable", latency_ms, "", "call_ended"))
            raise
        latency_ms = round((self._now() - asked_at) * 1000)
        status: Literal["ok", "error"] = "error" if outcome.failure else "ok"
        run = ToolRun(call.id, call.name, status, latency_ms, outcome.output, outcome.failure)
        self._answered[call.id] = (asker, run)
        self._happened(on.ToolAnswered(call.id, outcome.output))

    def answer(self, tool_call_id: str, output: str) -> None:
        """Give the agent its answer, or book it as undeliverable."""
        asker, run = self._answered.pop(tool_call_id)
        self.counters.tools_failed += run.status == "error"
        # Ids need only be unique within a session: one that took over may have used this one again.
        if asker is None or not asker.answer(tool_call_id, output):
            self.counters.tools_undeliverable += 1
            run = replace(run, status="undeliverable")
        self._scribe.tool_ran(run)
