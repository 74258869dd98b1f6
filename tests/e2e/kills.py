"""Gateways that are killed in the middle of calls, again and again, at moments that a seed decides.

    python -m tests.e2e.kills --points 200 --seed 1 [--engine postgresql] [--patient]

Two real nodes share a database, a Valkey and a folder. One takes the calls and is killed (``SIGKILL``) while
some begin, some talk and some end; the other, which has watched that happen, takes the next ones while it
recovers the last. Meanwhile each call is watched, as a live transcript would be. What must hold when all is
over: see :class:`Verdict`.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from gateway.cluster.valkey import ValkeyCluster
from gateway.errors import ClusterError
from gateway.ledger.live import event_in
from gateway.sandbox.server import Sandbox
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.simulator.simulator import GATEWAY_NUMBER, Simulator
from gateway.storage import schema
from gateway.storage.agents import Agents, Numbers
from gateway.storage.call_events import CallEvents
from gateway.storage.database import Database
from gateway.storage.migrations import migrate
from gateway.storage.rows import CallEvent, Number
from gateway.vatel.messages import InputTranscript, ResponseText
from tests.databases import postgres_server
from tests.e2e.acts import Acts, send, speak, tone
from tests.e2e.process import ROOT, _environment, free_port
from tests.e2e.town import ACCOUNT_SID, AGENT, AUTH_TOKEN
from tests.tenants import NOW, an_id, tenant
from tests.valkeys import Valkey, node, running

CALLS: Final = 4
PREFIX: Final = "vatel-gateway"
LATEST_KILL_S: Final = 2.5
_TURN_S: Final = 0.25
_STARTS_WITHIN_S: Final = 20.0
_LOST_AUDIO_S: Final = 1.2  # a second, and what a busy machine is late by


def chatter(seconds: float = 6.0) -> Acts:
    """Return an agent that says and hears something four times a second."""
    acts = []
    for turn in range(round(seconds / _TURN_S)):
        at_s, heard = turn * _TURN_S, f"caller {turn}"
        acts += [
            (at_s, send(InputTranscript(heard[:4], f"c{turn}", False))),
            (at_s + 0.05, send(InputTranscript(heard, f"c{turn}", True))),
            (at_s + 0.1, send(ResponseText(f"a{turn}", f"agent {turn} has", False))),
            (at_s + 0.15, speak(f"a{turn}", tone(440.0, 0.1), f"agent {turn} has spoken")),
        ]
    return Acts(tuple(acts))


@dataclass
class Verdict:
    """What became of the calls of a campaign.

    Attributes:
        points: how often a node was killed.
        calls: rows in the books.
        cut: of them those that their node's death ended.
        events: stored, of all calls together.
        told: events that watchers saw.
        final_words: final transcript entries among those.
        recordings: finished ones.
        slowest_s: from the death of a node to the end of its last call, at worst.
        faults: what must not be, in words.
    """

    points: int = 0
    calls: int = 0
    cut: int = 0
    events: int = 0
    told: int = 0
    final_words: int = 0
    recordings: int = 0
    slowest_s: float = 0.0
    faults: list[str] = field(default_factory=list)


class Watching:
    """Watches every call that gets into the books, from its first event on. Lives as long as a campaign."""

    def __init__(self, database: Database, cluster: ValkeyCluster) -> None:
        self._database = database
        self._cluster = cluster
        self._events = CallEvents(database)
        self.seen: dict[str, list[CallEvent]] = {}
        self.over_at: dict[str, float] = {}
        self.at_it = 0

    async def run(self) -> None:
        """Look for calls, and watch each; ends by being cancelled."""
        now = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as group:
            while True:
                for call in await self.rows():
                    if call["id"] not in self.seen:
                        self.seen[call["id"]] = []
                        group.create_task(self._count(self._watch(call["id"], call["organization_id"])))
                    if call["status"] in ("completed", "failed"):
                        self.over_at.setdefault(call["id"], now())
                await asyncio.sleep(0.1)

    async def _count(self, watch: Coroutine[Any, Any, None]) -> None:
        self.at_it += 1
        await watch
        self.at_it -= 1

    async def rows(self) -> list[Any]:
        """Return all rows of calls."""
        async with self._database.reading() as connection:
            return list((await connection.execute(sa.select(schema.calls))).mappings())

    async def _watch(self, call_id: str, organization_id: str) -> None:
        """Read a call to its end; where something was missed, or not told, what is stored is read.

        A node may die between the end of a call and the word of it: a call that is over is not waited for.
        """
        seen = self.seen[call_id]
        while not seen or seen[-1].kind != "call_ended":
            over = call_id in self.over_at
            after = seen[-1].seq if seen else 0
            with suppress(ClusterError, TimeoutError):
                async with asyncio.timeout(2.0), self._cluster.events.watch(call_id, after) as told:
                    async for event in told:
                        seen.append(event_in(call_id, event.body))
                continue
            if len(seen) > after:
                continue
            seen += await self._events.list_all(organization_id, call_id, after)
            if over and len(seen) == after:
                return  # nothing ever happened in it


@dataclass
class Campaign:
    """Lives as long as :func:`campaign` holds it.

    Attributes:
        killed_at: when each call's node died, by the loop's clock.
        reports: what the callers' ends saw.
    """

    random: random.Random
    program: tuple[str, ...]
    folder: Path
    settings: dict[str, object]
    simulator: Simulator
    sandbox: Sandbox
    watching: Watching
    stack: AsyncExitStack
    readers: asyncio.TaskGroup
    patience_s: float
    reports: list[tuple[CallReport, float]] = field(default_factory=list)

    async def node(self, *before: str) -> tuple[asyncio.subprocess.Process, str]:
        """Start a gateway, with words before its command line; return it, and its address."""
        port = free_port()
        environment = _environment(port, self.sandbox, self.simulator, self.folder, self.settings)
        words = (*before, sys.executable, *self.program, "serve")
        process = await self.stack.enter_async_context(_command(words, environment))
        async with asyncio.timeout(_STARTS_WITHIN_S):
            assert process.stderr is not None
            async for line in process.stderr:
                if b'"serving"' in line:
                    break
        self.readers.create_task(_drain(process.stderr))
        return process, f"http://127.0.0.1:{port}"

    async def strike(self, process: asyncio.subprocess.Process, url: str) -> None:
        """Make calls through a node, and kill it while they go on."""
        now = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(self._call(url)) for _ in range(CALLS)]
            await asyncio.sleep(self.random.uniform(0.0, LATEST_KILL_S))
            process.kill()
            killed_at = now()
        self.reports += [(call.result(), killed_at) for call in calls]
        await process.wait()

    async def _call(self, url: str) -> CallReport:
        await asyncio.sleep(self.random.uniform(0.0, 0.8))
        caller = SilentCaller(seconds=self.random.uniform(0.3, 4.0))
        return await self.simulator.call(f"{url}/twilio/voice", caller, options=CallOptions(max_seconds=10.0))

    async def settle(self) -> None:
        """Wait until every call is over, and every recording finished, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience_s):
                while not await self._settled():  # noqa: ASYNC110 - the database does not tell
                    await asyncio.sleep(0.1)

    async def _settled(self) -> bool:
        rows, seen = await self.watching.rows(), self.watching.seen
        over = all(row["status"] in ("completed", "failed") for row in rows)
        told = all(not events or events[-1].kind == "call_ended" for events in seen.values())
        recorded = all(row["state"] != "recording" for row in await self.recordings())
        watched = len(seen) == len(rows) == len(self.watching.over_at) and not self.watching.at_it
        return over and told and recorded and watched

    async def recordings(self) -> list[Any]:
        """Return all rows of recordings."""
        async with self.watching._database.reading() as connection:
            return list((await connection.execute(sa.select(schema.recordings))).mappings())


async def judge(campaign: Campaign, database: Database) -> Verdict:
    """Look at the books when all is over."""
    verdict, rows = Verdict(), await campaign.watching.rows()
    verdict.points = len(campaign.reports) // CALLS
    verdict.calls = len(rows)
    verdict.cut = sum(row["reason"] == "node_lost" for row in rows)
    by_sid = {row["call_sid"]: row for row in rows}
    if len(by_sid) != len(rows):
        verdict.faults.append("a call has two rows")
    for row in rows:
        stored = await CallEvents(database).list_all(row["organization_id"], row["id"])
        _judge_events(verdict, row, stored, campaign.watching.seen.get(row["id"], []))
    recordings = {row["call_id"]: row for row in await campaign.recordings()}
    verdict.faults += [
        f"{key} is {row['state']}" for key, row in recordings.items() if row["state"] == "recording"
    ]
    verdict.recordings = sum(row["state"] == "ready" for row in recordings.values())
    for report, killed_at in campaign.reports:
        row = by_sid.get(report.call_sid)
        if row is not None:
            late_s = campaign.watching.over_at.get(row["id"], killed_at) - killed_at
            verdict.slowest_s = max(verdict.slowest_s, late_s)
            _judge_audio(verdict, row, report, recordings.get(row["id"]))
        elif report.answer_ms is not None:
            verdict.faults.append(f"{report.call_sid} was answered and has no row")
    return verdict


def _judge_events(verdict: Verdict, row: Any, stored: list[CallEvent], seen: list[CallEvent]) -> None:
    call_id = row["id"]
    verdict.events += len(stored)
    verdict.told += len(seen)
    verdict.final_words += sum(event.kind == "transcript" and event.data["final"] for event in seen)
    if row["status"] not in ("completed", "failed"):
        verdict.faults.append(f"{call_id} has no end")
    if [event.seq for event in stored] != list(range(1, len(stored) + 1)):
        verdict.faults.append(f"{call_id} has holes in its events")
    ends = [event.seq for event in stored if event.kind == "call_ended"]
    if stored and ends != [len(stored)]:  # a call in which nothing happened may have ended without an event
        verdict.faults.append(f"{call_id} does not end with its one end")
    if seen != stored:
        verdict.faults.append(f"{call_id}: {len(seen)} events were told and {len(stored)} are stored")


def _judge_audio(verdict: Verdict, row: Any, report: CallReport, recording: Any) -> None:
    heard_s = sum(stream.samples for stream in report.record.streams) / 8_000
    kept_s = 0.0 if recording is None else recording["duration_ms"] / 1_000
    if kept_s < heard_s - _LOST_AUDIO_S:
        verdict.faults.append(f"{row['id']}: {kept_s:.2f} s of {heard_s:.2f} s are recorded")


@asynccontextmanager
async def campaign(
    seed: int, *, postgres_url: str = "", hasty: bool = True
) -> AsyncIterator[tuple[Campaign, Database]]:
    """Prepare a campaign; all that it starts is gone at the end.

    Args:
        postgres_url: of a migrated database; without one a SQLite file is made.
        hasty: whether leases are short.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey: Valkey = stack.enter_context(running())
        url = postgres_url or f"sqlite:///{folder / 'gateway.db'}"
        database = Database.open(url)
        stack.push_async_callback(database.close)
        if not postgres_url:
            await migrate(database)
        sandbox = Sandbox()
        sandbox.add(AGENT, chatter())
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        await furnish(database, sandbox)
        simulator = await stack.enter_async_context(Simulator(ACCOUNT_SID, AUTH_TOKEN))
        watching = Watching(database, await stack.enter_async_context(node(valkey, "watcher", PREFIX)))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        looking = group.create_task(watching.run())
        stack.callback(looking.cancel)
        campaign = Campaign(
            random=random.Random(seed),
            program=("-m", "tests.e2e.hasty") if hasty else ("-m", "gateway"),
            folder=folder,
            settings={"DATABASE__URL": url, "CLUSTER__URL": valkey.url},
            simulator=simulator,
            sandbox=sandbox,
            watching=watching,
            stack=stack,
            readers=group,
            patience_s=30.0 if hasty else 240.0,
        )
        yield campaign, database


async def furnish(database: Database, sandbox: Sandbox) -> None:
    """Let the number that callers dial lead to an agent that is recorded."""
    acme = await tenant(database)
    agent = acme.agent
    await Agents(database).update(acme.id, agent.id, record=True, vatel_agent_id=sandbox.agent_id(AGENT))
    number = Number(
        id=an_id(), organization_id=acme.id, number=GATEWAY_NUMBER, agent_id=agent.id, created_at=NOW
    )
    await Numbers(database).add(number)


@asynccontextmanager
async def _command(
    words: tuple[str, ...], environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=ROOT,
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    async for line in stream:
        if b"Traceback" in line:
            sys.stderr.buffer.write(line)


async def run(points: int, seed: int, *, postgres_url: str = "", hasty: bool = True) -> Verdict:
    """Kill so many nodes; return what became of their calls."""
    async with campaign(seed, postgres_url=postgres_url, hasty=hasty) as (now, database):
        serving = await now.node()
        for _ in range(points):
            async with asyncio.TaskGroup() as group:
                standby = group.create_task(now.node())
                group.create_task(now.strike(*serving))
            serving = standby.result()
        await now.settle()
        return await judge(now, database)


def main() -> int:
    """Run a campaign and say what came of it."""
    parser = argparse.ArgumentParser(description="Kill gateways in the middle of calls.")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--patient", action="store_true", help="leases as in production: 15 s")
    wish = parser.parse_args()
    with ExitStack() as stack:
        url = ""
        if wish.engine == "postgresql":
            url = asyncio.run(stack.enter_context(postgres_server()).create())
        verdict = asyncio.run(run(wish.points, wish.seed, postgres_url=url, hasty=not wish.patient))
    print(verdict)  # noqa: T201 - a command's own voice
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
