"""Deliveries: the schedule on a clock that leaps, order, fairness, and a real outbox with a real receiver."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import trustme

from gateway.api.webhook_posts import WebhookPosts
from gateway.egress.addresses import Allowance
from gateway.egress.client import Egress
from gateway.egress.destinations import Policy
from gateway.errors import GatewayError, StorageError, ToolError
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.outbox import Outbox
from gateway.storage.rows import DeliveryAttempt, DeliveryState, OutboxEvent
from gateway.webhooks import deliveries as module
from gateway.webhooks.deliveries import TIMEOUT_S, Deliveries, DeliveryCounters
from gateway.webhooks.schedule import WAITS_S
from tests.receiver import HOST, Receiver, trusting
from tests.tenants import HUNG_UP, Tenant, tenant
from tests.virtual_time import on_virtual_time

START = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
KEY = b"k" * 32


def virtual_now() -> datetime:
    """Return the wall clock of a test whose loop began at 1,000 s."""
    return START + timedelta(seconds=asyncio.get_running_loop().time() - 1_000)


def event(call: str, seq: int = 1, host: str = "receiver.example") -> OutboxEvent:
    """Return an event that is due at once."""
    kind = "call_started" if seq == 1 else "call_completed"
    return OutboxEvent(
        id=f"{call}-{seq}",
        organization_id="o",
        call_id=call,
        task_id=f"task-{call}",
        event_type="call_started" if seq == 1 else "call_completed",
        seq=seq,
        url=f"https://{host}/hook",
        body={"event_type": kind, "task_id": f"task-{call}", "call_id": call, "status": "x", "data": {}},
        state="pending",
        attempts=0,
        next_attempt_at=START,
        delivered_at=None,
        created_at=START,
    )


class Memory:
    """An outbox that keeps the storage's rules in a dictionary. Lives as long as a test.

    Attributes:
        broken: while True every method fails.
    """

    def __init__(self, *events: OutboxEvent) -> None:
        self.events = {one.id: one for one in events}
        self.claimed_until: dict[str, datetime] = {}
        self.attempts: list[DeliveryAttempt] = []
        self.disabled: list[str] = []
        self.broken = False

    async def claim_due(
        self, node: str, now: datetime, *, limit: int = 50, lease_s: float = 30.0
    ) -> list[OutboxEvent]:
        """Take what is due and unclaimed, and has no earlier one of its call pending."""
        self._check()
        due = [
            one
            for one in sorted(self.events.values(), key=lambda one: (one.next_attempt_at, one.id))
            if one.state == "pending"
            and one.next_attempt_at <= now
            and self.claimed_until.get(one.id, now) <= now
            and not any(
                other.state == "pending" and other.call_id == one.call_id and other.seq < one.seq
                for other in self.events.values()
            )
        ][:limit]
        self.claimed_until |= dict.fromkeys((one.id for one in due), now + timedelta(seconds=lease_s))
        return due

    async def record_attempt(
        self, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at: datetime
    ) -> None:
        """Book a try."""
        self._check()
        self.attempts.append(attempt)
        one = self.events[attempt.event_id]
        self.events[one.id] = replace(
            one, state=state, attempts=attempt.number, next_attempt_at=next_attempt_at
        )
        self.claimed_until.pop(one.id, None)

    async def disable(self, task_id: str) -> None:
        """Note that a webhook is gone."""
        self._check()
        self.disabled.append(task_id)

    def _check(self) -> None:
        if self.broken:
            raise StorageError("away", reason="unavailable")

    def states(self) -> dict[str, str]:
        """Return the state of each event."""
        return {one.id: one.state for one in self.events.values()}


@dataclass
class Said:
    """What an endpoint answers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoint:
    """Answers what it is told to, and notes what it got when. Lives as long as a test."""

    def __init__(self, *answers: Said | GatewayError | float) -> None:
        self.answers = list(answers)
        self.got: list[tuple[float, str]] = []
        self.at_once = self.most_at_once = 0

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Said:
        """Note a request and answer the next answer; after the last, that one for ever; a number hangs."""
        self.got.append((round(asyncio.get_running_loop().time() - 1_000, 3), headers["webhook-id"]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(answer if isinstance(answer, float) else 0.01)
        finally:
            self.at_once -= 1
        if isinstance(answer, GatewayError):
            raise answer
        return answer if isinstance(answer, Said) else Said()


async def sign(event: OutboxEvent, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Sign as Standard Webhooks 1.0.0 says."""
    message = f"{event.id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(KEY, message, hashlib.sha256)).decode()
    return {
        "webhook-id": event.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


def delivering(outbox: Memory, endpoint: Endpoint) -> Deliveries:
    """Return deliveries without jitter on the virtual clock."""
    return Deliveries(outbox, endpoint.send, sign, node="n", now=virtual_now, chance=lambda: 0.5)


@asynccontextmanager
async def running(deliveries: Deliveries) -> AsyncIterator[None]:
    """Run deliveries until the end of the context."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(deliveries.run())
        try:
            yield
        finally:
            task.cancel()


@on_virtual_time
async def test_event_is_delivered_at_once_when_poked() -> None:
    """What is put into the outbox does not wait for the next look."""
    outbox, endpoint = Memory(), Endpoint(Said())
    deliveries = delivering(outbox, endpoint)
    async with running(deliveries):
        await asyncio.sleep(10.3)
        outbox.events["a-1"] = replace(event("a"), next_attempt_at=virtual_now())
        deliveries.poke()
        await asyncio.sleep(0.1)

    assert endpoint.got == [(10.3, "a-1")]
    assert outbox.states() == {"a-1": "delivered"}
    assert outbox.attempts == [
        DeliveryAttempt(
            event_id="a-1",
            number=1,
            at=START + timedelta(seconds=10.31),
            status=200,
            error="",
            latency_ms=10,
        )
    ]
    assert deliveries.counters == DeliveryCounters(delivered=1)


@on_virtual_time
async def through_an_outage(outbox: Memory, received: list[str]) -> None:
    """Deliver to a receiver that is down for an hour, then notes what it gets."""
    down = True

    async def send(url: str, headers: Mapping[str, str], body: bytes) -> Said:
        if down:
            return Said(503)
        received.append(headers["webhook-id"])
        return Said(204)

    async with running(Deliveries(outbox, send, sign, node="n", now=virtual_now, chance=lambda: 0.5)):
        await asyncio.sleep(3_600)
        assert received == []
        down = False
        await asyncio.sleep(7_300)


def test_outage_of_an_hour_delays_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that is down for an hour gets every event after it, in order per call, each once."""
    monkeypatch.setattr(module, "_POLL_S", 10.0)
    outbox = Memory(*(event(f"{call}", seq) for call in range(20) for seq in (1, 2)))

    received = list[str]()
    through_an_outage(outbox, received)

    assert set(outbox.states().values()) == {"delivered"}
    assert sorted(received) == sorted(outbox.events)
    for call in range(20):
        assert received.index(f"{call}-1") < received.index(f"{call}-2")


@on_virtual_time
async def for_eighty_hours(outbox: Memory, endpoint: Endpoint) -> None:
    """Let deliveries run for longer than the schedule."""
    async with running(delivering(outbox, endpoint)):
        await asyncio.sleep(80 * 3_600)


def test_tries_follow_the_schedule_until_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that never answers well gets ten tries at the schedule's times, then it is a dead letter."""
    monkeypatch.setattr(module, "_POLL_S", 60.0)  # a quarter of a million looks would take half a minute
    outbox, endpoint = Memory(event("a"), event("a", 2)), Endpoint(Said(500))

    for_eighty_hours(outbox, endpoint)

    first = [at for at, name in endpoint.got if name == "a-1"]
    assert len(first) == 10
    for (earlier, later), wait_s in zip(pairwise(first), WAITS_S, strict=True):
        assert wait_s <= later - earlier < wait_s + 60.1
    assert outbox.states()["a-1"] == "dead"
    assert outbox.states()["a-2"] == "pending"
    assert min(at for at, name in endpoint.got if name == "a-2") > first[-1]


@on_virtual_time
async def test_answer_that_takes_too_long_is_a_failure() -> None:
    """After ten seconds it is given up, booked as a timeout, and tried again."""
    outbox, endpoint = Memory(event("a")), Endpoint(60.0, Said())
    async with running(delivering(outbox, endpoint)):
        await asyncio.sleep(30)

    [late, good] = outbox.attempts
    assert (late.status, late.error, late.latency_ms) == (None, "timeout", TIMEOUT_S * 1000)
    assert (good.number, good.status) == (2, 200)


@on_virtual_time
async def test_faults_of_the_way_are_booked_by_name() -> None:
    """What the client could not do, and what the endpoint refused, stand on the tries."""
    outbox = Memory(event("a"))
    endpoint = Endpoint(ToolError("no", reason="dns"), Said(302), Said(200))
    async with running(delivering(outbox, endpoint)):
        await asyncio.sleep(400)

    assert [(one.status, one.error) for one in outbox.attempts] == [
        (None, "dns"),
        (302, "status_302"),
        (200, ""),
    ]


@on_virtual_time
async def test_endpoint_that_is_gone_gets_nothing_more() -> None:
    """410 disables the webhook of the event's task; without a task the event alone."""
    lone = replace(event("b"), task_id=None)
    outbox, endpoint = Memory(event("a"), lone), Endpoint(Said(410))
    deliveries = delivering(outbox, endpoint)
    async with running(deliveries):
        await asyncio.sleep(60)

    assert outbox.states() == {"a-1": "disabled", "b-1": "disabled"}
    assert outbox.disabled == ["task-a"]
    assert deliveries.counters.disabled == 2


@on_virtual_time
async def test_retry_after_is_heeded() -> None:
    """A receiver that asks for ten minutes gets them."""
    outbox, endpoint = Memory(event("a")), Endpoint(Said(429, {"retry-after": "600"}), Said())
    async with running(delivering(outbox, endpoint)):
        await asyncio.sleep(700)

    [first, second] = [at for at, _ in endpoint.got]
    assert 600 <= second - first < 602


@on_virtual_time
async def test_dead_endpoint_holds_up_nobody_else() -> None:
    """Hundreds of events to a host that hangs leave room for another host's, which go out within seconds."""
    bad = [event(f"bad{number}", host="dead.example") for number in range(300)]
    outbox, dead, good = Memory(*bad), Endpoint(60.0), Endpoint(Said())

    async def send(url: str, headers: Mapping[str, str], body: bytes) -> Said:
        return await (dead if "dead" in url else good).send(url, headers, body)

    deliveries = Deliveries(outbox, send, sign, node="n", now=virtual_now, chance=lambda: 0.5)
    async with running(deliveries):
        await asyncio.sleep(15)
        for number in range(20):
            outbox.events[f"good{number}-1"] = replace(event(f"good{number}"), next_attempt_at=virtual_now())
        await asyncio.sleep(5)

    assert len(good.got) == 20
    assert dead.most_at_once <= 10
    assert deliveries.counters.postponed > 0


@on_virtual_time
async def test_burst_to_a_good_endpoint_goes_out_at_its_speed() -> None:
    """A thousand events to one receiver are sent ten at a time, all of them, without waiting for claims."""
    outbox, endpoint = Memory(*(event(f"{number}") for number in range(1_000))), Endpoint(Said())
    async with running(delivering(outbox, endpoint)):
        await asyncio.sleep(20)

    assert len(endpoint.got) == 1_000
    assert endpoint.most_at_once == 10
    assert set(outbox.states().values()) == {"delivered"}


@on_virtual_time
async def test_claim_that_is_about_to_end_is_not_used() -> None:
    """An event that waited for its turn until its claim ran out is left to whoever claims it next."""
    outbox = Memory(*(event(f"{number:03}") for number in range(60)))
    endpoint = Endpoint(9.9)
    deliveries = delivering(outbox, endpoint)
    async with running(deliveries):
        await asyncio.sleep(200)

    assert deliveries.counters.postponed > 0
    assert len(endpoint.got) == len(set(endpoint.got)) == 60


@on_virtual_time
async def test_storage_that_fails_costs_no_event() -> None:
    """Unread, the outbox costs time; what cannot be booked is sent again, by the same id."""
    outbox, endpoint = Memory(event("a")), Endpoint(5.0, Said())
    outbox.broken = True
    deliveries = delivering(outbox, endpoint)
    async with running(deliveries):
        await asyncio.sleep(30)
        assert endpoint.got == []
        outbox.broken = False
        await asyncio.sleep(3)
        outbox.broken = True  # between the answer and the booking
        await asyncio.sleep(10)
        outbox.broken = False
        await asyncio.sleep(120)

    assert [name for _, name in endpoint.got] == ["a-1", "a-1"]
    assert outbox.states() == {"a-1": "delivered"}


@on_virtual_time
async def test_event_that_cannot_be_signed_costs_no_try() -> None:
    """Without the organization's keys nothing is sent and nothing booked; it is claimed again later."""
    outbox, endpoint, broken = Memory(event("a")), Endpoint(Said()), True

    async def sign_or_fail(event: OutboxEvent, timestamp: int, body: bytes) -> Mapping[str, str]:
        if broken:
            raise StorageError("away", reason="unavailable")
        return await sign(event, timestamp, body)

    deliveries = Deliveries(outbox, endpoint.send, sign_or_fail, node="n", now=virtual_now)
    async with running(deliveries):
        await asyncio.sleep(30)
        broken = False
        await asyncio.sleep(60)

    assert len(endpoint.got) == 1
    assert [one.number for one in outbox.attempts] == [1]


@on_virtual_time
async def with_full_hands(outbox: Memory, endpoint: Endpoint) -> None:
    """Let deliveries that can carry five events carry twenty."""
    async with running(delivering(outbox, endpoint)):
        await asyncio.sleep(5)
        assert len(endpoint.got) == 5
        await asyncio.sleep(50)


def test_full_hands_claim_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it has all it can carry, it takes no more."""
    monkeypatch.setattr(module, "_MOST_AT_WORK", 5)
    outbox, endpoint = Memory(*(event(f"{number}") for number in range(20))), Endpoint(9.0)

    with_full_hands(outbox, endpoint)

    assert set(outbox.states().values()) == {"delivered"}


# --- with the real outbox, over real https

DOWN_S = 3_600.0
FIRST_TRY_AFTER_S = sum(WAITS_S[:4])
"""When the try is due that is the first after the outage."""


class Clock:
    """A wall clock moved by hand. Lives as long as a test."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        """Return what time it is."""
        return self.at


async def talks(tenant: Tenant, url: str, count: int, at: datetime) -> list[str]:
    """Let tasks with a webhook have calls from beginning to end; return the calls' ids."""
    made = []
    for _ in range(count):
        _, call = await tenant.executed(webhook_url=url)
        await Calls(tenant.database).start(call.id, at)
        await Calls(tenant.database).end(call.id, HUNG_UP, at)
        made.append(call.id)
    return made


async def test_receiver_that_was_down_for_an_hour_gets_all_in_order(database: Database) -> None:
    """On both engines, the clock moved: nobody listens, then the stock package verifies what comes."""
    acme, authority = await tenant(database), trustme.CA()
    # What is sent at the end is signed now: the stock package compares with the real clock.
    began = datetime.now(UTC) - timedelta(seconds=FIRST_TRY_AFTER_S)
    clock, outbox = Clock(began), Outbox(database)
    egress = Egress(Policy(Allowance.parse([HOST])), tls=trusting(authority))
    posts = WebhookPosts(database, egress)
    deliveries = Deliveries(outbox, posts.send, posts.sign, node="n", now=clock, chance=lambda: 0.5)
    async with Receiver(acme.organization.webhook_secret, authority) as receiver:
        calls = await talks(acme, receiver.url, 3, began)
        tries: dict[float, int] = {}
        for passed_s in range(0, int(FIRST_TRY_AFTER_S) + 30, 30):
            clock.at = began + timedelta(seconds=passed_s)
            if passed_s == DOWN_S:
                await receiver.open()
            if tried := await deliveries.deliver_due():
                tries[passed_s] = tried
        assert await deliveries.deliver_due() == 0
    await egress.close()

    assert receiver.forged == 0
    assert [receiver.of(call) for call in calls] == [["call_started", "call_completed"]] * 3
    assert len({one.id for one in receiver.taken}) == len(receiver.taken) == 6
    assert set(receiver.taken[0].body) == {"event_type", "task_id", "call_id", "status", "data"}
    assert deliveries.counters == DeliveryCounters(delivered=6, failed=12)
    assert [tried for passed_s, tried in tries.items() if passed_s < DOWN_S] == [3] * 4
    assert [tried for passed_s, tried in tries.items() if passed_s >= DOWN_S] == [6]
    first = next(one.id for one in receiver.taken if one.kind == "call_started")
    booked = await outbox.attempts_of(acme.id, first)
    assert [(one.status, one.error) for one in booked] == [(None, "connect")] * 4 + [(204, "")]
    assert await outbox.redeliver(acme.id, first, clock.at)
    assert [one.id for one in await outbox.claim_due("n", clock.at)] == [first]
