"""Asks a tool's endpoint: one run, with as many requests as its deadline and its ``retry`` allow."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.egress.client import Answer, Egress, Outgoing
from gateway.egress.retry_after import retry_after_s
from gateway.egress.signing import SigningKey
from gateway.errors import EgressError, ToolError
from gateway.tools import answer, request, retrying
from gateway.tools.breaker import Circuit
from gateway.tools.catalog import Webhook
from gateway.tools.question import Question


@dataclass(slots=True)
class Run:
    """One run of a tool, from its first request to its result.

    Attributes:
        key: the ``Idempotency-Key`` of all its requests.
        run_id: 32 hexadecimal digits.
        attempts: requests sent, or tried.
        http_status: of the last answer; 0 without one.
        output: what the agent gets when it went well.
        error: why it did not go well; None while it runs, and when it did.
        sent: the last request.
        got: the last answer.
    """

    webhook: Webhook
    question: Question
    key: str
    run_id: str
    attempts: int = 0
    http_status: int = 0
    output: str = field(default="", repr=False)
    error: ToolError | None = None
    sent: Outgoing | None = field(default=None, repr=False)
    got: Answer | None = field(default=None, repr=False)

    @property
    def reason(self) -> str:
        """Why it did not go well, as a slug; empty when it did."""
        return self.error.reason if self.error is not None else ""


class Runner:
    """Lives as long as the catalogue whose tools it runs.

    Args:
        egress: sends the requests.
        signing: what they are signed with.
        today: the wall clock, aware.
        chance: from 0 to 1, at random.

    Attributes:
        today: the wall clock, aware.
    """

    def __init__(
        self,
        egress: Egress,
        signing: Sequence[SigningKey],
        today: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._egress = egress
        self._signing = signing
        self.today = today
        self._chance = chance
        self._circuits: dict[int, Circuit] = {}

    async def finish(self, run: Run, deadline: float) -> None:
        """Carry out a run; its result stands in it afterwards.

        Args:
            deadline: of the whole run (seconds of the loop's clock).
        """
        loop = asyncio.get_running_loop()
        circuit = self._circuits.setdefault(id(run.webhook), Circuit(run.webhook.spec.breaker))
        if not circuit.allows(run, loop.time()):
            run.error = _circuit_open(run)
            return
        try:
            async with asyncio.timeout_at(deadline):
                run.output = await self._attempts(run, deadline)
        except TimeoutError:
            run.error = timed_out(run.webhook, run.question.tool)
        except ToolError as error:
            # Where it was raised, and in place of what, leads back to the run.
            run.error, error.__context__ = error.with_traceback(None), None
        except asyncio.CancelledError:
            circuit.gave_up(run)
            raise
        _book(circuit, run, loop.time())

    async def _attempts(self, run: Run, deadline: float) -> str:
        now = asyncio.get_running_loop().time
        while True:
            run.attempts += 1
            try:
                return await self._attempt(run)
            except _Failed as failed:
                pause_s = retrying.pause_s(
                    run.webhook.spec.retry, run.attempts, failed.names, failed.retry_after_s, self._chance()
                )
                if pause_s is None or now() + pause_s >= deadline:
                    raise failed.error from None
                await asyncio.sleep(pause_s)

    async def _attempt(self, run: Run) -> str:
        today = self.today()
        attempt = request.Attempt(run.run_id, run.key, run.attempts, today, secrets.token_hex(8))
        run.sent = request.build(run.webhook, run.question, attempt, self._signing)
        run.got, run.http_status = None, 0
        spec = run.webhook.spec
        try:
            got = await self._egress.send(
                run.sent, connect_s=spec.connect_s, limit_bytes=spec.response.limit_kb * 1024
            )
        except EgressError as error:
            raise _Failed(_unreachable(run, error), retrying.names_of(0, error.reason)) from None
        run.got, run.http_status = got, got.status
        return self._read(run, got, request.scope(run.question, today))

    def _read(self, run: Run, got: Answer, seen: dict[str, object]) -> str:
        try:
            return answer.read(run.webhook, run.question.tool, got, seen)
        except ToolError as error:
            if 200 <= got.status < 300:
                raise
            after_s = retry_after_s(got.headers.get("retry-after"), self.today())
            raise _Failed(error, retrying.names_of(got.status, error.reason), after_s) from None


class _Failed(Exception):
    """A request failed in a way that another one may not."""

    def __init__(self, error: ToolError, names: frozenset[str], retry_after_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.names = names
        self.retry_after_s = retry_after_s


def timed_out(webhook: Webhook, name: str) -> ToolError:
    """Return what the agent is told when a tool, which it calls by that name, has not answered in time."""
    return ToolError(
        f"The tool {name} did not answer within {webhook.spec.deadline_s:g} seconds.", reason="timeout"
    )


def _circuit_open(run: Run) -> ToolError:
    name = run.question.tool
    return ToolError(
        f"The tool {name} has failed too often; it is left alone for now.", reason="circuit_open"
    )


def _unreachable(run: Run, error: EgressError) -> ToolError:
    return ToolError(f"The tool {run.question.tool} could not be asked: {error}", reason=error.reason)


_NOT_THE_ENDPOINTS_FAULT = frozenset({"bad_template", "refused_url", "refused_address", "bad_header"})


def _book(circuit: Circuit, run: Run, now: float) -> None:
    """Let the circuit know; what a request of ours or the agent's got wrong says nothing of the endpoint."""
    reason = run.reason
    refused = reason.startswith("http_") and not reason.startswith("http_5")
    if not reason or refused or reason == "no_match":
        circuit.succeeded(run)
    elif reason in _NOT_THE_ENDPOINTS_FAULT:
        circuit.gave_up(run)
    else:
        circuit.failed(run, now)
