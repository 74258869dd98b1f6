"""What callers dial in live calls, and what an agent's DTMF rules make of it: all of them in one town."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import trustme

from gateway import control_plane
from gateway.egress.client import Egress
from gateway.simulator.report import CallReport
from gateway.simulator.script import Dtmf, HangUp, Pause, ScriptedCaller, WaitEnd
from gateway.simulator.simulator import GATEWAY_NUMBER
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from tests.e2e.acts import Acts, speak, tone
from tests.e2e.office import Office, office
from tests.e2e.running import run
from tests.e2e.town import Plan, Town, heard_clip, town
from tests.receiver import HOST, Receiver, trusting
from tests.tenants import CALLEE

TALK = Acts(((0.1, speak("hello", tone(500.0, 0.2), "Good morning.")),))
COLLEAGUE = "+4930999"
CALLERS = {
    "hangup": ScriptedCaller((Pause(700), Dtmf("0"), WaitEnd())),
    "transfer": ScriptedCaller((Pause(700), Dtmf("1"), WaitEnd())),
    "webhook": ScriptedCaller((Pause(700), Dtmf("*9"), Pause(200), HangUp())),
    "ignore": ScriptedCaller((Pause(700), Dtmf("5"), Pause(200), HangUp())),
    "no_rule": ScriptedCaller((Pause(700), Dtmf("80"), Pause(200), HangUp())),
}
CALLED = ScriptedCaller((Pause(700), Dtmf("*9"), Pause(200), Dtmf("0"), WaitEnd()))
Told = dict[str, Any]


def rules(hook: Receiver) -> dict[str, dict[str, object]]:
    """Return an agent's rules; ``*98`` makes ``*9`` wait for more."""
    return {
        "0": {"action": "hangup"},
        "1": {"action": "transfer", "number": COLLEAGUE},
        "*9": {"action": "webhook", "url": hook.url},
        "*98": {"action": "ignore", "inter_digit_timeout_ms": 200},
        "5": {"action": "ignore"},
    }


async def webhook_secret(place: Town) -> str:
    """Return what the gateway's webhooks are signed with."""
    database = Database.open(place.database_url)
    [owner] = await Organizations(database).list_all()
    await database.close()
    return owner.webhook_secret


async def dialled(place: Town, desk: Office, hook: Receiver) -> tuple[dict[str, CallReport], Told]:
    """Have everybody call at once, and one be called; return their reports, and the call of the task.

    When all are connected the agent loses its rules.
    """
    agent = await desk.hire(place, GATEWAY_NUMBER, dtmf_rules=rules(hook))
    place.simulator.callee = CALLED
    wanted = {"agent_id": agent["id"], "name": "Call", "to_number": CALLEE, "webhook_url": hook.url}
    task = await desk.ask("POST", "/tasks", wanted, 201)
    async with asyncio.TaskGroup() as group:
        calls = {name: group.create_task(place.call(caller)) for name, caller in CALLERS.items()}
        executed = await desk.ask("POST", f"/tasks/{task['id']}/execute")
        await desk.until("/calls?status=in_progress", lambda page: page["total"] == len(calls) + 1)
        await desk.ask("PATCH", f"/agents/{agent['id']}", {"dtmf_rules": {}})
    return {name: call.result() for name, call in calls.items()}, await desk.ended(executed["call_id"])


async def in_the_books(desk: Office, reports: Mapping[str, CallReport]) -> dict[str, Told]:
    """Return what the API knows of calls, once they are over: each with its events of keys."""
    page = await desk.until(
        "/calls", lambda page: all(call["status"] in ("completed", "failed") for call in page["items"])
    )
    by_sid = {call["call_sid"]: call for call in page["items"]}
    return {name: await with_keys(desk, by_sid[report.call_sid]) for name, report in reports.items()}


async def with_keys(desk: Office, call: Told) -> Told:
    """Return a call with its events of keys, without their times, and with what was said in it."""
    page = await desk.ask("GET", f"/calls/{call['id']}/events?limit=100")
    events = [(one["kind"], one["data"]) for one in page["items"]]
    keys = [
        (kind, {name: value for name, value in data.items() if name != "at_s"})
        for kind, data in events
        if kind in ("key", "dtmf_rule")
    ]
    return call | {"keys": keys, "said": {data["text"] for kind, data in events if kind == "transcript"}}


def ran(action: str, digits: str) -> tuple[str, Told]:
    """Return the event of a rule that ran."""
    return "dtmf_rule", {"digits": digits, "action": action, "status": "ok", "detail": ""}


def check_calls(calls: dict[str, Told], reports: dict[str, CallReport]) -> None:
    """Hold each call to its end, and to what was written down of its keys."""
    how = {name: (call["status"], call["reason"], call["detail"]) for name, call in calls.items()}
    assert how == {
        "hangup": ("completed", "operator_ended", "dtmf_rule"),
        "transfer": ("completed", "transferred", ""),
        **dict.fromkeys(("webhook", "ignore", "no_rule"), ("completed", "caller_hung_up", "")),
    }
    assert {name: call["keys"] for name, call in calls.items()} == {
        "hangup": [ran("hangup", "*")],
        "transfer": [ran("transfer", "*")],
        "webhook": [ran("webhook", "**")],
        "ignore": [ran("ignore", "*")],
        "no_rule": [("key", {"digit": "*"})] * 2,  # one that begins with none: its 0 is not the rule's
    }
    assert reports["hangup"].ended_by == "gateway"
    assert heard_clip(reports["hangup"], "goodbye") is not None
    assert [call["said"] for call in calls.values()] == [{"Good morning."}] * len(CALLERS)


async def check_webhooks(desk: Office, hook: Receiver, calls: dict[str, Told], placed: Told) -> None:
    """Hold the receiver to have been told, and nobody else: in order, signed, once, with the digits."""
    await hook.until(4)
    told = [one.body for one in hook.taken if one.kind == "dtmf_received"]
    assert hook.of(placed["id"]) == ["call_started", "dtmf_received", "call_completed"]
    assert hook.of(calls["webhook"]["id"]) == ["dtmf_received"]
    assert (len(hook.taken), hook.forged) == (4, 0)
    assert {(body["call_id"], body["task_id"]) for body in told} == {
        (placed["id"], placed["task_id"]),
        (calls["webhook"]["id"], None),
    }
    assert [body["data"] for body in told] == [{"agent_id": placed["agent_id"], "digits": "*9"}] * 2
    page = await desk.ask("GET", "/webhook-deliveries")
    shown = [one["body"]["data"] for one in page["items"] if one["event_type"] == "dtmf_received"]
    assert [data["digits"] for data in shown] == ["**"] * 2


def test_what_callers_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hang up, transfer, webhook, ignore, and no rule, in calls that came in and one that was placed."""
    authority = trustme.CA()
    monkeypatch.setattr(control_plane, "Egress", partial(Egress, tls=trusting(authority)))
    settings = {"outbound.from_number": "+15550100", "webhooks.allow_private": f"{HOST}/32"}

    async def play() -> None:
        async with town(Plan(TALK, settings=settings)) as place:
            assert place.gateway.first is not None
            async with (
                Receiver(await webhook_secret(place), authority) as hook,
                office(place.url, place.gateway.first.key) as desk,
            ):
                await hook.open()
                reports, placed = await dialled(place, desk, hook)
                calls = await in_the_books(desk, reports)
                check_calls(calls, reports)
                assert (await with_keys(desk, placed))["keys"] == [ran("webhook", "**"), ran("hangup", "*")]
                assert placed["reason"] == "operator_ended"
                await check_webhooks(desk, hook, calls, placed)

    run(play())
