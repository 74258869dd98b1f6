"""Placing what is due: in order, within the limits, each once, by however many nodes."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.dialling.config import DialConfig
from gateway.dialling.outcomes import not_placed
from gateway.dialling.placing import Placer
from gateway.dialling.scheduler import Scheduler
from gateway.dialling.sids import CallSids
from gateway.errors import StorageError
from gateway.storage import schema
from gateway.storage.agents import Agents
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.dial_policy import DialPolicy
from gateway.storage.queries import values_of
from gateway.storage.rows import Call, SuppressedNumber, Task
from gateway.storage.suppression import SuppressionList
from gateway.storage.tasks import Tasks
from tests.databases import PostgresServer
from tests.dialling.exchange import CONFIG, Exchange, exchange
from tests.dialling.test_placing import ending_of
from tests.tenants import HUNG_UP, LOST, NOW, Tenant, after, an_id, task, tenant

NIGHT = DialPolicy(quiet_from=time(11), quiet_until=time(13))  # NOW is 12:00 UTC


@dataclass
class Scheduling:
    """A scheduler and what it works on, with clocks moved by hand."""

    scheduler: Scheduler
    twilio: Exchange

    async def go(self) -> list[str]:
        """Claim and place once; return the numbers that were dialled."""
        before = len(self.twilio.placed)
        for started, call in await self.scheduler.claim():
            await self.scheduler.place(started, call)
        return [form["To"] for form in self.twilio.placed[before:]]


def scheduler(database: Database, twilio: Exchange, config: DialConfig, node: str = "a") -> Scheduler:
    """Return one with hand-moved clocks."""
    time = twilio.time
    placer = Placer(
        *(database, twilio.client, CallSids(database, twilio.client), config), node=node, now=time.now
    )
    return Scheduler(database, placer, config, now=time.now, clock=time.clock)


@asynccontextmanager
async def scheduling(database: Database, **changes: Any) -> AsyncIterator[Scheduling]:
    """Return a scheduler with an exchange to dial at."""
    async with exchange() as twilio:
        made = scheduler(database, twilio, replace(CONFIG, **changes))
        twilio.time.passed_s = 1.0  # a burst has gathered
        yield Scheduling(made, twilio)


async def now_of(acme: Tenant, one: Task) -> Task:
    """Return a task as it is now."""
    found = await Tasks(acme.database).find(acme.id, one.id)
    assert found is not None
    return found


async def call_of(acme: Tenant, one: Task) -> Call:
    """Return a task's call."""
    found = await Calls(acme.database).find_by_id((await now_of(acme, one)).call_id or "")
    assert found is not None
    return found


async def test_most_urgent_is_dialled_first(database: Database, acme: Tenant) -> None:
    """Then the longest overdue; what is not due, or not scheduled, is not dialled."""
    for to, due, priority in (("1", 0, 0), ("2", -9, 0), ("3", 0, 5), ("4", 2, 9)):
        await acme.add_task(to_number=f"+49{to}", scheduled_at=after(due), priority=priority)
    await acme.add_task(to_number="+495")
    async with scheduling(database) as at:
        assert await at.go() == ["+493", "+492", "+491"]
        at.twilio.time.passed_s = 2.0
        assert await at.go() == ["+494"]
        assert await at.go() == []


async def test_rate_is_kept(database: Database, acme: Tenant) -> None:
    """So many a second; what waits is not lost, and idle time gathers no more than a second's."""
    for n in range(8):
        await acme.add_task(to_number=f"+49{n}", scheduled_at=after(n - 10))
    async with scheduling(database, calls_per_second=2.0) as at:
        at.twilio.time.passed_s = 100.0
        dialled = [len(await at.go())]
        for _ in range(5):
            at.twilio.time.passed_s += 0.5
            dialled.append(len(await at.go()))

    assert dialled == [2, 1, 1, 1, 1, 1]


async def test_slow_rate_still_dials(database: Database, acme: Tenant) -> None:
    """One call in four seconds is one call in four seconds."""
    for n in range(3):
        await acme.add_task(to_number=f"+49{n}", scheduled_at=NOW)
    async with scheduling(database, calls_per_second=0.25) as at:
        dialled = [len(await at.go())]
        for _ in range(8):
            at.twilio.time.passed_s += 1.0
            dialled.append(len(await at.go()))

    assert dialled == [1, 0, 0, 0, 1, 0, 0, 0, 1]


async def test_room_is_kept(database: Database, acme: Tenant) -> None:
    """No more live calls than allowed, whoever placed them; a finished one makes room."""
    for n in range(4):
        await acme.add_task(to_number=f"+49{n}", scheduled_at=NOW)
    _, executed = await acme.executed()
    await acme.ring()
    async with scheduling(database, max_active=3) as at:
        assert len(await at.go()) == 2
        assert await at.go() == []
        await Calls(database).end(executed.id, not_placed("test"), NOW)
        assert len(await at.go()) == 1


async def test_quiet_hours_postpone_and_count_nothing(database: Database, acme: Tenant) -> None:
    """The task waits for their end on its callee's clock, without a call and without an attempt."""
    here = await acme.add_task(scheduled_at=NOW)
    abroad = await acme.add_task(scheduled_at=NOW, time_zone="America/New_York", to_number="+1")
    async with scheduling(database, policy=NIGHT) as at:
        assert await at.go() == ["+1"]

    waiting = await now_of(acme, here)
    assert (waiting.status, waiting.attempts, waiting.call_id) == ("pending", 0, None)
    assert waiting.scheduled_at == datetime(2026, 11, 26, 13, tzinfo=UTC)
    assert (await now_of(acme, abroad)).status == "in_progress"
    assert (await Calls(database).list_page(acme.id, 10, 0)).total == 1


@pytest.mark.parametrize("rule", ["destination_prefix", "suppression_list", "attempt_cap"])
async def test_forbidden_call_fails_with_its_rule(database: Database, acme: Tenant, rule: str) -> None:
    """The rules are asked when the call is due, not when it was planned; nothing is dialled."""
    policy = {
        "destination_prefix": DialPolicy(allowed_prefixes=("+43",)),
        "suppression_list": replace(NIGHT, quiet_from=time(0), quiet_until=time(0)),
        "attempt_cap": DialPolicy(max_attempts=2),
    }[rule]
    planned = await acme.add_task(scheduled_at=NOW)
    if rule == "suppression_list":
        entry = SuppressedNumber(
            id=an_id(), organization_id=acme.id, number=planned.to_number, reason="", created_at=NOW
        )
        await SuppressionList(database).add(entry)
    for ending in (HUNG_UP, LOST, not_placed("test")):
        await acme.executed(ending)
    async with scheduling(database, policy=policy) as at:
        assert await at.go() == []
        assert await at.go() == []

    assert (await now_of(acme, planned)).status == "failed"
    assert await ending_of(database, await call_of(acme, planned)) == not_placed(f"blocked_{rule}")


async def test_cap_counts_the_calls_that_are_about_to_be_dialled(database: Database, acme: Tenant) -> None:
    """Two tasks for one number do not both pass because neither has been dialled yet."""
    tasks = [await acme.add_task(scheduled_at=after(n - 5)) for n in range(3)]
    async with scheduling(database, policy=DialPolicy(max_attempts=2)) as at:
        assert len(await at.go()) == 2

    assert [(await now_of(acme, one)).status for one in tasks] == ["in_progress", "in_progress", "failed"]


async def test_another_tenants_calls_do_not_count(database: Database, acme: Tenant) -> None:
    """Nor does its suppression list."""
    rival = await tenant(database, "Rival")
    entry = SuppressedNumber(id=an_id(), organization_id=rival.id, number="+491", reason="", created_at=NOW)
    await SuppressionList(database).add(entry)
    await rival.executed(HUNG_UP, to_number="+491")
    await acme.add_task(scheduled_at=NOW, to_number="+491")
    async with scheduling(database, policy=DialPolicy(max_attempts=1)) as at:
        assert await at.go() == ["+491"]


async def test_task_that_changes_while_it_is_judged_is_judged_again(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that was put in at the last moment is not dialled on the strength of the one before."""
    planned = await acme.add_task(scheduled_at=NOW)
    async with scheduling(database, policy=DialPolicy(allowed_prefixes=("+49",))) as at:
        judged = at.scheduler._judged

        async def and_then_changed(now: datetime, limit: int) -> Any:
            found = await judged(now, limit)
            await Tasks(database).update(acme.id, planned.id, to_number="+1900")
            return found

        monkeypatch.setattr(at.scheduler, "_judged", and_then_changed)
        assert await at.go() == []
        monkeypatch.undo()
        assert await at.go() == []

    assert (await now_of(acme, planned)).status == "failed"


@pytest.mark.parametrize("why", ["agent_disabled", "no_vatel_agent"])
async def test_call_that_nobody_could_talk_in(database: Database, acme: Tenant, why: str) -> None:
    """Nobody is rung for an agent that cannot answer."""
    planned = await acme.add_task(scheduled_at=NOW)
    if why == "agent_disabled":
        await Agents(database).update(acme.id, acme.agent.id, enabled=False)
    talker = None if why == "no_vatel_agent" else CONFIG.default_vatel_agent_id
    async with scheduling(database, default_vatel_agent_id=talker) as at:
        assert await at.go() == []

    assert await ending_of(database, await call_of(acme, planned)) == not_placed(why)


async def test_what_was_never_dialled_is_no_attempt(database: Database, acme: Tenant) -> None:
    """A call that a rule or Twilio refused does not use up the number's attempts."""
    for _ in range(3):
        await acme.executed(not_placed("blocked_quiet_hours"))
    await acme.add_task(scheduled_at=NOW)
    async with scheduling(database, policy=DialPolicy(max_attempts=1)) as at:
        assert len(await at.go()) == 1


async def test_process_that_is_about_to_leave_places_nothing(database: Database, acme: Tenant) -> None:
    """Who is rung by it would find nobody there: the task is left to another node, or to the next start."""
    await acme.add_task(scheduled_at=NOW)
    async with scheduling(database) as at:
        leaving = at.scheduler._draining = lambda: True
        assert leaving()
        assert await at.go() == []
        at.scheduler._draining = lambda: False
        assert len(await at.go()) == 1


async def test_refusal_is_the_calls_and_nobody_elses(database: Database, acme: Tenant) -> None:
    """The next call is placed all the same."""
    refused = await acme.add_task(scheduled_at=NOW)
    async with scheduling(database) as at:
        at.twilio.refuse = 400
        assert await at.go() == []
        at.twilio.refuse = 0
        await acme.add_task(scheduled_at=NOW)
        assert len(await at.go()) == 1

    assert (await now_of(acme, refused)).status == "failed"


async def test_scheduler_goes_on_when_the_database_is_away(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was due meanwhile is placed when that is back."""
    monkeypatch.setattr("gateway.dialling.scheduler._AFTER_FAILURE_S", 0.01)
    await acme.add_task(scheduled_at=NOW)
    async with scheduling(database) as at, asyncio.TaskGroup() as group:
        await _rename(database, "tasks", "elsewhere")
        running = group.create_task(at.scheduler.run())
        await asyncio.sleep(0.05)
        await _rename(database, "elsewhere", "tasks")
        for _ in range(500):
            if at.twilio.placed:
                break
            await asyncio.sleep(0.01)
        running.cancel()

    assert len(at.twilio.placed) == 1


async def test_claimed_call_waits_for_the_database(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is placed when that is back, or not at all: Twilio was not asked meanwhile."""
    monkeypatch.setattr("gateway.dialling.scheduler._AFTER_FAILURE_S", 0.0)
    await acme.add_task(scheduled_at=NOW, to_number="+491")
    async with scheduling(database) as at:
        placer, failures = at.scheduler._placer, [StorageError("away", reason="busy")] * 2
        place = placer.place

        async def troubled(call: Call, one: Task) -> None:
            if failures:
                raise failures.pop()
            await place(call, one)

        monkeypatch.setattr(placer, "place", troubled)
        assert await at.go() == ["+491"]
        await acme.add_task(scheduled_at=NOW, to_number="+492")
        failures += [StorageError("away", reason="busy")] * 60
        assert await at.go() == []

    assert len(failures) == 30


async def _rename(database: Database, table: str, to: str) -> None:
    async with database.writing() as connection:
        await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {to}")


# --- four nodes, many tasks

TASKS = int(os.environ.get("SCHEDULED_TASKS", "60"))
"""How many there are; more can be asked for."""
A_SECOND = 20  # four nodes and the exchange share this process


async def _plan(database: Database, begin: datetime) -> dict[str, datetime]:
    """Plan tasks at random moments; return when each number is due."""
    acme, rng = await tenant(database), Random(5)
    planned = [
        task(
            *(acme.id, acme.agent.id),
            to_number=f"+4930{n:06d}",
            scheduled_at=begin + timedelta(seconds=rng.uniform(0, TASKS / A_SECOND)),
            priority=rng.randint(0, 3),
        )
        for n in range(TASKS)
    ]
    async with database.writing() as connection:
        await connection.execute(sa.insert(schema.tasks), [values_of(one) for one in planned])
    return {one.to_number: one.scheduled_at for one in planned if one.scheduled_at is not None}


async def test_four_nodes_place_each_task_once_and_in_time(postgres: PostgresServer) -> None:
    """Each is dialled exactly once, never early, and within a second of its time."""
    url = await postgres.create()
    async with AsyncExitStack() as stack:
        twilio = await stack.enter_async_context(exchange())
        nodes = [Database.open(url) for _ in range(4)]
        for node in nodes:
            stack.push_async_callback(node.close)
        config = replace(CONFIG, calls_per_second=500.0, max_active=10_000)
        loop, begin = asyncio.get_running_loop(), datetime.now(UTC) + timedelta(seconds=0.5)
        due = await _plan(nodes[0], begin)
        offset_s = loop.time() - datetime.now(UTC).timestamp()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = [group.create_task(_real(node, twilio, config).run()) for node in nodes]
        async with asyncio.timeout(20 + TASKS / A_SECOND):
            while len(twilio.placed) < TASKS:  # noqa: ASYNC110  # the exchange counts
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        for one in running:
            one.cancel()

    dialled = [form["To"] for form in twilio.placed]
    late = sorted(at - offset_s - due[to].timestamp() for at, to in zip(twilio.at, dialled, strict=True))
    assert sorted(dialled) == sorted(due)
    assert late[0] > -0.01
    shares = {share: round(late[int(share * (TASKS - 1))], 3) for share in (0.5, 0.95, 0.99, 1.0)}
    assert shares[0.5] < 1.0, shares  # the rest is this machine's, when it is busy
    assert shares[1.0] < 10.0, shares


def _real(database: Database, twilio: Exchange, config: DialConfig) -> Scheduler:
    def now() -> datetime:
        return datetime.now(UTC)

    sids = CallSids(database, twilio.client)
    placer = Placer(database, twilio.client, sids, config, node="a", now=now)
    return Scheduler(database, placer, config, now=now, clock=asyncio.get_running_loop().time)
