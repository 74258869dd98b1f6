"""A call and its trouble: what is played, and what it leaves behind as evidence."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from gateway.audio import ulaw
from gateway.records import CallEnded, Ending, Interrupted, StateChanged, ToolRun, TranscriptEntry
from gateway.sandbox.session import SessionRecord
from gateway.simulator.caller import Caller, SilentCaller
from gateway.simulator.ear import loud_blocks
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from tests.e2e.running import DISTURBED_S, felt
from tests.e2e.town import Plan, StreamEnd, Town, town

Trouble = Callable[[Town], Awaitable[None]]

LONGEST_S = 28.0


async def _none(place: Town) -> None:
    """Make no trouble."""


def _patient() -> CallOptions:
    return CallOptions(max_seconds=LONGEST_S)


@dataclass(frozen=True, slots=True)
class Scene:
    """A call and what happens to it.

    Attributes:
        caller: says nothing and never hangs up, unless the scene is about that.
        trouble: what else goes on during the call.
        streams: how many media streams the call has.
        black_hole: the setting that is the address of somebody who takes connections and never answers, or
            ``tools`` for the endpoint of every tool.
    """

    plan: Plan
    caller: Caller = field(default_factory=SilentCaller)
    options: CallOptions = field(default_factory=_patient)
    trouble: Trouble = _none
    streams: int = 1
    black_hole: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a scene left behind.

    Attributes:
        endings: of each of the call's streams.
        call_ends: of the call.
        call_ids: under which the journal knows the call.
        sessions: what the sandbox was asked, session by session.
        live_sessions: how many of them were still open at the end.
        worst_late_s: how long this process stood still, at worst, while the call was made.
        refused: what the gateway turned away, by reason.
    """

    report: CallReport
    endings: list[StreamEnd]
    call_ends: list[CallEnded]
    call_ids: set[str]
    states: list[StateChanged]
    words: list[TranscriptEntry]
    tools: list[ToolRun]
    interruptions: list[Interrupted]
    sessions: list[SessionRecord]
    live_sessions: int
    refused: dict[str, int]
    worst_late_s: float

    @property
    def path(self) -> list[str]:
        """The states the call went through."""
        return [change.state for change in self.states]

    @property
    def gaps_ms(self) -> list[float]:
        """Silence heard inside turns, but for what this process's own standing still explains."""
        explained_ms = self.worst_late_s * 1_000 if self.worst_late_s >= DISTURBED_S else 0.0
        return [gap for stream in self.report.streams for gap in stream.gaps_ms if gap > explained_ms]

    @property
    def ending(self) -> Ending:
        """How the call's last stream ended."""
        return self.endings[-1].ending

    def counted(self, name: str, stream: int = 0) -> float:
        """Return one of the gateway's counters of a stream."""
        return self.endings[stream].counters[name]


async def play(scene: Scene) -> Evidence:
    """Make a scene's call, with its trouble."""
    async with _with_black_hole(scene) as plan, town(plan) as place:
        async with felt() as pulse, asyncio.TaskGroup() as tasks:
            trouble = tasks.create_task(_make(scene.trouble, place))
            report = await place.call(scene.caller, scene.options)
            trouble.cancel()
        await place.chronicle.ended(report.call_sid, scene.streams)
        live_sessions = place.sandbox.live_sessions
    of = partial(place.chronicle.of, report.call_sid)
    calls = [call for call, _ in place.chronicle.lines if call.call_sid == report.call_sid]
    return Evidence(
        report,
        endings=place.chronicle.ends(report.call_sid),
        call_ends=of(CallEnded),
        call_ids={call.call_id for call in calls},
        states=of(StateChanged),
        words=of(TranscriptEntry),
        tools=of(ToolRun),
        interruptions=of(Interrupted),
        sessions=list(place.sandbox.records),
        live_sessions=live_sessions,
        refused=dict(place.gateway.phone.refused),
        worst_late_s=pulse.worst_late_s,
    )


async def _make(trouble: Trouble, place: Town) -> None:
    await trouble(place)


@asynccontextmanager
async def _with_black_hole(scene: Scene) -> AsyncIterator[Plan]:
    if scene.black_hole is None:
        yield scene.plan
        return
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        if scene.black_hole == "tools":
            yield replace(scene.plan, tools={"default": {"url": url}})
        else:
            yield replace(scene.plan, settings={**scene.plan.settings, scene.black_hole: url})


def after(seconds: float, trouble: Callable[[Town], None], *, times: int = 1) -> Trouble:
    """Make trouble so long after the agent is there, on each of the call's first streams."""

    async def wait_and_make_it(place: Town) -> None:
        for number in range(times):
            await place.chronicle.talking(number + 1)
            await asyncio.sleep(seconds)
            trouble(place)

    return wait_and_make_it


def longest_silence_s(report: CallReport, stream: int = 0) -> float:
    """Return how long the caller heard nothing at all, at worst, from the stream's start to its end."""
    loud = np.flatnonzero(loud_blocks(ulaw.decode(report.record.streams[stream].heard)))
    blocks = len(report.record.streams[stream].heard) // 160
    edges = np.concatenate([[-1], loud, [blocks]])
    return float(np.diff(edges).max() - 1) * 0.020
