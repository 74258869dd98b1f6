"""Calls by the API: lists, details, transcripts, reports, events."""

from gateway.storage.calls import Calls
from tests.control_room import ControlRoom
from tests.tenants import CALLEE, HUNG_UP, LOST, NOW, after, an_id

RECORD = {
    "summary": "Ada books a table.",
    "extracted_data": {"day": "monday"},
    "tags": ["booking"],
    "cost": 0.12,
    "transcript": [{"role": "caller", "text": "from the platform"}],
}


async def test_call_is_told_with_transcript_and_report(room: ControlRoom) -> None:
    """All of a finished call: its steps, what was said, how it went."""
    call = await room.acme.finished()
    told = (await room.get(f"/calls/{call.id}")).data

    assert (told["status"], told["result"], told["reason"]) == ("completed", "completed", "caller_hung_up")
    assert (told["from_number"], told["to_number"]) == (CALLEE, call.to_number)
    assert (told["created_at"], told["ended_at"]) == ("2026-11-26T12:00:00.123Z", "2026-11-26T12:01:00.123Z")
    assert [(entry["role"], entry["text"]) for entry in told["transcript"]] == [
        ("caller", "hello"),
        ("agent", "hi there"),
    ]
    assert told["report"]["duration_s"] == 60.0
    assert told["report"]["turns"] == {"caller": 1, "agent": 1}
    assert "organization_id" not in told
    assert "node" not in told


async def test_live_call_is_told_as_far_as_it_is(room: ControlRoom) -> None:
    """Nothing is known of its end yet."""
    call = await room.acme.talk()
    told = (await room.get(f"/calls/{call.id}")).data

    assert (told["status"], told["ended_at"], told["transcript"]) == ("in_progress", None, [])
    assert (told["report"]["outcome"], told["report"]["duration_s"]) == (None, None)


async def test_calls_are_found_by_every_filter(room: ControlRoom) -> None:
    """Task, agent, status, outcome, number and time narrow the list."""
    task, outbound = await room.acme.executed(LOST)
    inbound = await room.acme.finished(created_at=after(100), from_number="+15550100")
    await room.rival.finished()
    found = {
        "": {outbound.id, inbound.id},
        f"task_id={task.id}": {outbound.id},
        f"agent_id={room.acme.agent.id}": {outbound.id, inbound.id},
        f"agent_id={room.rival.agent.id}": set(),
        "status=completed": {inbound.id},
        "outcome=failed": {outbound.id},
        "number=%2B15550100": {inbound.id},
        "since=2026-11-26T12:01:00Z": {inbound.id},
        "until=2026-11-26T12:01:00Z": {outbound.id},
        "status=initiated": set(),
    }
    for query, expected in found.items():
        page = (await room.get(f"/calls?{query}")).data
        assert ({call["id"] for call in page["items"]}, page["total"]) == (expected, len(expected)), query
    newest = (await room.get("/calls?limit=1")).data
    assert [call["id"] for call in newest["items"]] == [inbound.id]


async def test_events_are_listed_oldest_first(room: ControlRoom) -> None:
    """In pages, as they happened."""
    call = await room.acme.finished()
    page = (await room.get(f"/calls/{call.id}/events?limit=1&offset=1")).data
    [event] = page["items"]

    assert page["total"] == 2
    assert (event["seq"], event["kind"], event["data"]["text"]) == (2, "transcript", "hi there")


async def test_transcript_and_report_stand_alone(room: ControlRoom) -> None:
    """The same as within the call."""
    call = await room.acme.finished()
    whole = (await room.get(f"/calls/{call.id}")).data
    transcript = (await room.get(f"/calls/{call.id}/transcript")).data

    assert transcript == {"call_id": call.id, "transcript": whole["transcript"]}
    assert (await room.get(f"/calls/{call.id}/report")).data == whole["report"]


async def test_platforms_record_is_fetched_and_kept(room: ControlRoom) -> None:
    """Asked for again, it adds summary and extracted data; what we heard stays what we heard."""
    call = await room.acme.finished()
    await Calls(room.database).note_agent(call.id, "session-1", NOW)
    room.floor.record = RECORD
    fetched = (await room.post(f"/calls/{call.id}/transcript")).data
    kept = (await room.get(f"/calls/{call.id}/report")).data

    assert fetched["extracted_data"] == {"day": "monday"}
    assert [entry["text"] for entry in fetched["transcript"]] == ["hello", "hi there"]
    assert fetched["report"] == kept
    assert kept["summary"] == "Ada books a table."


async def test_platforms_transcript_stands_in_where_we_heard_nothing(room: ControlRoom) -> None:
    """A call whose events were lost is not without words."""
    call = await room.acme.talk()
    await Calls(room.database).note_agent(call.id, "session-1", NOW)
    await Calls(room.database).end(call.id, HUNG_UP, after(5))
    room.floor.record = RECORD
    fetched = (await room.post(f"/calls/{call.id}/transcript")).data

    assert [entry["text"] for entry in fetched["transcript"]] == ["from the platform"]
    assert (await room.get(f"/calls/{call.id}/transcript")).data["transcript"] == fetched["transcript"]


async def test_record_that_is_not_there_is_told(room: ControlRoom) -> None:
    """No session is 400; a record that is not written yet is 503 with when to come again."""
    call = await room.acme.finished()
    without = await room.post(f"/calls/{call.id}/transcript")
    await Calls(room.database).note_agent(call.id, "session-1", NOW)
    early = await room.post(f"/calls/{call.id}/transcript")

    assert (without.status, without.reason) == (400, "no_session")
    assert (early.status, early.reason, early.headers["Retry-After"]) == (503, "no_record", "5")


async def test_calls_that_are_not_there(room: ControlRoom) -> None:
    """Unknown or a rival's: 404 for every way in, alike to the letter."""
    foreign = (await room.rival.finished()).id
    for tail in ("", "/transcript", "/report", "/events"):
        answers = [await room.get(f"/calls/{call_id}{tail}") for call_id in (an_id(), foreign)]
        assert {answer.status for answer in answers} == {404}
        assert len({str(answer.body["details"]) + answer.body["error"] for answer in answers}) == 1
    assert (await room.post(f"/calls/{foreign}/transcript")).status == 404
