"""Placing a call: what Twilio is asked, and what is left behind when it does not answer."""

import asyncio
from dataclasses import replace

import pytest

from gateway.dialling.config import DialConfig
from gateway.dialling.outcomes import STOPPED, not_placed
from gateway.dialling.placing import UNCERTAIN, Placer
from gateway.dialling.sids import CallSids
from gateway.errors import ConfigError, StorageError, TwilioApiError
from gateway.records import Ending, Reason, Result
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call, NewCall
from gateway.storage.tasks import Tasks
from tests.dialling.exchange import CONFIG, PUBLIC_URL, Exchange, Time, exchange
from tests.tenants import CALLEE, NOW, OURS, Tenant

EVENTS = ["initiated", "ringing", "answered", "completed"]


def placer(database: Database, twilio: Exchange | None, config: DialConfig = CONFIG) -> Placer:
    """Return one for a test."""
    client = None if twilio is None else twilio.client
    return Placer(database, client, CallSids(database, client), config, node="a", now=Time().now)


async def ending_of(database: Database, call: Call) -> Ending | None:
    """Return how a call ended, None when it goes on."""
    found = await Calls(database).find_by_id(call.id)
    assert found is not None
    if found.result is None or found.reason is None:
        return None
    return Ending(Result(found.result), Reason(found.reason), found.detail)


async def test_new_call_is_the_tasks(database: Database, acme: Tenant) -> None:
    """From our number to its own, by this node; each with an id of its own."""
    task = await acme.add_task()
    placing = placer(database, None)
    made = placing.new_call(task)

    assert made == NewCall(
        id=made.id,
        organization_id=acme.id,
        agent_id=acme.agent.id,
        task_id=task.id,
        source="task",
        direction="outbound",
        from_number=OURS,
        to_number=CALLEE,
        node="a",
        created_at=NOW,
    )
    assert placing.new_call(task).id != made.id


async def test_call_is_asked_for_with_its_id_in_every_url(database: Database, acme: Tenant) -> None:
    """Twilio tells everything of it to URLs that name it; its SID is known at once."""
    task, call = await acme.executed()
    async with exchange() as twilio:
        await placer(database, twilio).place(call, task)

    assert twilio.placed[0] == {
        "To": CALLEE,
        "From": OURS,
        "Url": f"{PUBLIC_URL}/twilio/voice?call={call.id}",
        "StatusCallback": f"{PUBLIC_URL}/twilio/status?call={call.id}",
        "Timeout": "60",
        "StatusCallbackEvent": "completed",
    }
    assert twilio.events == [EVENTS]
    found = await Calls(database).find_by_id(call.id)
    assert found is not None
    assert (found.call_sid, found.asked_at, found.status) == (twilio.sids[0], NOW, "initiated")


@pytest.mark.parametrize(("wish", "mode"), [("hang_up", "Enable"), ("leave_message", "DetectMessageEnd")])
async def test_machines_are_detected_where_the_task_minds(
    database: Database, acme: Tenant, wish: str, mode: str
) -> None:
    """Beside the call, never before it: its audio is not held back."""
    task, call = await acme.executed(answering_machine=wish)
    async with exchange() as twilio:
        await placer(database, twilio).place(call, task)

    form = twilio.placed[0]
    assert (form["MachineDetection"], form["AsyncAmd"]) == (mode, "true")
    assert form["AsyncAmdStatusCallback"] == f"{PUBLIC_URL}/twilio/amd?call={call.id}"


async def test_call_is_asked_for_once(database: Database, acme: Tenant) -> None:
    """Of two who place it, in this process or another, one asks."""
    task, call = await acme.executed()
    async with exchange() as twilio, asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(placer(database, twilio).place(call, task))

    assert len(twilio.placed) == 1


async def test_call_that_is_over_is_not_asked_for(database: Database, acme: Tenant) -> None:
    """Somebody ended it in the queue."""
    task, call = await acme.executed()
    await Calls(database).end(call.id, STOPPED, NOW)
    async with exchange() as twilio:
        await placer(database, twilio).place(call, task)

    assert twilio.placed == []


async def test_refusal_ends_the_call_and_is_told(database: Database, acme: Tenant) -> None:
    """With Twilio's own number for it."""
    task, call = await acme.executed()
    async with exchange() as twilio:
        twilio.refuse = 400
        with pytest.raises(TwilioApiError) as caught:
            await placer(database, twilio).place(call, task)

    assert caught.value.reason == "bad_request"
    assert await ending_of(database, call) == not_placed("twilio_21211")


@pytest.mark.parametrize("how", ["lost", "server_error"])
async def test_doubtful_create_is_neither_repeated_nor_ended(
    database: Database, acme: Tenant, how: str
) -> None:
    """The call may be ringing: its row stays, to be looked for."""
    task, call = await acme.executed()
    async with exchange() as twilio:
        twilio.lose, twilio.refuse = how == "lost", 503 if how == "server_error" else 0
        await placer(database, twilio).place(call, task)

    found = await Calls(database).find_by_id(call.id)
    assert found is not None
    assert (found.live, found.call_sid, found.asked_at) == (True, None, NOW)
    assert len(twilio.placed) == (how == "lost")
    assert {"timeout", "unreachable"} < UNCERTAIN


async def test_call_ended_while_it_is_asked_for_is_hung_up(database: Database, acme: Tenant) -> None:
    """It has no SID to name until Twilio answers; then it goes."""
    task, call = await acme.executed()
    async with exchange() as twilio:
        twilio.go_on = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(placer(database, twilio).place(call, task))
            await twilio.asking.wait()
            await Calls(database).note_step(call.id, "stop_asked_at", NOW)
            twilio.go_on.set()

    assert twilio.hung_up == twilio.sids
    assert len(twilio.sids) == 1


@pytest.mark.parametrize("lacking", ["account", "number"])
async def test_gateway_that_places_no_calls_says_so(database: Database, acme: Tenant, lacking: str) -> None:
    """Without our number, or without credentials: the call ends, and the message names what to set."""
    task, call = await acme.executed()
    async with exchange() as twilio:
        placing = placer(
            database,
            None if lacking == "account" else twilio,
            CONFIG if lacking == "account" else replace(CONFIG, from_number=None),
        )
        with pytest.raises(ConfigError, match="GATEWAY_OUTBOUND__FROM_NUMBER"):
            await placing.place(call, task)

    assert await ending_of(database, call) == not_placed("not_configured")
    assert (await Tasks(database).find(acme.id, task.id)) is not None


async def _rename(database: Database, table: str, to: str) -> None:
    async with database.writing() as connection:
        await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {to}")


async def test_dead_database_places_nothing(database: Database, acme: Tenant) -> None:
    """What cannot be put down is not asked for."""
    task, call = await acme.executed()
    await _rename(database, "calls", "elsewhere")
    async with exchange() as twilio:
        with pytest.raises(StorageError):
            await placer(database, twilio).place(call, task)

    assert twilio.placed == []


@pytest.mark.parametrize("refuse", [0, 400])
async def test_database_that_dies_while_twilio_is_asked(
    database: Database, acme: Tenant, refuse: int
) -> None:
    """A call that was created is not disowned; a refusal is still told."""
    task, call = await acme.executed()
    async with exchange() as twilio:
        twilio.go_on, twilio.refuse = asyncio.Event(), refuse
        async with asyncio.TaskGroup() as group:
            placing = group.create_task(_outcome(placer(database, twilio), call, task))
            await twilio.asking.wait()
            await _rename(database, "calls", "elsewhere")
            twilio.go_on.set()
    await _rename(database, "elsewhere", "calls")

    assert placing.result() == ("bad_request" if refuse else "")
    assert await ending_of(database, call) is None


async def _outcome(placing: Placer, call: Call, task: object) -> str:
    try:
        await placing.place(call, task)  # type: ignore[arg-type]  # a task of the test
    except TwilioApiError as error:
        return error.reason
    return ""
