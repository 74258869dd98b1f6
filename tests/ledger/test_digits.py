"""What callers dialled on its way into the outbox: once, in order, whatever the database does."""

from typing import Any

import pytest
import structlog

from gateway.errors import StorageError
from gateway.ledger import steady
from gateway.storage.database import Database
from gateway.storage.outbox import Outbox
from tests.ledger.bookkeeping import ENDED, JOINED, Outage, at_work, until
from tests.tenants import Tenant

HOOK = "https://example.com/keys"


async def test_digits_are_in_the_outbox_in_the_order_dialled(acme: Tenant, database: Database) -> None:
    """Each is an event of the call, between its start and its end, due at once."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.happens(call, JOINED)
        await office.settled()
        for digits in ("1", "*9", "22"):
            office.ledger.digits.tell(call, HOOK, digits)
    told = await office.announced(call)

    assert [event.body["data"]["digits"] for event in told] == ["1", "*9", "22"]
    assert {(event.event_type, event.url, event.state) for event in told} == {
        ("dtmf_received", HOOK, "pending")
    }
    assert len({event.seq for event in told}) == 3
    assert told[0].body == {
        "event_type": "dtmf_received",
        "task_id": None,
        "call_id": call.call_id,
        "status": "in_progress",
        "data": {"agent_id": acme.agent.id, "digits": "1"},
    }


async def test_digits_outlast_their_call(acme: Tenant, database: Database) -> None:
    """What was dialled just before the end is told all the same."""
    async with at_work(database) as office:
        call = await office.ring(acme)
        office.ledger.digits.tell(call, HOOK, "1")
        office.happens(call, JOINED, ENDED)

    assert [event.body["data"]["digits"] for event in await office.announced(call)] == ["1"]


async def test_digits_outlast_an_outage(
    acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for the database, and keep their order."""
    monkeypatch.setattr(steady, "_ASK_AGAIN_S", 0.02)
    outage = Outage(database)
    async with at_work(outage) as office:
        call = await office.ring(acme)
        outage.away = True
        office.ledger.digits.tell(call, HOOK, "1")
        office.ledger.digits.tell(call, HOOK, "2")
        await until(lambda: outage.refused >= 3)
        outage.away = False

    assert [event.body["data"]["digits"] for event in await office.announced(call)] == ["1", "2"]


async def test_digits_that_cannot_be_told_are_a_line_in_the_log(
    acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the digits, and without where they were to go; the next are told."""

    async def full(outbox: Outbox, dialled: Any) -> None:
        raise StorageError("the disk is broken", reason="failed")

    with structlog.testing.capture_logs() as logs:
        async with at_work(database) as office:
            call = await office.ring(acme)
            with monkeypatch.context() as broken:
                broken.setattr(Outbox, "add_digits", full)
                office.ledger.digits.tell(call, HOOK, "987")
                await until(lambda: logs)
            office.ledger.digits.tell(call, HOOK, "1")

    [line] = [entry for entry in logs if entry["event"] == "digits_untold"]
    assert (line["call_id"], line["reason"]) == (call.call_id, "failed")
    assert "987" not in str(logs)
    assert [event.body["data"]["digits"] for event in await office.announced(call)] == ["1"]
