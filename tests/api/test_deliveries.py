"""Event webhooks and the suppression list by the API."""

from gateway.storage.outbox import DialledDigits, Outbox
from gateway.storage.rows import DeliveryAttempt
from tests.control_room import ControlRoom
from tests.tenants import CALLEE, HUNG_UP, after, an_id

HOOK = "https://example.com/hook"


def first_try(event_id: str, status: int | None, error: str) -> DeliveryAttempt:
    """Return the first try to deliver an event."""
    return DeliveryAttempt(
        event_id=event_id, number=1, at=after(100), status=status, error=error, latency_ms=30
    )


async def test_deliveries_are_told_with_their_tries(room: ControlRoom) -> None:
    """What was sent, to where, how often, and what was answered."""
    task, call = await room.acme.executed(HUNG_UP, webhook_url=HOOK)
    outbox = Outbox(room.database)
    [event] = await outbox.claim_due("n1", after(100))
    attempt = first_try(event.id, 500, "status_500")
    await outbox.record_attempt(attempt, "pending", after(105))
    listed = (await room.get(f"/webhook-deliveries?call_id={call.id}&state=pending")).data
    told = (await room.get(f"/webhook-deliveries/{event.id}")).data

    assert listed["total"] == 1
    assert listed["items"][0].items() <= told.items()
    assert (told["event_type"], told["task_id"], told["url"]) == ("call_completed", task.id, HOOK)
    assert told["body"]["status"] == "completed"
    assert told["next_attempt_at"] == "2026-11-26T12:01:45.123Z"
    assert told["attempts_made"] == [
        {
            "number": 1,
            "at": "2026-11-26T12:01:40.123Z",
            "status": 500,
            "error": "status_500",
            "latency_ms": 30,
        }
    ]
    for query in (f"task_id={an_id()}", f"call_id={an_id()}", "state=dead"):
        assert (await room.get(f"/webhook-deliveries?{query}")).data["total"] == 0


async def test_digits_are_masked(room: ControlRoom) -> None:
    """That a caller dialled is told, how many digits too; which ones their receiver alone knows."""
    _, call = await room.acme.executed()
    told = DialledDigits(id=an_id(), call_id=call.id, url=HOOK, digits="97*", at=after(5))
    await Outbox(room.database).add_digits(told)
    listed = (await room.get("/webhook-deliveries")).data["items"][0]
    detail = (await room.get(f"/webhook-deliveries/{told.id}")).data
    again = (await room.post(f"/webhook-deliveries/{told.id}/redeliver")).data
    [kept] = await Outbox(room.database).claim_due("n1", after(1_000))

    for shown in (listed, detail, again):
        assert shown["event_type"] == "dtmf_received"
        assert shown["body"]["data"] == {"agent_id": room.acme.agent.id, "digits": "***"}
    assert kept.body["data"]["digits"] == "97*"


async def test_dead_letter_is_redelivered(room: ControlRoom) -> None:
    """It is due again, now, under its id."""
    await room.acme.executed(HUNG_UP, webhook_url=HOOK)
    outbox = Outbox(room.database)
    [event] = await outbox.claim_due("n1", after(100))
    await outbox.record_attempt(first_try(event.id, None, "timeout"), "dead", after(100))
    room.pass_time(500)
    told = (await room.post(f"/webhook-deliveries/{event.id}/redeliver")).data

    assert (told["state"], told["next_attempt_at"]) == ("pending", "2026-11-26T12:08:20.123Z")
    assert [one.id for one in await outbox.claim_due("n1", after(500))] == [event.id]


async def test_deliveries_of_others_are_not_there(room: ControlRoom) -> None:
    """Not listed, not told, not sent again."""
    await room.rival.executed(HUNG_UP, webhook_url=HOOK)
    [event] = await Outbox(room.database).claim_due("n1", after(100))

    assert (await room.get("/webhook-deliveries")).data["total"] == 0
    for delivery_id in (event.id, an_id()):
        assert (await room.get(f"/webhook-deliveries/{delivery_id}")).status == 404
        assert (await room.post(f"/webhook-deliveries/{delivery_id}/redeliver")).status == 404
    found = await Outbox(room.database).find(room.rival.id, event.id)
    assert found == event


async def test_suppressed_number_is_not_called(room: ControlRoom) -> None:
    """On the list it blocks, for this organization alone; off it no longer."""
    added = await room.post("/suppression-list", {"number": CALLEE, "reason": "asked us"})
    again = await room.post("/suppression-list", {"number": CALLEE})
    blocked = await room.post("/tasks:check", {"to_number": CALLEE})
    other = await room.post("/tasks:check", {"to_number": CALLEE}, key="rival")
    listed = (await room.get("/suppression-list")).data
    path = f"/suppression-list/{added.data['id']}"
    foreign = await room.delete(path, key="rival")
    removed = await room.delete(path)

    assert (added.status, added.data["reason"]) == (201, "asked us")
    assert again.data == added.data
    assert listed["items"] == [added.data]
    assert [block["rule"] for block in blocked.data["blocks"]] == ["suppression_list"]
    assert other.data["allowed"] is True
    assert (foreign.status, removed.status, (await room.delete(path)).status) == (404, 200, 404)
    assert (await room.post("/tasks:check", {"to_number": CALLEE})).data["allowed"] is True


async def test_suppressed_number_must_be_one(room: ControlRoom) -> None:
    """Anything but E.164 is refused, as is a reason of several lines."""
    assert (await room.post("/suppression-list", {"number": "0800"})).body["details"]["field"] == "number"
    wrong = await room.post("/suppression-list", {"number": CALLEE, "reason": "a\nb"})
    assert wrong.body["details"]["field"] == "reason"
