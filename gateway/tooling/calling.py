"""Calls a tool for a person to see: what is sent, how long it took, what the agent would get."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.errors import ToolError
from gateway.tooling import sample, showing
from gateway.tools import request
from gateway.tools.calltools import Asked, checked
from gateway.tools.catalog import Catalog, Webhook
from gateway.tools.question import Question, ToolOutcome
from gateway.tools.toolbox import opened

Say = Callable[..., None]


class OnPaper:
    """A call that does nothing but say what would be done to it. Lives as long as the command."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def end(self) -> None:
        """Say so."""
        self._say("(the call would end when the agent has said goodbye)")

    async def heard_all(self, limit_s: float) -> None:
        """Wait for nothing."""

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


async def call(
    catalog: Catalog, name: str, arguments: Mapping[str, object], agent_id: str, say: Say
) -> ToolOutcome:
    """Call a tool once, for real."""
    question = Question("call-1", name, arguments, sample.call(agent_id))
    async with opened(catalog) as toolbox:
        tools = toolbox.enter(question.call)
        asked = tools.ask(question)
        _show_request(catalog, asked, say)
        began_at = asyncio.get_running_loop().time()
        outcome = await tools.run(asked, OnPaper(say))
        took_ms = (asyncio.get_running_loop().time() - began_at) * 1000
        tools.leave()
    status = f", HTTP {outcome.http_status}" if outcome.http_status else ""
    say("", f"{outcome.failure or 'ok'} after {took_ms:.0f} ms, requests: {outcome.attempts}{status}")
    say("", "the agent would get:", outcome.kept)
    return outcome


def _show_request(catalog: Catalog, asked: Asked, say: Say) -> None:
    tool = asked.tool
    if not isinstance(tool, Webhook):
        return
    try:
        question = checked(tool, asked.question)
        attempt = request.Attempt("0" * 32, "0" * 32, 1, datetime.now(UTC), "0" * 16)
        outgoing = request.build(tool, question, attempt, catalog.signing)
    except ToolError:
        return  # the outcome tells why nothing is sent
    say(*showing.request_lines(outgoing, catalog, tool, question.arguments))
