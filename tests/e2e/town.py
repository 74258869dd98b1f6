"""A whole town on loopback: a Twilio, a gateway and a Vatel, in one process and on one clock.

Nothing is faked: real HTTP, real sockets, the real settings. What a test says of time it reads from the
loop's clock, which all three share.
"""

import asyncio
import gc
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from gateway import settings
from gateway.app import Gateway, serving
from gateway.audio import clips, ulaw
from gateway.audio.pcm import Pcm
from gateway.journal import Watcher
from gateway.records import OUTLIVED, CallEnded, CallInfo, Ending, Happening, StateChanged, StreamLost
from gateway.sandbox.server import Sandbox
from gateway.sandbox.stage import Agent, Exit, Notes, Opening, Script, Stage, Timer
from gateway.sandbox.switches import Switches
from gateway.simulator.caller import Caller
from gateway.simulator.options import CallOptions
from gateway.simulator.promises import Limits
from gateway.simulator.report import CallReport
from gateway.simulator.simulator import Simulator
from gateway.storage.database import Database
from gateway.storage.migrations import migrate
from gateway.vatel.messages import ServerMessage
from tests.e2e.line import Line
from tests.tools.workshop import catalog

ACCOUNT_SID = "AC" + "e" * 32
AUTH_TOKEN = "end-to-end-token-of-no-account"
AGENT = "subject"
_PATIENCE_S = 15.0
_APART_S = 0.03

StreamEnd = CallEnded | StreamLost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a sandbox agent sent.

    Attributes:
        at_s: the loop's time.
        session: which session of the town, from 0.
    """

    at_s: float
    session: int
    message: ServerMessage


class Overheard:
    """A script whose sessions are overheard: what they send, and when. Lives as long as its town."""

    def __init__(self, script: Script, said: list[Said]) -> None:
        self._script = script
        self._said = said
        self.sessions = 0

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session, on a stage with thin walls."""
        number, self.sessions = self.sessions, self.sessions + 1
        return self._script.cast(_ThinWalls(stage, number, self._said))


class _ThinWalls:
    """Passes everything on to the real stage, and notes what is said."""

    def __init__(self, stage: Stage, session: int, said: list[Said]) -> None:
        self._stage = stage
        self._session = session
        self._said = said
        self._now = asyncio.get_running_loop().time

    @property
    def switches(self) -> Switches:
        return self._stage.switches

    @property
    def opening(self) -> Opening:
        return self._stage.opening

    @property
    def notes(self) -> Notes:
        return self._stage.notes

    def send(self, message: ServerMessage) -> None:
        self._said.append(Said(self._now(), self._session, message))
        self._stage.send(message)

    def send_raw(self, frame: bytes) -> None:
        self._stage.send_raw(frame)

    def at(self, when: float, act: Callable[[float], None]) -> Timer:
        return self._stage.at(when, act)

    def work(self, job: Callable[[], T], then: Callable[[T, float], None]) -> None:
        self._stage.work(job, then)

    def end(self, how: Exit | None = None) -> None:
        self._stage.end(how)


class Chronicle:
    """All that the journal said, kept. Lives as long as its town."""

    def __init__(self) -> None:
        self.lines: list[tuple[CallInfo, Happening]] = []
        self._news = asyncio.Event()

    async def keep(self, watcher: Watcher) -> None:
        """Read the journal for ever."""
        async for line in watcher:
            self.lines.append(line)
            self._news.set()
            self._news.clear()  # whoever waits has been woken

    def of(self, call_sid: str, kind: type[T]) -> list[T]:
        """Return what happened of one kind in a call."""
        return [line for call, line in self.lines if call.call_sid == call_sid and isinstance(line, kind)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a line of the journal makes a condition true."""
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():
                await self._news.wait()

    def ends(self, call_sid: str) -> list[StreamEnd]:
        """Return how each of a call's streams ended, in order."""
        lines = [line for call, line in self.lines if call.call_sid == call_sid]
        return [
            line
            for line in lines
            if isinstance(line, StreamLost)
            # The end of a call whose stream broke, which was told by StreamLost, is told late or never.
            or (isinstance(line, CallEnded) and line.ending.reason not in OUTLIVED)
        ]

    async def ended(self, call_sid: str, streams: int = 1) -> StreamEnd:
        """Wait until so many streams of a call have ended; return how the last of them did."""
        await self.until(lambda: len(self.ends(call_sid)) >= streams)
        return self.ends(call_sid)[streams - 1]

    async def talking(self, times: int = 1) -> None:
        """Wait until callers and agents have been brought together so often."""
        await self.until(lambda: sum(_is_talking(line) for _, line in self.lines) >= times)


def _is_talking(line: Happening) -> bool:
    return isinstance(line, StateChanged) and line.state == "talking"


@dataclass(frozen=True, slots=True)
class Town:
    """Lives as long as :func:`town` holds it.

    Attributes:
        url: of the gateway, as Twilio sees it.
        said: what the agents sent.
        database_url: where the gateway keeps its records.
        line: between Twilio and the gateway; None unless the town has one that can be cut.
    """

    simulator: Simulator
    sandbox: Sandbox
    gateway: Gateway
    url: str
    chronicle: Chronicle
    said: list[Said]
    line: Line | None = None
    database_url: str = ""

    async def call(
        self, caller: Caller, options: CallOptions | None = None, limits: Limits | None = None
    ) -> CallReport:
        """Make one call to its end."""
        return await self.simulator.call(f"{self.url}/twilio/voice", caller, options=options, limits=limits)

    async def ending(self, report: CallReport, streams: int = 1) -> Ending:
        """Return how a call ended for the gateway."""
        return (await self.chronicle.ended(report.call_sid, streams)).ending

    def times(self, kind: type[ServerMessage]) -> list[float]:
        """Return when the agents sent a kind of message, in the order sent."""
        return [said.at_s for said in self.said if isinstance(said.message, kind)]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a town is to be.

    Attributes:
        script: who answers the phone.
        switches: the agent's oddities.
        settings: the gateway's, by dotted name, over those that make the town.
        tools: the tables of the tools file, by name; the loopback may be reached.
        cuttable: Twilio reaches the gateway over a :class:`Line`.
        credentials: the gateway knows Twilio's token: it checks signatures and hangs up by REST.
    """

    script: Script
    switches: Switches = field(default_factory=Switches)
    settings: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, Any] | None = None
    cuttable: bool = False
    credentials: bool = True


class _Works:
    """Towns that are built at the same time: nobody moves in before all are done, and then one by one.

    A gateway that starts takes the loop for longer than the cushion of one that has calls, and so do many
    calls that begin at once.
    """

    def __init__(self) -> None:
        self._sites = 0
        self._moved_in = 0
        self._quiet = asyncio.Condition()

    @asynccontextmanager
    async def site(self) -> AsyncIterator[None]:
        if self._sites == 0:
            self._moved_in = 0
        self._sites += 1
        try:
            yield
        finally:
            self._sites -= 1
        if self._sites == 0:
            # Dozens of gateways share this heap, which no gateway does: a look through it takes 0.2 s.
            gc.collect()
            gc.disable()  # until all is over
        async with self._quiet:
            self._quiet.notify_all()
            await self._quiet.wait_for(lambda: self._sites == 0)
        self._moved_in += 1
        await asyncio.sleep(self._moved_in * _APART_S)


_works: WeakKeyDictionary[asyncio.AbstractEventLoop, _Works] = WeakKeyDictionary()


@asynccontextmanager
async def town(plan: Plan) -> AsyncIterator[Town]:
    """Build a town and, when all calls are over, pull it down; its chronicle goes on to the end."""
    said: list[Said] = []
    chronicle = Chronicle()
    async with asyncio.TaskGroup() as tasks:
        with ExitStack() as watch:
            async with AsyncExitStack() as stack:
                sandbox = Sandbox()
                sandbox.add(AGENT, Overheard(plan.script, said), plan.switches)
                await sandbox.start()
                stack.push_async_callback(sandbox.stop)
                simulator = await stack.enter_async_context(Simulator(ACCOUNT_SID, AUTH_TOKEN))
                listener = socket.create_server(("127.0.0.1", 0))
                port = listener.getsockname()[1]
                line = await stack.enter_async_context(Line.to(port)) if plan.cuttable else None
                url = f"http://127.0.0.1:{line.port if line else port}"
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                (folder / "gateway.db").write_bytes(_empty_database())
                loaded = settings.load(_values(plan, url, sandbox, simulator, folder), env={})
                tools = None if plan.tools is None else catalog(**plan.tools)
                async with _works.setdefault(asyncio.get_running_loop(), _Works()).site():
                    gateway = await stack.enter_async_context(serving(loaded, listener, tools))
                watcher = watch.enter_context(gateway.journal.watch())
                keeping = tasks.create_task(chronicle.keep(watcher))
                kept = loaded.database.effective_url
                yield Town(simulator, sandbox, gateway, url, chronicle, said, line, kept)
            await asyncio.sleep(0)  # the chronicle's last lines are on their way
            keeping.cancel()
    assert not watcher.lost, "the chronicle has holes: what it does not say proves nothing"


@cache
def _empty_database() -> bytes:
    """Return a migrated SQLite file; to make one for each town would take half of the time to build it."""

    async def make(url: str) -> None:
        database = Database.open(url)
        await migrate(database)
        await database.close()

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside_the_loop:
        file = Path(folder) / "empty.db"
        beside_the_loop.submit(asyncio.run, make(f"sqlite:///{file}")).result()
        return file.read_bytes()


def _values(plan: Plan, url: str, sandbox: Sandbox, simulator: Simulator, folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "public_url": url,
        "vatel.base_url": sandbox.url,
        "vatel.api_key": sandbox.api_key,
        "vatel.agent_id": sandbox.agent_id(AGENT),
        "twilio.api_base_url": simulator.rest_url,
        "database.url": f"sqlite:///{folder / 'gateway.db'}",
        "recordings.folder": str(folder / "recordings"),
    }
    if plan.credentials:
        values |= {"twilio.account_sid": ACCOUNT_SID, "twilio.auth_token": AUTH_TOKEN}
    else:
        values["twilio.validate_signatures"] = False
    return values | dict(plan.settings)


def heard(report: CallReport, stream: int = 0) -> Pcm:
    """Return what the caller heard on a stream: int16, 8 kHz, from the stream's start."""
    return ulaw.decode(report.record.streams[stream].heard)


def heard_clip(report: CallReport, clip: clips.Clip, stream: int = 0) -> float | None:
    """Return when the caller began to hear one of our clips, whole; seconds of the stream, None: never.

    Silence that a busy machine puts inside it does not count against it.
    """
    line = np.frombuffer(report.record.streams[stream].heard, np.uint8)
    played = np.flatnonzero(_outside_gaps(report, stream))
    at = line[played].tobytes().find(clips.load(clip))
    return None if at < 0 else float(played[at]) / 8_000


def heard_turn(report: CallReport, turn: int, stream: int = 0) -> Pcm:
    """Return one turn as the caller heard it, its gaps left out: int16, 8 kHz."""
    spurt = report.streams[stream].turns[turn]
    line = heard(report, stream)[spurt.start : spurt.stop]
    turn_audio: Pcm = line[_outside_gaps(report, stream)[spurt.start : spurt.stop]]
    return turn_audio


def _outside_gaps(report: CallReport, stream: int) -> npt.NDArray[np.bool_]:
    outside = np.ones(len(report.record.streams[stream].heard), np.bool_)
    for spurt in report.streams[stream].turns:
        for gap in spurt.gaps:
            outside[gap.start : gap.stop] = False
    return outside
