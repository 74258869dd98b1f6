"""Which agent answers, and the row that a call has by then."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.dialling.outcomes import STOPPED, not_placed
from gateway.dialling.sids import CallSids
from gateway.dialling.switchboard import Switchboard
from gateway.errors import StorageError
from gateway.records import Ending, Opening, Reason, Result
from gateway.storage.agents import Agents, Numbers
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.rows import Agent, Call, NewCall, Number
from tests.dialling.exchange import ACCOUNT, CONFIG, TALKER, Exchange, Time, call_sid, exchange, told
from tests.dialling.test_placing import ending_of
from tests.tenants import NOW, OURS, Tenant, after, agent, an_id, organization

RING = told("ringing")


class Books:
    """Opens the rows of calls as the ledger does, without holding them."""

    def __init__(self, database: Database) -> None:
        self._calls = Calls(database)
        self.opened: list[NewCall] = []
        self.failure: StorageError | None = None

    async def open(self, call: NewCall) -> Call:
        """Return the row of a call."""
        if self.failure is not None:
            raise self.failure
        self.opened.append(call)
        return await self._calls.begin(call)


def switchboard(
    database: Database, *, books: Books | None = None, twilio: Exchange | None = None, **changes: Any
) -> Switchboard:
    """Return one for a test."""
    sids = CallSids(database, None if twilio is None else twilio.client)
    config = replace(CONFIG, **changes)
    return Switchboard(database, books or Books(database), sids, config, node="a", now=Time().now)


async def number(acme: Tenant, answering: Agent, dialled: str = OURS) -> None:
    """Lead a number to an agent."""
    added = Number(id=an_id(), organization_id=acme.id, number=dialled, agent_id=answering.id, created_at=NOW)
    await Numbers(acme.database).add(added)


async def another(acme: Tenant, **changes: Any) -> Agent:
    """Add another agent."""
    added = agent(acme.id, **changes)
    await Agents(acme.database).add(added)
    return added


class TestRing:
    """Calls that ring here."""

    async def test_number_leads_to_its_agent(self, database: Database, acme: Tenant) -> None:
        """The row is there before anybody is answered; the agent begins in its own words."""
        desk = await another(acme, starting_message="Hello.", vatel_agent_id="own", record=True)
        await number(acme, desk)
        books = Books(database)
        call = await switchboard(database, books=books).answer(RING)

        assert call is not None
        assert (call.call_sid, call.account_sid) == (call_sid(), ACCOUNT)
        assert (call.caller_number, call.called_number) == (RING["From"], OURS)
        assert (call.agent_id, call.gateway_agent_id, call.record) == ("own", desk.id, True)
        assert (call.organization_id, call.direction) == (acme.id, "inbound")
        assert call.opening == Opening(None, "Be kind.", "Hello.")
        found = await Calls(database).find(acme.id, call.call_id)
        assert found is not None
        assert (found.status, found.node, found.call_sid) == ("initiated", "a", call_sid())
        assert books.opened[0].id == call.call_id == call.call_id.lower()

    async def test_webhook_told_again_means_the_same_call(self, database: Database, acme: Tenant) -> None:
        """One after the other, and many at once: one row."""
        await number(acme, acme.agent)
        board = switchboard(database)
        first = await board.answer(RING)
        async with asyncio.TaskGroup() as group:
            again = [group.create_task(board.answer(RING)) for _ in range(10)]
            others = [group.create_task(board.answer(RING | {"CallSid": call_sid(2)})) for _ in range(10)]

        assert {task.result() and task.result().call_id for task in again} == {  # type: ignore[union-attr]
            first and first.call_id
        }
        assert len({task.result().call_id for task in others}) == 1  # type: ignore[union-attr]
        assert (await Calls(database).list_page(acme.id, 10, 0)).total == 2

    async def test_call_that_is_over_is_not_taken_again(self, database: Database, acme: Tenant) -> None:
        """A late repetition of its webhook opens nothing."""
        await number(acme, acme.agent)
        board = switchboard(database)
        call = await board.answer(RING)
        assert call is not None
        await Calls(database).end(call.call_id, STOPPED, NOW)

        assert await board.answer(RING) is None

    @pytest.mark.parametrize("default", [True, False])
    async def test_unknown_number_leads_to_the_default(
        self, database: Database, acme: Tenant, default: bool
    ) -> None:
        """The first organization's default agent, and without one the settings' own."""
        if default:
            await Organizations(database).update(acme.id, default_agent_id=acme.agent.id)
        younger = replace(organization("Younger"), created_at=after(1))
        await Organizations(database).add(younger)
        call = await switchboard(database).answer(RING)

        assert call is not None
        assert (call.organization_id, call.agent_id) == (acme.id, TALKER)
        assert call.gateway_agent_id == (acme.agent.id if default else "")

    async def test_disabled_default_agent_answers_nothing(self, database: Database, acme: Tenant) -> None:
        """The settings' own does."""
        off = await another(acme, enabled=False)
        await Organizations(database).update(acme.id, default_agent_id=off.id)
        call = await switchboard(database).answer(RING)

        assert call is not None
        assert call.gateway_agent_id == ""

    @pytest.mark.parametrize("lacking", ["enabled", "talker"])
    async def test_somebodys_number_never_leads_to_another(
        self, database: Database, acme: Tenant, lacking: str
    ) -> None:
        """While its agent cannot answer nobody does, although there is a default."""
        desk = await another(acme, enabled=lacking != "enabled")
        await number(acme, desk)
        books = Books(database)
        changes = {"default_vatel_agent_id": None} if lacking == "talker" else {}

        assert await switchboard(database, books=books, **changes).answer(RING) is None
        assert books.opened == []

    async def test_nobody_to_talk_takes_no_call(self, database: Database, acme: Tenant) -> None:
        """Neither the number, nor the organization, nor the settings name anybody."""
        assert await switchboard(database, default_vatel_agent_id=None).answer(RING) is None

    async def test_gateway_without_organizations_takes_no_call(self, database: Database) -> None:
        """There is nobody whose call it could be."""
        assert await switchboard(database).answer(RING) is None

    async def test_call_that_cannot_be_kept_is_told(self, database: Database, acme: Tenant) -> None:
        """Whoever asks has to turn it away."""
        books = Books(database)
        books.failure = StorageError("away", reason="unavailable")

        with pytest.raises(StorageError):
            await switchboard(database, books=books).answer(RING)


class TestPlaced:
    """Calls that we placed, and that were answered."""

    async def test_call_is_known_by_its_url(self, database: Database, acme: Tenant) -> None:
        """Even before its create was answered; the task's context is in its opening."""
        task, row = await acme.executed(starting_message="Hello {{customer_name}}.")
        call = await switchboard(database).answer(told("in-progress"), row.id)

        assert call is not None
        assert (call.call_id, call.call_sid, call.direction) == (row.id, call_sid(), "outbound")
        assert (call.caller_number, call.called_number) == (OURS, task.to_number)
        assert (call.context, call.opening.first_message) == ({"customer_name": "Ada"}, "Hello Ada.")
        found = await Calls(database).find_by_id(row.id)
        assert found is not None
        assert (found.phone_status, found.answered_at) == ("in-progress", NOW)

    async def test_another_node_knows_it_by_its_sid(self, database: Database, acme: Tenant) -> None:
        """A stream that broke is asked for again without the URL."""
        _, row = await acme.executed()
        first = await switchboard(database).answer(told("in-progress"), row.id)

        assert await switchboard(database).answer(told("in-progress")) == first

    @pytest.mark.parametrize("why", ["over", "stopped", "unknown", "another"])
    async def test_call_that_is_not_to_be(self, database: Database, acme: Tenant, why: str) -> None:
        """Ended, stopped while it rang, unknown, or another call's id: nobody talks."""
        _, row = await acme.executed()
        calls = Calls(database)
        if why == "over":
            await calls.end(row.id, STOPPED, NOW)
        if why == "stopped":
            await calls.note_step(row.id, "stop_asked_at", NOW)
        if why == "another":
            await calls.note_sid(row.id, call_sid(7))
        async with exchange() as twilio:
            board = switchboard(database, twilio=twilio)
            answer = await board.answer(told("in-progress"), an_id() if why == "unknown" else row.id)

        assert answer is None
        assert twilio.hung_up == ([call_sid()] if why in ("over", "stopped") else [])

    async def test_call_that_began_may_go_on_after_it_was_stopped(
        self, database: Database, acme: Tenant
    ) -> None:
        """Its node is ending it: a broken stream is none of that."""
        _, row = await acme.executed()
        calls = Calls(database)
        await calls.note_sid(row.id, call_sid())
        await calls.start(row.id, NOW)
        await calls.note_step(row.id, "stop_asked_at", NOW)

        assert await switchboard(database).answer(told("in-progress")) is not None


async def test_call_that_there_is_no_room_for(database: Database, acme: Tenant) -> None:
    """Its row ends: one that rang was not answered, one that we placed was in vain."""
    board = switchboard(database)
    rang = await board.answer(RING)
    _, row = await acme.executed()
    placed = await board.answer(told("in-progress", 2), row.id)
    assert rang is not None
    assert placed is not None
    await board.turn_away(rang, "busy")
    await board.turn_away(placed, "draining")

    inbound = await Calls(database).find_by_id(rang.call_id)
    assert inbound is not None
    assert await ending_of(database, inbound) == Ending(Result.FAILED, Reason.NOT_ANSWERED, "busy")
    assert await ending_of(database, row) == not_placed("draining")
