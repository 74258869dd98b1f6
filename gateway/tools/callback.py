"""Tells the operator's callback URL what a tool came to when it was too late for the agent."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.egress.client import Egress, Outgoing
from gateway.egress.signing import SigningKey, sign
from gateway.errors import EgressError
from gateway.telemetry.log import get_logger
from gateway.tools import request
from gateway.tools.question import call_facts
from gateway.tools.runner import Run

log = get_logger(__name__)

_PAUSES_S = (1.0, 5.0, 25.0)
_CONNECT_S = 3.0
_TIMEOUT_S = 10.0
_ANSWER_LIMIT_BYTES = 64 * 1024
_GONE = 410


class Callbacks:
    """Lives as long as the catalogue whose tools it tells of.

    Args:
        egress: sends the requests.
        signing: what they are signed with.
        today: the wall clock, aware.
    """

    def __init__(self, egress: Egress, signing: Sequence[SigningKey], today: Callable[[], datetime]) -> None:
        self._egress = egress
        self._signing = signing
        self._today = today

    async def tell(self, run: Run, latency_s: float) -> None:
        """Deliver a result, with a few tries over half a minute; never raises, but says so when it failed."""
        body = _body(run, latency_s)
        label = run.webhook.label
        for pause_s in (*_PAUSES_S, None):
            reason = await self._try(run, body)
            if not reason:
                log.info("tool_result_delivered", tool=label, reason=_reason(run))
                return
            if pause_s is None or reason == f"http_{_GONE}":
                log.warning("tool_result_undelivered", tool=label, reason=reason)
                return
            await asyncio.sleep(pause_s)

    async def _try(self, run: Run, body: bytes) -> str:
        """Return why a try failed; empty when it did not."""
        url = run.webhook.spec.callback_url
        assert url is not None
        headers = {"Content-Type": "application/json"}
        headers |= sign(self._signing, f"late_{run.run_id}", int(self._today().timestamp()), body)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self._egress.send(
                    Outgoing("POST", url, headers, body),
                    connect_s=_CONNECT_S,
                    limit_bytes=_ANSWER_LIMIT_BYTES,
                )
        except TimeoutError:
            return "timeout"
        except EgressError as error:
            return error.reason
        return "" if 200 <= answer.status < 300 else f"http_{answer.status}"


def _reason(run: Run) -> str:
    return run.error.reason if run.error is not None else ""


def _body(run: Run, latency_s: float) -> bytes:
    question = run.question
    return request.dump(
        {
            "type": "tool.result",
            "tool_call_id": question.tool_call_id,
            "tool": question.tool,
            "arguments": question.arguments,
            "call": call_facts(question.call),
            "status": "error" if run.error is not None else "ok",
            "reason": _reason(run),
            "output": str(run.error) if run.error is not None else run.output,
            "attempts": run.attempts,
            "latency_ms": round(latency_s * 1000),
        }
    )
