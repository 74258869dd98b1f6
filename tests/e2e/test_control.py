"""The control plane and the phone together: a key, an agent, a number, a call, and all that is told of it."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import pairwise
from typing import Any

import aiohttp
import numpy as np
import pytest

from gateway.audio import wav
from gateway.simulator.caller import SilentCaller, ToneCaller
from gateway.simulator.simulator import GATEWAY_NUMBER
from gateway.vatel.messages import InputTranscript
from tests.e2e.acts import Acts, send, speak, tone
from tests.e2e.office import Office, office
from tests.e2e.process import child
from tests.e2e.running import run
from tests.e2e.town import Plan, Town, town
from tests.live_room import statuses, texts, to_the_end

GREETING = "Good morning, this is the front desk."
WISH = "I would like a room."
CALLEE = "+15005550009"
TALK = Acts(
    (
        (0.1, speak("hello", tone(500.0, 0.8), GREETING)),
        (1.2, send(InputTranscript(WISH, "wish", True))),
        (1.3, lambda stage: stage.notes.extract("nights", 2, "The caller said: two nights")),
    )
)
"""Says something, then understands something, and takes note of it."""


def in_town(scene: Callable[[Town], Coroutine[Any, Any, None]], **settings: object) -> None:
    """Play a scene in a town of its own."""

    async def play() -> None:
        async with town(Plan(TALK, settings=settings)) as place:
            await scene(place)

    run(play())


def first_key(place: Town) -> str:
    """Return the key that the gateway made at its first start."""
    assert place.gateway.first is not None
    return place.gateway.first.key


async def key_of_the_command_line(place: Town) -> str:
    """Have the command line make a key beside the running gateway; return its last word."""
    environment = {"GATEWAY_DATABASE__URL": place.database_url}
    async with child("keys", "create", "--name", "office", environment=environment) as process:
        told, complaints = await process.communicate()
    assert process.returncode == 0, complaints
    return told.decode().split()[-1]


async def whole_story(place: Town) -> None:
    """From a key to a recording; the call is watched while it lives, and read when it is over."""
    key = await key_of_the_command_line(place)
    async with office(place.url, key) as desk, asyncio.TaskGroup() as group:
        agent = await desk.hire(place, GATEWAY_NUMBER, starting_message="Hello?", record=True)
        calling = group.create_task(place.call(ToneCaller(1_004.0, seconds=2.0)))
        call = await desk.live_call()
        watching = group.create_task(watched(desk, call["id"]))
        assert (call["agent_id"], call["to_number"]) == (agent["id"], GATEWAY_NUMBER)
        assert (await calling).call_sid == call["call_sid"]
        over = await desk.ended(call["id"])
        seen = await watching

        check_call(over)
        assert texts(seen)[-1] in (GREETING, WISH)
        assert {GREETING, WISH} <= set(texts(seen))
        assert statuses(seen) == ["in_progress", "completed"]
        await check_events(desk, call["id"])
        await check_recording(desk, call["id"])
        await check_session(place)
        await check_record(desk, place, over)
        assert (await desk.ask("GET", "/capacity"))["active"] == 0


async def watched(desk: Office, call_id: str) -> list[dict[str, Any]]:
    """Watch a call by its token; return all that was told."""
    access = await desk.ask("GET", f"/calls/{call_id}/live")
    url = access["websocket_url"]
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, params={"session_token": access["temp_token"]}) as socket,
    ):
        return await to_the_end(socket)


def check_call(over: dict[str, Any]) -> None:
    """Hold a call that is over to what happened in it."""
    assert (over["status"], over["reason"], over["direction"]) == ("completed", "caller_hung_up", "inbound")
    assert over["vatel_session_id"]
    steps = [over[name] for name in ("created_at", "answered_at", "ended_at")]
    assert all(earlier <= later for earlier, later in pairwise(steps))
    assert [(entry["role"], entry["text"]) for entry in over["transcript"]] == [
        ("agent", GREETING),
        ("caller", WISH),
    ]
    assert over["transcript"][0]["heard_ms"] == 800
    assert over["report"]["turns"] == {"agent": 1, "caller": 1}
    assert over["report"]["outcome"] == "completed"
    assert 1.5 < over["report"]["duration_s"] < 10


async def check_events(desk: Office, call_id: str) -> None:
    """Hold the events of a call to be numbered without a hole, from its first state to its end."""
    page = await desk.ask("GET", f"/calls/{call_id}/events?limit=100")
    assert [event["seq"] for event in page["items"]] == list(range(1, page["total"] + 1))
    kinds = [event["kind"] for event in page["items"]]
    assert "agent_joined" in kinds
    assert kinds[-1] == "call_ended"


async def check_recording(desk: Office, call_id: str) -> None:
    """Play the recording by its link, without a key, whole and in part: the caller left, the agent right."""
    content = await desk.play(call_id)
    link = (await desk.ask("GET", f"/calls/{call_id}/recording"))["recording_url"]
    async with (
        aiohttp.ClientSession() as http,
        http.get(link, headers={"Range": "bytes=44-1043"}) as part,
    ):
        assert part.status == 206
        assert part.headers["Content-Range"] == f"bytes 44-1043/{len(content)}"
        assert await part.read() == content[44:1044]
    stereo = np.frombuffer(content[44:], np.int16).reshape(-1, 2)
    assert (loudest_hz(stereo[:, 0]), loudest_hz(stereo[:, 1])) == (1_000, 500)
    assert wav.read(content)[1] == 8_000


def loudest_hz(samples: Any) -> int:
    """Return the frequency that is strongest in a signal at 8 kHz, to 10 Hz."""
    spectrum = np.abs(np.fft.rfft(samples))
    return round(float(np.argmax(spectrum)) * 8_000 / len(samples) / 10) * 10


async def check_session(place: Town) -> None:
    """Hold the agent's session to have begun as the agent of the API says."""
    (opening,) = [record.opening for record in place.sandbox.records]
    assert (opening.prompt, opening.first_message) == ("Be kind.", "Hello?")


async def check_record(desk: Office, place: Town, over: dict[str, Any]) -> None:
    """Hold report and transcript to what Vatel's own record of the call says, once it was fetched."""
    session = over["vatel_session_id"]
    headers = {"Authorization": f"Bearer {place.sandbox.api_key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.get(f"{place.sandbox.url}/v1/calls/{session}") as answer,
    ):
        record = await answer.json()
    report = await desk.until(f"/calls/{over['id']}/report", lambda report: report["summary"] is not None)
    told = (await desk.ask("GET", f"/calls/{over['id']}/transcript"))["transcript"]

    assert record["summary"].endswith(f"It began with: {WISH!r}.")
    assert report["summary"] == record["summary"]
    assert report["extracted_data"] == {"nights": 2}
    assert [entry["text"] for entry in told] == [
        entry["message"] for entry in record["transcript"]["entries"]
    ]
    assert report["duration_s"] == pytest.approx(record["duration_seconds"], abs=1.5)


def test_whole_story() -> None:
    """A key, an agent, a number, a simulated call; then call, transcript, report, recording, live socket."""
    in_town(whole_story)


async def ended_by_the_office(place: Town, how: str) -> None:
    """End a live call by the API."""
    async with office(place.url, first_key(place)) as desk, asyncio.TaskGroup() as group:
        await desk.hire(place, GATEWAY_NUMBER)
        calling = group.create_task(place.call(SilentCaller()))
        call = await desk.live_call()
        assert (await desk.ask("GET", "/capacity"))["active"] == 1
        assert (await desk.ask("GET", f"/calls/{call['id']}/recording", status=400))["reason"] == "live"
        await desk.ask("POST", f"/calls/{call['id']}/{how}")
        over = await desk.ended(call["id"])
        report = await calling
        assert report.ended_by == "gateway", report
        refused = await desk.ask("POST", f"/calls/{call['id']}/end", status=400)

    assert refused["reason"] == "not_live"
    wanted = {"end": ("completed", "operator_ended", ""), "cancel": ("failed", "operator_ended", "canceled")}
    assert (over["status"], over["reason"], over["detail"]) == wanted[how]


def test_live_call_is_ended() -> None:
    """A live call that is ended by the API says goodbye and is completed."""
    in_town(partial(ended_by_the_office, how="end"))


def test_live_call_is_cancelled() -> None:
    """A live call that is cancelled is hung up, and has failed."""
    in_town(partial(ended_by_the_office, how="cancel"))


async def default_agent(place: Town) -> None:
    """Call a number that nobody has named."""
    async with office(place.url, first_key(place)) as desk:
        await place.call(SilentCaller(0.5))
        (call,) = (await desk.until("/calls", lambda page: page["total"] == 1))["items"]
        over = await desk.ended(call["id"])

    assert (over["agent_id"], over["status"]) == (None, "completed")


def test_number_that_nobody_has_named_is_answered_by_the_agent_of_the_settings() -> None:
    """A gateway without agents of its own takes calls as ever, and keeps them."""
    in_town(default_agent)


async def placed_by_the_office(place: Town) -> None:
    """Place a call by the API, and one that waits for its time."""
    place.simulator.callee = SilentCaller(1.5)
    async with office(place.url, first_key(place)) as desk:
        wanted = {"name": "Desk", "system_prompt": "Speak to {{name}}.", "starting_message": "Hi {{name}}!"}
        agent = await desk.ask("POST", "/agents", wanted, 201)
        task = {"agent_id": agent["id"], "name": "Call", "to_number": CALLEE, "context_data": {"name": "Ada"}}
        now = (await desk.ask("POST", "/tasks", task, 201))["id"]
        executed = await desk.ask("POST", f"/tasks/{now}/execute")
        due = task | {"scheduled_at": "2020-01-01T00:00:00Z"}
        later = (await desk.ask("POST", "/tasks", due, 201))["id"]
        done = [await desk.until(f"/tasks/{one}", is_done) for one in (now, later)]
        over = await desk.ended(executed["call_id"])
        refused = await desk.ask("POST", f"/tasks/{now}/execute", status=400)

    assert [one["status"] for one in done] == ["completed"] * 2
    assert done[0]["call_id"] == executed["call_id"] != done[1]["call_id"]
    assert (over["direction"], over["to_number"], over["status"]) == ("outbound", CALLEE, "completed")
    assert over["transcript"][0]["text"] == GREETING
    assert refused["reason"] == "not_pending"
    assert {record.opening.first_message for record in place.sandbox.records} == {"Hi Ada!"}


def is_done(task: dict[str, Any]) -> bool:
    """Tell whether a task has been carried out."""
    return task["status"] in ("completed", "failed")


def test_tasks_are_carried_out() -> None:
    """A task that is executed and one that is due: each is one call, filled with what it was given."""
    in_town(placed_by_the_office, **{"outbound.from_number": GATEWAY_NUMBER})
