"""What can be done to calls by the API."""

import pytest

from gateway.storage.calls import Calls
from tests.control_room import ControlRoom
from tests.tenants import CALLEE, HUNG_UP, after, an_id


@pytest.mark.parametrize("answered", [False, True], ids=["ringing", "live"])
async def test_call_is_ended(room: ControlRoom, answered: bool) -> None:
    """A call that is live or still ringing ends; once over there is nothing to end."""
    call = await (room.acme.talk() if answered else room.acme.ring())
    ended = await room.post(f"/calls/{call.id}/end")
    again = await room.post(f"/calls/{call.id}/end")

    assert ended.data == {"call_id": call.id, "status": "completed", "message": "Call ending"}
    assert room.floor.asked == [("end", call.id)]
    assert (again.status, again.reason) == (400, "not_live")


async def test_canceled_call_has_failed(room: ControlRoom) -> None:
    """It is marked failed before it is hung up, so that no later ending can make it a success."""
    task, call = await room.acme.executed()
    canceled = await room.post(f"/calls/{call.id}/cancel")
    late = await Calls(room.database).end(call.id, HUNG_UP, after(9))
    told = (await room.get(f"/calls/{call.id}")).data

    assert canceled.data == {"call_id": call.id, "status": "failed", "message": "Call canceled"}
    assert room.floor.asked == [("cancel", call.id)]
    assert late is None
    assert (told["reason"], told["detail"]) == ("operator_ended", "canceled")
    assert (await room.get(f"/tasks/{task.id}")).data["status"] == "failed"
    assert (await room.post(f"/calls/{call.id}/cancel")).reason == "not_live"


async def test_caller_is_transferred(room: ControlRoom) -> None:
    """To a number, from a call that was answered."""
    ringing, live = await room.acme.ring(), await room.acme.talk()
    done = await room.post(f"/calls/{live.id}/transfer", {"to_number": CALLEE})
    early = await room.post(f"/calls/{ringing.id}/transfer", {"to_number": CALLEE})
    wrong = await room.post(f"/calls/{live.id}/transfer", {"to_number": "the boss"})

    assert done.data["message"] == "Call transferred"
    assert room.floor.asked == [("transfer", live.id, CALLEE)]
    assert (early.reason, wrong.body["details"]["field"]) == ("not_answered", "to_number")


async def test_finished_call_is_erased(room: ControlRoom) -> None:
    """Audio and text are gone everywhere, id and times stay; a live call must end first."""
    call, live = await room.acme.finished(), await room.acme.talk()
    refused = await room.delete(f"/calls/{live.id}")
    erased = await room.delete(f"/calls/{call.id}")
    told = (await room.get(f"/calls/{call.id}")).data

    assert refused.reason == "live"
    assert room.floor.asked == [("erase", call.id)]
    assert (erased.data["erased_at"], erased.data["ended_at"]) == (
        "2026-11-26T12:00:00.123Z",
        "2026-11-26T12:01:00.123Z",
    )
    assert (told["from_number"], told["to_number"], told["transcript"]) == ("", "", [])
    assert "hello" not in (await room.get(f"/calls/{call.id}/events")).raw.decode()
    assert (await room.get(f"/calls/{call.id}/recording/stream")).status == 404


async def test_calls_of_others_cannot_be_touched(room: ControlRoom) -> None:
    """Unknown or a rival's: 404, and nothing is asked of the gateway."""
    live = await room.rival.talk()
    for call_id in (an_id(), live.id):
        for answer in (
            await room.post(f"/calls/{call_id}/end"),
            await room.post(f"/calls/{call_id}/cancel"),
            await room.post(f"/calls/{call_id}/transfer", {"to_number": CALLEE}),
            await room.delete(f"/calls/{call_id}"),
        ):
            assert answer.status == 404
    assert room.floor.asked == []
    untouched = await Calls(room.database).find(room.rival.id, live.id)
    assert untouched == live


async def test_capacity_is_told(room: ControlRoom) -> None:
    """How many calls there are, may be, and could still come."""
    assert (await room.get("/capacity")).data == {"active": 3, "limit": 200, "available": 197}
