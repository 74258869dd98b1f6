"""Delivers the outbox: claims what is due, sends it, books each try.

At least once: a process that dies between the answer and the booking leaves its claim to expire, and the
receiver gets the same `webhook-id` again. No endpoint holds up another: each has a few requests under way at
most, and one that fails gets few places to wait; what finds none is left to its claim's end.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.errors import GatewayError, StorageError
from gateway.storage.rows import DeliveryAttempt, DeliveryState, OutboxEvent
from gateway.telemetry.log import get_logger
from gateway.webhooks.body import encode
from gateway.webhooks.schedule import Outcome, Verdict, judge

log = get_logger(__name__)

TIMEOUT_S = 10.0
_CLAIM_S = 60.0
_CLAIM_SPARE_S = TIMEOUT_S + 5.0
_MOST_AT_WORK = 500
_BATCH = 50
_SENDING = 10
_FAILING_PLACES = 20
_POLL_S = 1.0


class OutboxStore(Protocol):
    """What deliveries need of the storage; every method may raise StorageError."""

    async def claim_due(
        self, node: str, now: datetime, *, limit: int = 50, lease_s: float = 30.0
    ) -> list[OutboxEvent]:
        """Take events that are due and follow no undelivered one of their call; nobody else gets them now."""

    async def record_attempt(
        self, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at: datetime
    ) -> None:
        """Put a try on record, say what the event is now, and let go of it."""

    async def disable(self, task_id: str) -> None:
        """Send nothing more to a task's webhook."""


class Reply(Protocol):
    """What an endpoint answered; the egress client's answer is one."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, by lower-case name."""


Send = Callable[[str, Mapping[str, str], bytes], Awaitable[Reply]]
"""Post a body with headers to a URL, following nothing; raises GatewayError when there is no answer."""

Sign = Callable[[OutboxEvent, int, bytes], Awaitable[Mapping[str, str]]]
"""Return the headers that sign a body at a Unix time with the keys of the event's organization."""


@dataclass(slots=True)
class DeliveryCounters:
    """Plain counters of this process.

    Attributes:
        postponed: claims that were let go because the endpoint had no place for them.
    """

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    disabled: int = 0
    postponed: int = 0


class _Endpoint:
    """A host that events go to. Lives while it has any at work."""

    def __init__(self) -> None:
        self.at_work = 0
        self.failing = False
        self.sending = asyncio.Semaphore(_SENDING)


class Deliveries:
    """Lives as long as the process.

    Args:
        outbox: where events wait.
        send: reaches endpoints.
        sign: signs bodies.
        node: this process's name.
        now: the wall clock.
        chance: random numbers from 0 to 1, for the jitter.

    Attributes:
        counters: what was done so far.
    """

    def __init__(
        self,
        outbox: OutboxStore,
        send: Send,
        sign: Sign,
        *,
        node: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._sign = sign
        self._node = node
        self._now = now
        self._chance = chance
        self._endpoints: dict[str, _Endpoint] = {}
        self._at_work: set[asyncio.Task[None]] = set()
        self._poked = asyncio.Event()
        self._readable = True
        self.counters = DeliveryCounters()

    def poke(self) -> None:
        """Look at the outbox at once: something has just been put there."""
        self._poked.set()

    async def run(self) -> None:
        """Deliver what is due, again and again; ends by being cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._poked.clear()
                claimed = await self._claim()
                for event in claimed:
                    self._begin(group, event)
                if len(claimed) < _BATCH:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_POLL_S):
                            await self._poked.wait()

    async def deliver_due(self) -> int:
        """Deliver what is due now, and what becomes due by that; return how many tries were made."""
        tries = 0
        while claimed := await self._claim():
            async with asyncio.TaskGroup() as group:
                tries += sum(self._begin(group, event) for event in claimed)
        return tries

    async def _claim(self) -> list[OutboxEvent]:
        room = min(_BATCH, _MOST_AT_WORK - len(self._at_work))
        if room <= 0:
            return []
        try:
            claimed = await self._outbox.claim_due(self._node, self._now(), limit=room, lease_s=_CLAIM_S)
        except StorageError as fault:
            if self._readable:  # said once an outage
                log.warning("outbox_unread", reason=fault.reason)
            self._readable = False
            return []
        self._readable = True
        return claimed

    def _begin(self, group: asyncio.TaskGroup, event: OutboxEvent) -> bool:
        host = event.url.partition("://")[2].partition("/")[0].lower()
        endpoint = self._endpoints.setdefault(host, _Endpoint())
        if endpoint.failing and endpoint.at_work >= _FAILING_PLACES:
            self.counters.postponed += 1
            return False
        endpoint.at_work += 1
        task = group.create_task(self._deliver(event, host, endpoint))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return True

    async def _deliver(self, event: OutboxEvent, host: str, endpoint: _Endpoint) -> None:
        claimed_until = self._now() + timedelta(seconds=_CLAIM_S - _CLAIM_SPARE_S)
        try:
            async with endpoint.sending:
                if self._now() > claimed_until:
                    self.counters.postponed += 1  # somebody else may have it soon
                    return
                await self._try(event, endpoint)
        finally:
            endpoint.at_work -= 1
            if not endpoint.at_work:
                self._endpoints.pop(host, None)

    async def _try(self, event: OutboxEvent, endpoint: _Endpoint) -> None:
        body = encode(event.body)
        try:
            signature = await self._sign(event, int(self._now().timestamp()), body)
        except GatewayError as fault:  # ours, not the endpoint's: it costs no try
            log.warning("webhook_unsigned", event_id=event.id, reason=fault.reason)
            return
        began = asyncio.get_running_loop().time()
        outcome, error = await self._post(event.url, signature, body)
        latency_ms = round((asyncio.get_running_loop().time() - began) * 1000)
        now, number = self._now(), event.attempts + 1
        verdict = judge(number, outcome, now, self._chance())
        endpoint.failing = verdict.state in ("pending", "dead")
        self._count(verdict.state, event, number, error)
        attempt = DeliveryAttempt(
            event_id=event.id,
            number=number,
            at=now,
            status=outcome.status,
            error=error,
            latency_ms=latency_ms,
        )
        await self._book(event, attempt, verdict)

    async def _book(self, event: OutboxEvent, attempt: DeliveryAttempt, verdict: Verdict) -> None:
        try:
            await self._outbox.record_attempt(attempt, verdict.state, verdict.at)
            if verdict.state == "disabled" and event.task_id is not None:
                await self._outbox.disable(event.task_id)
        except StorageError as fault:
            log.warning("delivery_unrecorded", event_id=event.id, reason=fault.reason)

    async def _post(self, url: str, signature: Mapping[str, str], body: bytes) -> tuple[Outcome, str]:
        """Send a body; return what became of it, and the fault as a slug."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reply = await self._send(url, {"content-type": "application/json", **signature}, body)
        except TimeoutError:
            return Outcome(None), "timeout"
        except GatewayError as fault:
            return Outcome(None), fault.reason
        outcome = Outcome(reply.status, reply.headers.get("retry-after", ""))
        return outcome, "" if 200 <= reply.status < 300 else f"status_{reply.status}"

    def _count(self, state: DeliveryState, event: OutboxEvent, number: int, error: str) -> None:
        counters = self.counters
        counters.delivered += state == "delivered"
        counters.failed += state == "pending"
        counters.dead += state == "dead"
        counters.disabled += state == "disabled"
        if state != "delivered":
            log.warning(
                "webhook_failed",
                event_id=event.id,
                call_id=event.call_id,
                number=number,
                state=state,
                error=error,
            )
