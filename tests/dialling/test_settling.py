"""Calls that nobody tells of, and Twilio's callbacks in hundreds of orders."""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.dialling.callbacks import Callbacks
from gateway.dialling.outcomes import STOPPED, not_placed
from gateway.dialling.settling import Patience, Settler
from gateway.dialling.sids import CallSids
from gateway.egress.client import Answer
from gateway.errors import StorageError
from gateway.records import Ending, Reason, Result
from gateway.storage import schema
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import Calls, begun
from gateway.storage.database import Database
from gateway.storage.outbox import Outbox
from gateway.storage.queries import fetch_all, values_of
from gateway.storage.rows import Call, OutboxEvent
from gateway.webhooks.deliveries import Deliveries
from tests.dialling.exchange import CONFIG, Exchange, Time, call_sid, exchange, told
from tests.dialling.test_placing import ending_of
from tests.tenants import HUNG_UP, OURS, Tenant, call_of, task

GONE = Ending(Result.FAILED, Reason.CALLER_LOST, "unknown_to_twilio")
NEVER_CAME = Ending(Result.FAILED, Reason.CALLER_LOST, "never_came")


def not_answered(detail: str) -> Ending:
    """Return the ending of a call that nobody took."""
    return Ending(Result.FAILED, Reason.NOT_ANSWERED, detail)


@dataclass
class Settling:
    """A settler and what it works on, with clocks moved by hand."""

    database: Database
    twilio: Exchange
    settler: Settler
    time: Time

    async def after(self, seconds: float) -> None:
        """Let time pass, and look at the calls."""
        self.time.passed_s += seconds
        await self.settler.settle()

    async def dialled(self, acme: Tenant, *, sid: bool = True, asked: bool = True) -> Call:
        """Return a call that was asked for just now."""
        _, call = await acme.executed()
        calls = Calls(self.database)
        if asked:
            await calls.note_step(call.id, "asked_at", self.time.now())
        if sid:
            await calls.note_sid(call.id, call_sid())
        return call


@asynccontextmanager
async def settling(
    database: Database, patience: Patience | None = None, *, account: bool = True
) -> AsyncIterator[Settling]:
    """Return a settler with an exchange to ask."""
    async with exchange() as twilio:
        time, client = twilio.time, twilio.client if account else None
        settler = Settler(
            *(database, client, CallSids(database, client)), now=time.now, clock=time.clock, patience=patience
        )
        yield Settling(database, twilio, settler, time)


class TestSilence:
    """Calls of which no callback came."""

    @pytest.mark.parametrize(
        ("status", "ending"),
        [
            ("busy", not_answered("busy")),
            ("no-answer", not_answered("no_answer")),
            ("canceled", not_answered("canceled")),
            ("completed", NEVER_CAME),
        ],
    )
    async def test_twilio_is_asked_after_a_minute(
        self, database: Database, acme: Tenant, status: str, ending: Ending
    ) -> None:
        """What it says is as good as a callback."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            at.twilio.statuses[call_sid()] = status
            await at.after(50)
            assert at.twilio.asked == []
            await at.after(11)
            assert at.twilio.asked == [call_sid()]
            await at.after(3)
            await at.after(3)

        assert await ending_of(database, call) == ending

    async def test_call_that_rings_is_asked_about_each_minute(self, database: Database, acme: Tenant) -> None:
        """No more often, however often the calls are looked at."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            at.twilio.statuses[call_sid()] = "ringing"
            for _ in range(31):
                await at.after(6)

        assert len(at.twilio.asked) == 3
        found = await Calls(database).find_by_id(call.id)
        assert found is not None
        assert (found.live, found.phone_status, found.ringing_at is not None) == (True, "ringing", True)

    async def test_who_answered_is_learned_too(self, database: Database, acme: Tenant) -> None:
        """As the lost callback would have told."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            at.twilio.statuses[call_sid()], at.twilio.answered_by[call_sid()] = "completed", "machine_start"
            await at.after(61)

        found = await Calls(database).find_by_id(call.id)
        assert found is not None
        assert found.answered_by == "machine_start"

    async def test_call_that_twilio_does_not_know(self, database: Database, acme: Tenant) -> None:
        """It is over."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            await at.after(61)

        assert await ending_of(database, call) == GONE

    async def test_twilio_that_is_away_is_asked_again(self, database: Database, acme: Tenant) -> None:
        """The call waits."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            at.twilio.refuse_all = 500
            await at.after(61)
            assert await ending_of(database, call) is None
            at.twilio.refuse_all, at.twilio.statuses[call_sid()] = 0, "failed"
            await at.after(61)

        assert await ending_of(database, call) == not_answered("failed")

    async def test_call_that_rang_here_is_settled_as_well(self, database: Database, acme: Tenant) -> None:
        """Numbers seldom have a status callback; a caller who left before the stream is found so."""
        async with settling(database) as at:
            call = await acme.ring(call_sid=call_sid())
            at.twilio.statuses[call_sid()] = "completed"
            await at.after(61)
            await at.after(3)
            await at.after(3)

        assert await ending_of(database, call) == NEVER_CAME

    async def test_without_an_account_silence_is_the_end(self, database: Database, acme: Tenant) -> None:
        """There is nobody to ask: after ten minutes nobody came."""
        async with settling(database, account=False) as at:
            call = await acme.ring(call_sid=call_sid())
            lost = await at.dialled(acme, sid=False)
            await at.after(500)
            assert await ending_of(database, call) is None
            for _ in range(4):
                await at.after(61)

        assert await ending_of(database, call) == NEVER_CAME
        assert await ending_of(database, lost) is None

    async def test_held_call_is_its_nodes(self, database: Database, acme: Tenant) -> None:
        """A call with a lease is not looked at."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            await CallLeases(database, "b").take(call.id)
            await at.after(3_600)

        assert at.twilio.asked == []
        assert await ending_of(database, call) is None


class TestLastWord:
    """Calls that Twilio said are over."""

    @pytest.mark.parametrize(("talked", "reason"), [(True, "caller_hung_up"), (False, "caller_lost")])
    async def test_its_node_has_a_moment_to_say_how(
        self, database: Database, acme: Tenant, talked: bool, reason: str
    ) -> None:
        """Then it is settled by what the row says; Twilio need not be asked."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            if talked:
                await Calls(database).start(call.id, at.time.now())
            await Calls(database).note_phone_status(call_sid(), "completed", at.time.now())
            await at.after(30)
            assert await ending_of(database, call) is None
            await at.after(2)

        ending = await ending_of(database, call)
        assert ending is not None
        assert (ending.reason, at.twilio.asked) == (reason, [])

    async def test_moment_begins_with_the_word(self, database: Database, acme: Tenant) -> None:
        """A call that was waited for already is not ended the instant it is over."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            await at.after(55)
            await Calls(database).note_phone_status(call_sid(), "completed", at.time.now())
            await at.after(1)
            await at.after(1)
            assert await ending_of(database, call) is None
            await at.after(1)
        assert await ending_of(database, call) == NEVER_CAME

    async def test_refused_call_whose_end_was_not_stored(self, database: Database, acme: Tenant) -> None:
        """A callback that was half kept."""
        async with settling(database) as at:
            call = await at.dialled(acme)
            await Calls(database).note_phone_status(call_sid(), "busy", at.time.now())
            await at.after(3)
            await at.after(3)

        assert await ending_of(database, call) == not_answered("busy")


class TestLostCreate:
    """Calls of which Twilio's answer was lost."""

    async def test_call_that_was_made_is_found(self, database: Database, acme: Tenant) -> None:
        """By its numbers and its time; a call of somebody else's, or of another time, is not it."""
        async with settling(database) as at:
            _, other = await acme.executed()
            await Calls(database).note_sid(other.id, call_sid(3))
            call = await at.dialled(acme, sid=False)
            form = {"To": call.to_number, "From": OURS, "Url": "x"}
            at.twilio.placed, at.twilio.sids = [form] * 4, [call_sid(n) for n in (1, 2, 3, 4)]
            at.twilio.created_at = {
                call_sid(1): at.time.now() - timedelta(minutes=2),
                call_sid(4): at.time.now() + timedelta(minutes=2),
            }
            await at.after(9)
            assert at.twilio.asked == []
            at.time.passed_s = 0.0
            at.twilio.created_at |= {call_sid(n): at.time.now() for n in (2, 3)}
            await at.after(11)

        found = await Calls(database).find_by_id(call.id)
        assert found is not None
        assert (found.call_sid, found.phone_status, found.live) == (call_sid(2), "queued", True)

    async def test_two_lost_calls_to_one_number_are_two(self, database: Database, acme: Tenant) -> None:
        """Each finds one of its own, although they look at the same moment."""
        async with settling(database) as at:
            calls = [await at.dialled(acme, sid=False) for _ in range(2)]
            form = {"To": calls[0].to_number, "From": OURS}
            at.twilio.placed, at.twilio.sids = [form] * 2, [call_sid(1), call_sid(2)]
            at.twilio.created_at = {call_sid(n): at.time.now() for n in (1, 2)}
            await at.after(11)
            await at.after(11)

        found = [await Calls(database).find_by_id(call.id) for call in calls]
        assert {one.call_sid for one in found if one is not None} == {call_sid(1), call_sid(2)}

    async def test_found_call_may_be_over(self, database: Database, acme: Tenant) -> None:
        """Then so is ours."""
        async with settling(database) as at:
            call = await at.dialled(acme, sid=False)
            at.twilio.placed, at.twilio.sids = [{"To": call.to_number, "From": OURS}], [call_sid()]
            at.twilio.created_at[call_sid()] = at.time.now()
            at.twilio.statuses[call_sid()] = "no-answer"
            await at.after(11)

        assert await ending_of(database, call) == not_answered("no_answer")

    async def test_found_call_that_is_to_be_no_more(self, database: Database, acme: Tenant) -> None:
        """It is hung up."""
        async with settling(database) as at:
            call = await at.dialled(acme, sid=False)
            await Calls(database).note_step(call.id, "stop_asked_at", at.time.now())
            at.twilio.placed, at.twilio.sids = [{"To": call.to_number, "From": OURS}], [call_sid()]
            at.twilio.created_at[call_sid()] = at.time.now()
            await at.after(11)

        assert at.twilio.hung_up == [call_sid()]

    async def test_call_that_was_never_made(self, database: Database, acme: Tenant) -> None:
        """After a minute and a half of looking there is none, and none is made."""
        async with settling(database) as at:
            call = await at.dialled(acme, sid=False)
            for _ in range(8):
                await at.after(11)
            assert await ending_of(database, call) is None
            await at.after(11)

        assert await ending_of(database, call) == not_placed("lost")
        assert (at.twilio.placed, len(at.twilio.asked)) == ([], 9)

    async def test_twilio_that_cannot_say_leaves_it_open(self, database: Database, acme: Tenant) -> None:
        """A call is not given up because nobody could look."""
        async with settling(database) as at:
            call = await at.dialled(acme, sid=False)
            at.twilio.refuse_all = 500
            await at.after(200)

        assert await ending_of(database, call) is None

    async def test_call_that_was_never_asked_for(self, database: Database, acme: Tenant) -> None:
        """Its node died between the row and the request."""
        async with settling(database) as at:
            call = await at.dialled(acme, sid=False, asked=False)
            await at.after(80)
            assert await ending_of(database, call) is None
            await at.after(11)

        assert await ending_of(database, call) == not_placed("never_asked")


async def test_trouble_with_one_call_is_its_own(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are settled all the same."""
    async with settling(database) as at:
        bad, good = await at.dialled(acme, sid=False, asked=False), await at.dialled(acme)
        await Calls(database).note_phone_status(call_sid(), "busy", at.time.now())
        end = at.settler._calls.end

        async def troubled(call_id: str, *rest: Any) -> Call | None:
            if call_id == bad.id:
                raise StorageError("busy", reason="busy")
            return await end(call_id, *rest)

        monkeypatch.setattr(at.settler._calls, "end", troubled)
        await at.after(100)
        await at.after(3)

    assert await ending_of(database, good) == not_answered("busy")
    assert await ending_of(database, bad) is None


async def test_settler_goes_on_when_the_database_is_away(database: Database, acme: Tenant) -> None:
    """It looks again when that is back."""
    async with settling(database, Patience(every_s=0.01, over_s=0.0)) as at:
        call = await at.dialled(acme)
        await Calls(database).note_phone_status(call_sid(), "busy", at.time.now())
        await _rename(database, "calls", "elsewhere")
        at.time.passed_s = 5.0
        async with asyncio.TaskGroup() as group:
            running = group.create_task(at.settler.run())
            await asyncio.sleep(0.05)
            await _rename(database, "elsewhere", "calls")
            for _ in range(500):
                if await ending_of(database, call) is not None:
                    break
                await asyncio.sleep(0.01)
            running.cancel()

    assert await ending_of(database, call) == not_answered("busy")


async def _rename(database: Database, table: str, to: str) -> None:
    async with database.writing() as connection:
        await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {to}")


# --- many calls whose news is shuffled, doubled and lost

SEEDS = int(os.environ.get("CALLBACK_SEEDS", "140"))
"""How many there are; more can be asked for: a thousand take most of a minute (``--timeout 120``)."""

TALKED, NO_STREAM, CANCELED = "talked", "no_stream", "stopped"
FATES = {
    "busy": not_answered("busy"),
    "no-answer": not_answered("no_answer"),
    "failed": not_answered("failed"),
    "canceled": not_answered("canceled"),
    NO_STREAM: NEVER_CAME,
    CANCELED: STOPPED,
    TALKED: HUNG_UP,
}
ANSWERED = {NO_STREAM, TALKED}


@dataclass
class Story:
    """A call's fate, and what of it reaches us in which order."""

    call: Call
    number: int
    fate: str
    rng: Random
    steps: list[str] = field(default_factory=list)

    @property
    def final(self) -> str:
        """Twilio's last word."""
        return "completed" if self.fate in ANSWERED | {CANCELED} else self.fate

    def write(self) -> None:
        """Double, drop and shuffle the callbacks; what the call's node does comes in its order between."""
        answered = ["in-progress"] if self.fate in ANSWERED else []
        callbacks = ["initiated", "ringing", *answered, self.final]
        kept = [one for one in callbacks if self.rng.random() > 0.25]
        kept += [one for one in kept if self.rng.random() < 0.4]
        self.rng.shuffle(kept)
        deeds = {TALKED: ["take", "start", "end"], CANCELED: ["stop"]}.get(self.fate, [])
        places = sorted(self.rng.randint(0, len(kept)) for _ in deeds)
        for place, deed in reversed(list(zip(places, deeds, strict=True))):
            kept.insert(place, deed)
        self.steps = kept


async def _live(story: Story, database: Database, news: Callbacks, time: Time) -> None:
    """Let a call's news arrive."""
    calls, node = Calls(database), CallLeases(database, "node")
    sid = call_sid(story.number)
    if story.rng.random() > 0.2:  # else Twilio's answer to the create was lost
        await calls.note_sid(story.call.id, sid)
    for step in story.steps:
        match step:
            case "take":
                await node.take(story.call.id)
            case "start":
                await calls.start(story.call.id, time.now())
            case "end":
                await calls.end(story.call.id, HUNG_UP, time.now())
            case "stop":
                await calls.note_step(story.call.id, "stop_asked_at", time.now())
            case _:
                await news.status(told(step, story.number), story.call.id)


async def _dialled(acme: Tenant, twilio: Exchange, count: int) -> list[Call]:
    """Dial calls of tasks, each to a number of its own, all in one transaction."""
    tasks = [
        task(acme.id, acme.agent.id, to_number=f"+49301{n:06d}", webhook_url="https://example.com/hook")
        for n in range(count)
    ]
    rows = [begun(call_of(one)) for one in tasks]
    started = [
        values_of(replace(one, status="in_progress", call_id=str(row["id"])))
        for one, row in zip(tasks, rows, strict=True)
    ]
    async with acme.database.writing() as connection:
        await connection.execute(sa.insert(schema.tasks), started)
        await connection.execute(sa.insert(schema.calls), rows)
        await connection.execute(sa.update(schema.calls).values(asked_at=twilio.time.now()))
        listed = await fetch_all(connection, Call, sa.select(schema.calls))
    return sorted(listed, key=lambda call: call.to_number)


async def _stories(acme: Tenant, twilio: Exchange, count: int) -> list[Story]:
    """Give each call its fate, and Twilio the knowledge of it."""
    found = []
    for seed, call in enumerate(await _dialled(acme, twilio, count)):
        rng, number = Random(seed), seed + 1
        story = Story(call, number, rng.choice(list(FATES)), rng)
        story.write()
        twilio.placed.append({"To": call.to_number, "From": OURS})
        twilio.sids.append(call_sid(number))
        twilio.statuses[call_sid(number)] = story.final
        twilio.created_at[call_sid(number)] = twilio.time.now()
        found.append(story)
    return found


async def test_calls_whose_news_is_shuffled_doubled_and_lost(database: Database, acme: Tenant) -> None:
    """Each of many comes to its own right end, once, and its webhook hears of that end once."""
    async with settling(database) as at:
        stories = await _stories(acme, at.twilio, SEEDS)
        sids = CallSids(database, at.twilio.client)
        news = Callbacks(database, at.twilio.client, sids, CONFIG, node="a", now=at.time.now)
        for story in stories:
            await _live(story, database, news, at.time)
        # Twice a moment for what is over, a minute for what was silent, a moment for what that brought.
        for seconds in (5, 5, 61, 5, 5, 61, 5, 5):
            await at.after(seconds)

    assert await _ends(database) == {story.call.id: FATES[story.fate] for story in stories}
    assert {story.fate for story in stories} == set(FATES)
    assert await _terminal_events(database) == {story.call.id: 1 for story in stories}
    heard = await _delivered(database, at.time)
    assert heard.keys() == {story.call.id for story in stories}
    for story in stories:
        assert heard[story.call.id] == _told_of(story), (story.fate, story.steps)


def _told_of(story: Story) -> list[str]:
    """Return what a webhook has to hear of a call: its beginning if it had one, and its end."""
    end = "call_completed" if FATES[story.fate].result is Result.COMPLETED else "call_failed"
    return ["call_started", end] if story.fate == TALKED else [end]


async def _delivered(database: Database, time: Time) -> dict[str, list[str]]:
    """Deliver all events as they wait; return what a receiver that is up heard of each call."""
    heard: dict[str, list[str]] = defaultdict(list)

    async def send(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        event = json.loads(body)
        heard[event["call_id"]].append(event["event_type"])
        return Answer(204, {}, b"")

    async def sign(event: OutboxEvent, unix_s: int, body: bytes) -> Mapping[str, str]:
        return {"webhook-id": event.id}

    deliveries = Deliveries(Outbox(database), send, sign, node="a", now=time.now)
    await deliveries.deliver_due()
    return dict(heard)


async def _ends(database: Database) -> dict[str, Ending]:
    columns = (schema.calls.c.id, schema.calls.c.result, schema.calls.c.reason, schema.calls.c.detail)
    async with database.reading() as connection:
        rows = (await connection.execute(sa.select(*columns))).all()
    return {row.id: Ending(Result(row.result), Reason(row.reason), row.detail) for row in rows}


async def _terminal_events(database: Database) -> dict[str, int]:
    told = (
        sa.select(schema.outbox.c.call_id, sa.func.count())
        .where(schema.outbox.c.event_type != "call_started")
        .group_by(schema.outbox.c.call_id)
    )
    async with database.reading() as connection:
        return {row[0]: row[1] for row in await connection.execute(told)}
