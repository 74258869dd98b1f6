"""Tools in real calls: whatever an endpoint does, the agent has one answer in time, and nobody notices."""

import asyncio
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.records import Happening, Interrupted, ToolRun
from gateway.sandbox.stage import Exit
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.telemetry import metrics
from gateway.vatel.messages import Argument, Interruption, ToolCall
from tests.e2e.acts import Acts, InTurn, end, send, speak, tone
from tests.e2e.asking import Asking, Session
from tests.e2e.endpoint import DEADLINE_S, FAULTS, misbehaving
from tests.e2e.running import felt, run, undisturbed
from tests.e2e.town import Plan, Town, town
from tests.tools.workshop import EGRESS, after, says, serving

SLACK_S = 0.1
GAP_S = 0.040
STALLS = 5  # caller, gateway and agent share this process; so often a frame on its way waits for the loop
PATIENT = CallOptions(max_seconds=20.0)
SECRET = "canary-0123456789"
CARD = "4111111111111111"


async def make(place: Town, calls: int, stagger_s: float = 0.02) -> None:
    """Make so many calls at once, each to its end."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(calls):
            tasks.create_task(place.call(SilentCaller(), PATIENT))
            await asyncio.sleep(stagger_s)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a town's calls left behind.

    Attributes:
        late_s: how long this process stood still at worst, which no gateway can answer for.
    """

    sessions: list[Session]
    runs: list[ToolRun]
    late_s: float


def happened(place: Town, kind: type[Any]) -> list[Any]:
    """Return all of one kind that the journal told, of any call."""
    return [line for _, line in place.chronicle.lines if isinstance(line, kind)]


@pytest.fixture(scope="module")
def faulty() -> Evidence:
    """A call for each fault, all at the same time."""

    async def them_all() -> Evidence:
        script = Asking([(name,) for name in FAULTS])
        async with misbehaving() as (_, tools), town(Plan(script, tools=tools)) as place, felt() as pulse:
            await make(place, len(FAULTS))
        return Evidence(script.sessions, happened(place, ToolRun), pulse.worst_late_s)

    return run(undisturbed(them_all, in_time))


def in_time(evidence: Evidence) -> bool:
    """Tell whether every answer came in time and every caller was heard without a gap."""
    return all(
        session.worst_gap_s < GAP_S and session.latency_s(f"{session.tools[0]}-0") <= DEADLINE_S + SLACK_S
        for session in evidence.sessions
    )


@pytest.mark.timeout(120)
class TestFaults:
    """Every way in which an endpoint can let the agent down."""

    @pytest.mark.parametrize("name", FAULTS)
    def test_agent_has_one_answer(self, faulty: Evidence, name: str) -> None:
        """The right one, although it asked twice under the same id; and there is one record of it."""
        (session,) = (one for one in faulty.sessions if one.tools == (name,))
        (answer,) = session.answers
        (ran,) = (one for one in faulty.runs if one.name == name)
        fault = FAULTS[name]

        assert (ran.status, ran.detail) == (("error", fault.failure) if fault.failure else ("ok", ""))
        if fault.failure:
            assert json.loads(answer[1])["reason"] == fault.failure
        else:
            assert answer[1] == fault.output

    @pytest.mark.parametrize("name", FAULTS)
    def test_answer_is_there_in_time(self, faulty: Evidence, name: str) -> None:
        """At the tool's deadline and a tenth of a second at the latest."""
        (session,) = (one for one in faulty.sessions if one.tools == (name,))

        assert session.latency_s(f"{name}-0") <= DEADLINE_S + SLACK_S + STALLS * faulty.late_s

    @pytest.mark.parametrize("name", FAULTS)
    def test_caller_is_heard_all_the_while(self, faulty: Evidence, name: str) -> None:
        """Frames reach the agent every 20 ms whatever the tool is doing."""
        (session,) = (one for one in faulty.sessions if one.tools == (name,))

        assert len(session.frames) >= 10
        assert session.worst_gap_s < GAP_S + STALLS * faulty.late_s


def test_tools_of_one_question_run_at_the_same_time() -> None:
    """Four slow tools take as long as one."""

    async def ask_four() -> Session:
        script = Asking([("slow",) * 4])
        async with serving(after(0.4, says("done"))) as endpoint:
            tools = {"tools": [{"name": "slow", "url": endpoint.url}]}
            async with town(Plan(script, tools=tools)) as place:
                await make(place, 1)
        return script.sessions[0]

    session = run(ask_four())

    assert sorted(one for one, _, _ in session.answers) == ["slow-0", "slow-1", "slow-2", "slow-3"]
    assert max(session.latency_s(one) for one in session.asked_at) < 0.8


def test_late_result_reaches_the_callback_and_the_agent_its_fallback() -> None:
    """The agent is told at its deadline; what comes afterwards goes to the office."""

    async def too_slow() -> tuple[Session, list[Any]]:
        script = Asking([("slow",)])
        async with serving(after(1.2, says("booked"))) as endpoint, serving() as office:
            entry = {
                "name": "slow",
                "url": endpoint.url,
                "deadline_s": 0.5,
                "on_error": "Say that we will call back.",
                "callback_url": f"{office.url}/late",
            }
            async with town(Plan(script, tools={"tools": [entry]})) as place:
                await make(place, 1)
                async with asyncio.timeout(5.0):
                    await office.asked.wait()
            return script.sessions[0], [json.loads(seen.body) for seen in office.seen]

    session, told = run(too_slow())
    ((_, output, _),) = session.answers

    assert output == "Say that we will call back."
    assert 0.5 <= session.latency_s("slow-0") < 0.5 + 2 * SLACK_S
    assert [(one["status"], one["output"]) for one in told] == [("ok", "booked")]


def test_interruption_and_reconnect_leave_one_execution() -> None:
    """The caller cuts in, then the agent is lost in mid-tool; the next session asks again, and has it."""
    slot = (Argument("slot", "resolved", "string", value="19:30"),)
    first = Acts(
        (
            (0.2, speak("t", tone(440.0, 2.0), "One moment.")),
            (0.4, send(ToolCall("a", "book", slot))),
            (0.6, send(Interruption())),
            (0.8, end(Exit(1006))),
        )
    )
    second = Acts(((0.2, send(ToolCall("a", "book", slot))), (1.6, end())))

    async def booked() -> tuple[int, list[ToolRun], list[Interrupted], list[Any]]:
        async with serving(after(1.2, says("table 7")), says("table 8")) as endpoint:
            entry = {
                "name": "book",
                "url": endpoint.url,
                "idempotency": {"key": "{{ call.id }}:{{ arguments.slot }}"},
            }
            async with town(Plan(InTurn(first, second), tools={"tools": [entry]})) as place:
                await make(place, 1)
            sessions = [record.tool_outputs for record in place.sandbox.records]
            return len(endpoint.seen), happened(place, ToolRun), happened(place, Interrupted), sessions

    executed, runs, interruptions, sessions = run(booked())

    assert executed == 1
    assert len(interruptions) == 1
    assert sessions == [[], [("a", "table 7")]]
    assert sorted((one.status, one.replayed) for one in runs) == [("ok", True), ("undeliverable", False)]


def tools_file(url: str) -> str:
    """Return a tools file with one tool."""
    return (
        f'[[tools]]\nname = "which"\nurl = "{url}"\n'
        '[egress]\nallow_private = ["127.0.0.0/8"]\nallow_http = true\n'
    )


def test_reload_leaves_live_calls_alone(tmp_path: Path, logged: io.StringIO) -> None:
    """Calls under way keep their routes, new ones have the new; a broken file changes nothing."""

    async def reloaded() -> list[tuple[str, ...]]:
        script = Asking([("which",)], ask_after_s=1.5)
        async with serving(says("old")) as old, serving(says("new")) as new:
            path = tmp_path / "tools.toml"
            path.write_text(tools_file(old.url))
            plan = Plan(script, settings={"tools.file": str(path)})
            async with town(plan) as place, asyncio.TaskGroup() as tasks:
                tasks.create_task(make(place, 5))
                await place.chronicle.talking(5)
                await changed(place, path, tools_file(new.url), logged, "tools_loaded")
                tasks.create_task(make(place, 5))
                await place.chronicle.talking(10)
                await changed(place, path, '[[tools]]\nnam = "which"\n', logged, "tools_refused")
                tasks.create_task(make(place, 1))
        return [tuple(output for _, output, _ in session.answers) for session in script.sessions]

    answers = run(reloaded())
    told = [json.loads(line) for line in logged.getvalue().splitlines() if "tools_fault" in line]

    assert answers == [("old",)] * 5 + [("new",)] * 6
    assert any("needs url" in line["fault"] for line in told)


async def changed(place: Town, path: Path, text: str, logged: io.StringIO, event: str) -> None:
    """Change the tools file; wait until the gateway has said what it makes of it."""
    before = logged.getvalue().count(event)
    await asyncio.to_thread(path.write_text, text)
    place.gateway.reload_tools()
    async with asyncio.timeout(5.0):
        while logged.getvalue().count(event) == before:  # noqa: ASYNC110 - the log is what says so
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["answered", "refused", "too slow"])
def test_secrets_and_sensitive_arguments_are_nowhere(how: str, logged: io.StringIO) -> None:
    """Not in the log, not in a record, not in a metric, whether it goes well or not."""
    before = len(logged.getvalue())
    answers = {
        "answered": says(f'{{"card": "{CARD}", "echo": "{CARD[:4]} {CARD[4:8]} {CARD[8:12]} {CARD[12:]}"}}'),
        "refused": says(f"no such card {CARD}, key {SECRET}", status=400),
        "too slow": after(2.0, says()),
    }

    async def paid() -> list[Happening]:
        script = Asking([("pay",)], arguments=(Argument("card", "resolved", "string", value=CARD),))
        async with serving(answers[how]) as endpoint:
            entry = {
                "name": "pay",
                "url": f"{endpoint.url}/pay?key={SECRET}",
                "headers": {"X-Key": SECRET},
                "auth": {"type": "bearer", "token": SECRET},
                "sensitive": ["card"],
                "deadline_s": 0.3,
            }
            async with town(Plan(script, tools={"tools": [entry], "egress": EGRESS})) as place:
                await make(place, 1)
            assert CARD.encode() in endpoint.seen[0].body
            return [line for _, line in place.chronicle.lines]

    records = run(paid())
    kept = json.dumps([asdict(record) for record in records], default=str, ensure_ascii=False)

    for place_to_look in (logged.getvalue()[before:], kept, repr(records), metrics.exposition().decode()):
        assert SECRET not in place_to_look
        assert CARD not in place_to_look.replace(" ", "")
    assert "••••" in kept
