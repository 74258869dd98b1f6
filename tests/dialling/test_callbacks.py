"""Twilio's callbacks: any order, any number, and who picked up."""

from dataclasses import replace
from itertools import permutations

import pytest

from gateway.dialling.callbacks import Callbacks
from gateway.dialling.outcomes import LEFT_MESSAGE, STOPPED, met_machine
from gateway.dialling.sids import CallSids
from gateway.records import Ending, Reason, Result
from gateway.storage.agents import Agents
from gateway.storage.call_leases import CallLeases
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.outbox import Outbox
from gateway.storage.rows import Call
from tests.dialling.exchange import CONFIG, Exchange, Time, call_sid, exchange, told
from tests.dialling.test_placing import ending_of
from tests.tenants import NOW, Tenant, an_id

BUSY = Ending(Result.FAILED, Reason.NOT_ANSWERED, "busy")
NEVER_CAME = Ending(Result.FAILED, Reason.CALLER_LOST, "never_came")


def callbacks(database: Database, twilio: Exchange | None = None) -> Callbacks:
    """Return one for a test."""
    client = None if twilio is None else twilio.client
    return Callbacks(database, client, CallSids(database, client), CONFIG, node="a", now=Time().now)


async def state(database: Database, call: Call) -> Call:
    """Return a call as it is now."""
    found = await Calls(database).find_by_id(call.id)
    assert found is not None
    return found


async def test_callback_makes_a_call_known(database: Database, acme: Tenant) -> None:
    """Even when Twilio's answer to the create was lost: the URL names the call."""
    _, call = await acme.executed()
    await callbacks(database).status(told("ringing"), call.id)

    found = await state(database, call)
    assert (found.call_sid, found.phone_status, found.ringing_at) == (call_sid(), "ringing", NOW)


async def test_every_order_of_a_busy_call_ends_it_once(database: Database, acme: Tenant) -> None:
    """Whatever comes first, and however often: busy, with one event of it."""
    orders = list(permutations(["queued", "initiated", "ringing", "busy"]))
    news = callbacks(database)
    for number, order in enumerate(orders, 1):
        _, call = await acme.executed(webhook_url="https://example.com/hook")
        for status in (*order, *order):
            await news.status(told(status, number), call.id)
        assert await ending_of(database, call) == BUSY
        assert (await state(database, call)).phone_status == "busy"

    events = await Outbox(database).list_page(acme.id, 100, 0)
    assert [event.event_type for event in events.items] == ["call_failed"] * len(orders)


async def test_completed_call_is_left_to_its_node(database: Database, acme: Tenant) -> None:
    """Who has the stream knows more of the end than Twilio does."""
    _, call = await acme.executed()
    news = callbacks(database)
    for status in ("completed", "in-progress", "completed"):
        await news.status(told(status), call.id)

    found = await state(database, call)
    assert (found.status, found.phone_status) == ("initiated", "completed")


@pytest.mark.parametrize(
    ("node", "streamless", "ending"),
    [("a", True, NEVER_CAME), ("a", False, None), ("b", True, None), (None, True, None)],
)
async def test_caller_who_left_before_the_stream(
    database: Database, acme: Tenant, node: str | None, streamless: bool, ending: Ending | None
) -> None:
    """A ringing call is ended by the node that answered it, when that has no stream of it."""
    call = await acme.ring(call_sid=call_sid(), node=node)
    await callbacks(database).status(told("completed"), streamless=streamless)

    assert await ending_of(database, call) == ending


async def test_talk_is_not_ended_for_want_of_a_stream_here(database: Database, acme: Tenant) -> None:
    """A call that talked once may go on elsewhere."""
    call = await acme.talk(call_sid=call_sid(), node="a")
    await callbacks(database).status(told("completed"), streamless=True)

    assert await ending_of(database, call) is None


@pytest.mark.parametrize(("held", "ending"), [(False, STOPPED), (True, None)])
async def test_call_stopped_while_it_rang(
    database: Database, acme: Tenant, held: bool, ending: Ending | None
) -> None:
    """Twilio calls it completed; nobody talked, as nobody holds it."""
    _, call = await acme.executed()
    await Calls(database).note_step(call.id, "stop_asked_at", NOW)
    if held:
        await CallLeases(database, "b").take(call.id)
    await callbacks(database).status(told("completed"), call.id)

    assert await ending_of(database, call) == ending


async def test_unknown_call_is_nobodys(database: Database, acme: Tenant) -> None:
    """A SID without a row, an id without a call, a status that is none: nothing happens."""
    _, call = await acme.executed()
    news = callbacks(database)
    await news.status(told("busy", 7))
    await news.status(told("busy"), an_id())
    await news.status(told("nonsense"), call.id)
    await news.status({"CallSid": call_sid()}, call.id)

    assert await ending_of(database, call) is None


class TestMachine:
    """Answering machine detection."""

    @pytest.mark.parametrize("who", ["human", "unknown"])
    @pytest.mark.parametrize("wish", ["hang_up", "leave_message"])
    async def test_people_are_talked_to(self, database: Database, acme: Tenant, who: str, wish: str) -> None:
        """And who may be one."""
        _, call = await acme.executed(answering_machine=wish)
        async with exchange() as twilio:
            await callbacks(database, twilio).machine(told("", AnsweredBy=who), call.id)

        found = await state(database, call)
        assert (found.answered_by, found.live, twilio.hung_up) == (who, True, [])

    @pytest.mark.parametrize("who", ["machine_start", "machine_end_beep", "fax"])
    async def test_unwanted_machine_is_hung_up(self, database: Database, acme: Tenant, who: str) -> None:
        """The call failed: it was meant for a person."""
        _, call = await acme.executed(answering_machine="hang_up")
        async with exchange() as twilio:
            for _ in range(2):
                await callbacks(database, twilio).machine(told("", AnsweredBy=who), call.id)

        assert await ending_of(database, call) == met_machine(who)
        assert (await state(database, call)).answered_by == who
        assert twilio.hung_up == [call_sid()]

    async def test_message_is_left_after_the_beep(self, database: Database, acme: Tenant) -> None:
        """The task's first words, filled, in place of the stream; the call came to what it was meant for."""
        words = "Good day {{customer_name}}, please call <us>."
        _, call = await acme.executed(answering_machine="leave_message", starting_message=words)
        async with exchange() as twilio:
            news = callbacks(database, twilio)
            await news.machine(told("", AnsweredBy="machine_end_beep"), call.id)

        said = twilio.updated[call_sid()]["Twiml"]
        assert "<Say>Good day Ada, please call &lt;us&gt;.</Say><Hangup/>" in said
        assert await ending_of(database, call) == LEFT_MESSAGE
        assert twilio.hung_up == []

    @pytest.mark.parametrize(("who", "words"), [("fax", "Hello."), ("machine_end_beep", None)])
    async def test_message_that_cannot_be_left(
        self, database: Database, acme: Tenant, who: str, words: str | None
    ) -> None:
        """A fax does not listen, and without words there is nothing to say: hung up."""
        _, call = await acme.executed(answering_machine="leave_message", starting_message=words)
        async with exchange() as twilio:
            await callbacks(database, twilio).machine(told("", AnsweredBy=who), call.id)

        assert await ending_of(database, call) == met_machine(who)
        assert (twilio.hung_up, twilio.updated) == ([call_sid()], {})

    async def test_message_that_twilio_does_not_take(self, database: Database, acme: Tenant) -> None:
        """The agent goes on talking to the machine."""
        _, call = await acme.executed(answering_machine="leave_message", starting_message="Hello.")
        async with exchange() as twilio:
            twilio.refuse_all = 500
            await callbacks(database, twilio).machine(told("", AnsweredBy="machine_end_other"), call.id)

        assert await ending_of(database, call) is None

    async def test_agent_that_is_gone_has_no_words(self, database: Database, acme: Tenant) -> None:
        """Its task's call is hung up."""
        _, call = await acme.executed(answering_machine="leave_message", starting_message=None)
        await Agents(database).update(acme.id, acme.agent.id, starting_message=None)
        async with exchange() as twilio:
            await callbacks(database, twilio).machine(told("", AnsweredBy="machine_end_silence"), call.id)

        assert twilio.hung_up == [call_sid()]

    async def test_task_that_does_not_mind(self, database: Database, acme: Tenant) -> None:
        """It is put down who answered, and nothing else."""
        _, call = await acme.executed(answering_machine="continue")
        await callbacks(database).machine(told("", AnsweredBy="machine_start"), call.id)

        found = await state(database, call)
        assert (found.answered_by, found.live) == ("machine_start", True)

    async def test_call_that_is_over_stays_as_it_is(self, database: Database, acme: Tenant) -> None:
        """A late result changes no ending; one of nobody's call, or with no result, nothing."""
        _, call = await acme.executed(BUSY, answering_machine="hang_up")
        async with exchange() as twilio:
            news = callbacks(database, twilio)
            await news.machine(told("", AnsweredBy="machine_start"), an_id())
            await news.machine(told(""), call.id)
            assert (await state(database, call)).answered_by is None
            await news.machine(told("", AnsweredBy="machine_start"), call.id)

        assert await ending_of(database, call) == BUSY
        assert replace(BUSY, detail="") != BUSY
