"""Outbound calls as the control plane uses them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.dialling.outbound import Outbound
from gateway.dialling.outcomes import STOPPED
from gateway.errors import TwilioApiError
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.tasks import Tasks
from tests.dialling.exchange import CONFIG, Exchange, Time, call_sid, exchange
from tests.dialling.test_placing import ending_of
from tests.tenants import NOW, Tenant, after


def outbound(database: Database, twilio: Exchange | None) -> Outbound:
    """Return what a test asks."""
    client = None if twilio is None else twilio.client
    return Outbound(database, client, CONFIG, node="a", now=Time().now)


async def test_executed_task_is_dialled(database: Database, acme: Tenant) -> None:
    """As the control plane does it: the row, then the request."""
    task = await acme.add_task()
    async with exchange() as twilio:
        calls = outbound(database, twilio)
        call = await Tasks(database).start(calls.new_call(task))
        assert call is not None
        await calls.place_call(call, task, acme.agent)

    assert twilio.call_ids() == [call.id]


class TestStop:
    """Calls that are to end."""

    async def test_call_in_the_queue_is_never_dialled(self, database: Database, acme: Tenant) -> None:
        """It is over at once."""
        task, call = await acme.executed()
        async with exchange() as twilio:
            calls = outbound(database, twilio)
            await calls.stop(call)
            await calls.place_call(call, task, acme.agent)

        assert (twilio.placed, twilio.hung_up) == ([], [])
        assert await ending_of(database, call) == STOPPED

    async def test_ringing_call_is_hung_up(self, database: Database, acme: Tenant) -> None:
        """Twilio tells its end; that somebody wanted it is put down."""
        task, call = await acme.executed()
        async with exchange() as twilio:
            calls = outbound(database, twilio)
            await calls.place_call(call, task, acme.agent)
            await calls.stop(call)

        assert twilio.hung_up == [call_sid()]
        found = await Calls(database).find_by_id(call.id)
        assert found is not None
        assert (found.live, found.stop_asked_at) == (True, NOW)

    async def test_call_that_is_asked_for_just_now(self, database: Database, acme: Tenant) -> None:
        """It has no SID yet: it is hung up when it gets one."""
        task, call = await acme.executed()
        async with exchange() as twilio:
            twilio.go_on = asyncio.Event()
            calls = outbound(database, twilio)
            async with asyncio.TaskGroup() as group:
                group.create_task(calls.place_call(call, task, acme.agent))
                await twilio.asking.wait()
                await calls.stop(call)
                assert await ending_of(database, call) is None
                twilio.go_on.set()

        assert twilio.hung_up == [call_sid()]

    async def test_canceled_call_is_hung_up(self, database: Database, acme: Tenant) -> None:
        """One that is marked failed already."""
        task, call = await acme.executed()
        async with exchange() as twilio:
            calls = outbound(database, twilio)
            await calls.place_call(call, task, acme.agent)
            await Calls(database).end(call.id, STOPPED, NOW)
            await calls.stop(call)

        assert twilio.hung_up == [call_sid()]

    async def test_ringing_call_of_a_caller(self, database: Database, acme: Tenant) -> None:
        """A call that rings here is ended the same way."""
        call = await acme.ring(call_sid=call_sid())
        async with exchange() as twilio:
            await outbound(database, twilio).stop(call)

        assert twilio.hung_up == [call_sid()]

    async def test_twilio_that_cannot_be_told(self, database: Database, acme: Tenant) -> None:
        """Whoever wanted it hears of it."""
        call = await acme.ring(call_sid=call_sid())
        async with exchange() as twilio:
            twilio.refuse_all = 500
            with pytest.raises(TwilioApiError):
                await outbound(database, twilio).stop(call)
        with pytest.raises(TwilioApiError, match="no phone account"):
            await outbound(database, None).stop(call)


@pytest.mark.parametrize("able", [True, False])
async def test_scheduled_tasks_are_placed_where_calls_can_be(
    database: Database, acme: Tenant, able: bool
) -> None:
    """Without an account or a number tasks wait instead of failing."""
    task = await acme.add_task(scheduled_at=after(-86_400))
    async with exchange() as twilio:
        calls = Outbound(
            *(database, twilio.client, CONFIG if able else replace(CONFIG, from_number=None)),
            node="a",
            now=lambda: datetime.now(UTC),
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(calls.run())
            for _ in range(300 if able else 10):
                if twilio.placed:
                    break
                await asyncio.sleep(0.01)
            running.cancel()

    found = await Tasks(database).find(acme.id, task.id)
    assert found is not None
    assert (found.status, len(twilio.placed)) == (("in_progress", 1) if able else ("pending", 0))
