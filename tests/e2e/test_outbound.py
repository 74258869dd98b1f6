"""Calls that the gateway places, from the task to the end, through a Twilio that is not to be relied on."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.progress import CallbackOptions
from tests.e2e.acts import Acts, speak, tone
from tests.e2e.office import Office, office
from tests.e2e.running import run
from tests.e2e.town import Plan, Town, town

CALLEE = "+4930123456"
OURS = "+4930654321"
TALK = Acts(((0.1, speak("hello", tone(500.0, 0.4), "Good morning.")),))
UNRELIABLE = CallbackOptions(twice=True, order="shuffled", seed=7, dropped=frozenset({"ringing"}))
RINGING = CallOptions(ring_s=60.0)

Scene = Callable[[Town, Office], Coroutine[Any, Any, None]]


def play(scene: Scene, fate: CallOptions | None = None, callee_s: float = 1.0) -> None:
    """Play a scene in a town of its own, whose people put the phone down after a while."""

    async def played() -> None:
        async with town(Plan(TALK, settings={"outbound.from_number": OURS})) as place:
            place.simulator.callee = SilentCaller(callee_s)
            place.simulator.fate = fate or CallOptions()
            assert place.gateway.first is not None
            async with office(place.url, place.gateway.first.key) as desk:
                await scene(place, desk)

    run(played())


async def planned(place: Town, desk: Office, **fields: object) -> dict[str, Any]:
    """Create a task of an agent that greets by name."""
    words = {"system_prompt": "Remind {{name}}.", "starting_message": "Hello {{name}}!"}
    agent = await desk.hire(place, "+15550100", **words)
    wanted = {"agent_id": agent["id"], "name": "Remind", "to_number": CALLEE, "context_data": {"name": "Ada"}}
    task: dict[str, Any] = await desk.ask("POST", "/tasks", wanted | fields, 201)
    return task


async def executed(place: Town, desk: Office, **fields: object) -> str:
    """Create a task and execute it; return the id of its call."""
    task = await planned(place, desk, **fields)
    call_id: str = (await desk.ask("POST", f"/tasks/{task['id']}/execute"))["call_id"]
    return call_id


async def task_of(desk: Office, call: dict[str, Any]) -> str:
    """Return the status of a call's task."""
    return str((await desk.ask("GET", f"/tasks/{call['task_id']}"))["status"])


async def talked(place: Town, desk: Office) -> None:
    """Execute a task; its callee talks with the agent and puts the phone down."""
    over = await desk.ended(await executed(place, desk))

    assert (over["status"], over["reason"]) == ("completed", "caller_hung_up")
    assert (over["direction"], over["from_number"], over["to_number"]) == ("outbound", OURS, CALLEE)
    assert [entry["text"] for entry in over["transcript"]] == ["Good morning."]
    assert await task_of(desk, over) == "completed"
    (opening,) = [record.opening for record in place.sandbox.records]
    assert (opening.prompt, opening.first_message) == ("Remind Ada.", "Hello Ada!")


def test_executed_task_is_a_talk() -> None:
    """Callbacks come twice, in disorder and not all: the call is completed, as its stream says."""
    play(talked, CallOptions(callbacks=UNRELIABLE))


async def not_answered(place: Town, desk: Office) -> None:
    """Execute a task; Twilio dials, but its answer is lost, and the line is busy."""
    place.simulator.rest.lose_next = 1
    over = await desk.ended(await executed(place, desk))

    assert (over["status"], over["reason"], over["detail"]) == ("failed", "not_answered", "busy")
    assert await task_of(desk, over) == "failed"
    async with asyncio.timeout(5):
        while not place.simulator.outbound:  # noqa: ASYNC110 - its last callback is under way
            await asyncio.sleep(0.02)
    assert [report.ending for report in place.simulator.outbound] == ["busy"]
    assert [report.call_sid for report in place.simulator.outbound] == [over["call_sid"]]


def test_call_whose_create_was_lost_is_dialled_once() -> None:
    """Twilio's own requests name the call: it is neither lost nor dialled again."""
    play(not_answered, CallOptions(unanswered="busy", callbacks=UNRELIABLE))


async def machine(place: Town, desk: Office) -> None:
    """Execute a task that is not meant for machines."""
    over = await desk.ended(await executed(place, desk, answering_machine="hang_up"))
    async with asyncio.timeout(5):
        while not place.simulator.outbound:  # noqa: ASYNC110 - the call is being hung up
            await asyncio.sleep(0.02)

    assert (over["status"], over["reason"], over["detail"]) == ("failed", "machine_answered", "machine_start")
    assert over["answered_by"] == "machine_start"
    assert place.simulator.outbound[0].ending == "rest_completed"


def test_machine_is_hung_up() -> None:
    """Where the task does not want to talk to one."""
    play(machine, CallOptions(answered_by="machine_start"), callee_s=30.0)


async def message(place: Town, desk: Office) -> None:
    """Execute a task that leaves its words on a machine."""
    over = await desk.ended(await executed(place, desk, answering_machine="leave_message"))
    async with asyncio.timeout(5):
        while not place.simulator.outbound:  # noqa: ASYNC110 - the words are being said
            await asyncio.sleep(0.02)

    assert (over["status"], over["reason"], over["detail"]) == (
        "completed",
        "machine_answered",
        "message_left",
    )
    assert over["answered_by"] == "machine_end_beep"
    assert place.simulator.outbound[0].verbs[-2:] == ("Say", "Hangup")


def test_message_is_left_on_a_machine() -> None:
    """After the beep Twilio says the task's first words, and hangs up."""
    play(message, CallOptions(answered_by="machine_end_beep", say_s=0.2), callee_s=30.0)


@pytest.mark.parametrize(("how", "detail"), [("end", "before_the_talk"), ("cancel", "canceled")])
def test_ringing_call_is_ended(how: str, detail: str) -> None:
    """By the API, while the phone rings at the other end; nobody talks."""

    async def rang(place: Town, desk: Office) -> None:
        call_id = await executed(place, desk)
        await desk.until(f"/calls/{call_id}", lambda call: call["ringing_at"] is not None)
        await desk.ask("POST", f"/calls/{call_id}/{how}")
        over = await desk.ended(call_id)
        assert (over["status"], over["reason"], over["detail"]) == ("failed", "operator_ended", detail)
        assert over["answered_at"] is None

    play(rang, RINGING)


async def scheduled(place: Town, desk: Office) -> None:
    """Plan a task; it is placed in time."""
    due = datetime.now(UTC) + timedelta(seconds=1.5)
    task = await planned(place, desk, scheduled_at=due.isoformat())
    placed = await desk.until(f"/tasks/{task['id']}", lambda task: task["call_id"] is not None)
    over = await desk.ended(placed["call_id"])
    late_s = (datetime.fromisoformat(over["asked_at"]) - due).total_seconds()

    assert over["status"] == "completed"
    assert 0 <= late_s < 1.0
    assert len(place.simulator.outbound) <= 1


def test_scheduled_task_is_placed_in_time() -> None:
    """Within a second of its time, once."""
    play(scheduled, replace(CallOptions(), say_s=0.1), callee_s=0.4)


async def refused(place: Town, desk: Office) -> None:
    """Execute a task that Twilio has no room for, then, once it has, execute it again."""
    place.simulator.rest.refuse_next = 3
    task = await planned(place, desk)
    path = f"/tasks/{task['id']}"
    told = await desk.ask("POST", f"{path}/execute", status=503)
    failed = await desk.ask("GET", path)
    over = await desk.ended(failed["call_id"])
    await desk.ask("POST", f"{path}/reset")
    again = await desk.ended((await desk.ask("POST", f"{path}/execute"))["call_id"])

    assert told["reason"] == "rate_limited"
    assert failed["status"] == "failed"
    assert (over["status"], over["reason"], over["detail"]) == ("failed", "not_placed", "twilio_20429")
    assert again["status"] == "completed"
    assert (await desk.ask("GET", path))["attempts"] == 2


def test_call_that_twilio_refuses_has_failed() -> None:
    """Whoever executed the task hears of it, and may do so again."""
    play(refused, callee_s=0.4)
