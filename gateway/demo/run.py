"""``vatel-gateway demo``: starts everything on free loopback ports, makes one call, says what came of it."""

import argparse
import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web
from rich.console import Console

from gateway import settings
from gateway.app import Gateway, serving
from gateway.demo import script
from gateway.demo.desk import ReservationDesk, catalog
from gateway.demo.lateness import Lateness
from gateway.demo.outcome import Outcome
from gateway.demo.screen import Screen, fold
from gateway.demo.script import Play, Witness
from gateway.journal import Watcher
from gateway.sandbox.server import Sandbox
from gateway.simulator import events as phone
from gateway.simulator.report import CallReport, Promise, human
from gateway.simulator.script import ScriptedCaller
from gateway.simulator.simulator import Simulator
from gateway.speech import extra
from gateway.telemetry import log

_ACCOUNT_SID = "AC" + "d" * 32
_AUTH_TOKEN = "demo-token-of-no-account"
_UNNOTICED_S = 0.3
_LATE_MS = 100
_NEXT_STEPS = """
Every promise held. To use a real number:
  1. Give the gateway a public https address, for example with a tunnel to port 8080.
  2. Set GATEWAY_PUBLIC_URL, GATEWAY_VATEL__API_KEY, GATEWAY_VATEL__AGENT_ID, GATEWAY_TWILIO__ACCOUNT_SID \
and GATEWAY_TWILIO__AUTH_TOKEN, then run: vatel-gateway serve
  3. In Twilio's console set your number's voice webhook to PUBLIC_URL/twilio/voice (HTTP POST), and its \
call status changes to PUBLIC_URL/twilio/status (HTTP POST)."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call that was made.

    Attributes:
        number: from 1.
        late_ms: how late this machine's own clock ran at worst: gateway, caller and agent all waited so long.
    """

    number: int
    report: CallReport
    late_ms: float

    @property
    def broken(self) -> list[Promise]:
        """The promises that did not hold."""
        return [promise for promise in self.report.promises if not promise.held]

    @property
    def proves_nothing(self) -> bool:
        """True when a promise about time broke while the machine was too late to keep it."""
        return self.late_ms > _LATE_MS and bool(script.timed(self.broken))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the demo's options to a parser."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("demo-call"),
        help="where the recordings go (default: %(default)s)",
    )


async def run(arguments: argparse.Namespace, play: Play = script.TABLE_BOOKING) -> int:
    """Run the demo; return 0 only if every promise held.

    Raises:
        ConfigError: a package is missing, or the results cannot be written.
    """
    for package in extra.PACKAGES:
        extra.load(package)
    outcome = Outcome(arguments.out, arguments.json)
    outcome.check()
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    _tell(console, "A restaurant's voice agent takes a call. Everything runs on this machine.\n")
    caller = await _prepare(console, play)
    attempts = [await _attempt(1, console, play, caller)]
    if attempts[0].proves_nothing:
        _tell(console, _why_again(attempts[0]))
        attempts.append(await _attempt(2, console, play, caller))
    await _conclude(console, outcome, attempts)
    return 0 if attempts[-1].report.kept else 1


async def _prepare(console: Console, play: Play) -> ScriptedCaller:
    """Load and render everything that would hold up the call, which runs in this very process."""
    notice = asyncio.get_running_loop().call_later(_UNNOTICED_S, _tell, console, "Preparing speech ...\n")
    try:
        caller = await asyncio.to_thread(script.caller, play)
        await asyncio.to_thread(play.agent.warm_up)
    finally:
        notice.cancel()
    return caller


async def _attempt(number: int, console: Console, play: Play, caller: ScriptedCaller) -> Attempt:
    witness, desk, lateness = Witness(), ReservationDesk(), Lateness()
    with Screen(console) as screen:
        async with AsyncExitStack() as stack:

            def follow(event: phone.Event) -> None:
                screen.phone_event(event)
                if isinstance(event, phone.StateChanged) and event.state == "ended":
                    timing.cancel()  # judging the call takes the machine, too

            simulator = await stack.enter_async_context(Simulator(_ACCOUNT_SID, _AUTH_TOKEN, watch=follow))
            gateway, url = await stack.enter_async_context(_gateway(simulator, play, desk))
            watcher = stack.enter_context(gateway.journal.watch())
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_watch(watcher, screen, witness))
                timing = tasks.create_task(lateness.watch())
                report = await simulator.call(f"{url}/twilio/voice", caller, limits=play.limits)
                await asyncio.sleep(0)  # the journal's last line is on its way
                watching.cancel()
    report = replace(report, promises=(*report.promises, *witness.promises(play, desk.asked)))
    return Attempt(number, report, lateness.worst_s * 1000)


async def _watch(watcher: Watcher, screen: Screen, witness: Witness) -> None:
    async for _, happening in watcher:
        screen.happening(happening)
        witness.happening(happening)


@asynccontextmanager
async def _gateway(
    simulator: Simulator, play: Play, desk: ReservationDesk
) -> AsyncIterator[tuple[Gateway, str]]:
    """Run sandbox, tool endpoint and gateway; yield the gateway and its URL."""
    async with AsyncExitStack() as stack:
        sandbox = Sandbox()
        agent_id = sandbox.add("demo", play.agent)
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        tools_url = await _serve(desk.application(), stack)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vatel-gateway-demo-"))
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        loaded = settings.load(
            {
                "config": str(_config_file()),
                "public_url": url,
                "vatel.base_url": sandbox.url,
                "vatel.api_key": sandbox.api_key,
                "vatel.agent_id": agent_id,
                "twilio.account_sid": _ACCOUNT_SID,
                "twilio.auth_token": _AUTH_TOKEN,
                "twilio.api_base_url": simulator.rest_url,
                "database.url": f"sqlite:///{folder}/gateway.db",
                "recordings.folder": f"{folder}/recordings",
            },
            env={},
        )
        log.configure(loaded.log.level, loaded.log.format, secrets=loaded.secrets())
        tools = catalog(f"{tools_url}/tools")
        yield await stack.enter_async_context(serving(loaded, listener, tools)), url


async def _serve(app: web.Application, stack: AsyncExitStack) -> str:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


def _config_file() -> Path:
    """Return ``demo.toml``: in the installed package, or in a checkout's ``config/``."""
    installed = Path(str(files("gateway.demo") / "demo.toml"))
    return installed if installed.exists() else Path(__file__).parents[2] / "config" / "demo.toml"


async def _conclude(console: Console, outcome: Outcome, attempts: list[Attempt]) -> None:
    last = attempts[-1]
    which = f" in call {last.number}; call 1 is told above" if last.number > 1 else ""
    _tell(console, f"\nWhat the caller experienced{which}")
    _tell(console, human(last.report) + "\n", indent=10)
    written = await asyncio.to_thread(outcome.write, last.report.record, as_dict(attempts))
    for what, path in written.items():
        console.print(f"{what:<26}  {path}")
    if last.report.kept:
        _tell(console, _NEXT_STEPS, indent=5)
    else:
        _tell(console, _what_now(last))


def as_dict(attempts: list[Attempt]) -> dict[str, Any]:
    """Return the report for JSON: of the last call, with what became of the one before it."""
    *discarded, last = attempts
    return {
        **last.report.as_dict(),
        "call_number": last.number,
        "machine_late_ms": round(last.late_ms, 1),
        "discarded_calls": [
            {"machine_late_ms": round(each.late_ms, 1), "broken": [str(promise) for promise in each.broken]}
            for each in discarded
        ],
    }


def _why_again(attempt: Attempt) -> str:
    broken = "\n".join(f"  BROKEN  {promise}" for promise in attempt.broken)
    return f"""
This machine was {attempt.late_ms:.0f} ms late during call {attempt.number}, and not every promise held:
{broken}
A promise about time that breaks on such a machine proves nothing about the gateway, so here is a second \
call, the last one. It takes as long again.
"""


def _what_now(attempt: Attempt) -> str:
    late = f" This machine was {attempt.late_ms:.0f} ms late during the call: try again when it is less busy."
    return "\nNot every promise held: see the lines marked BROKEN above." + late * attempt.proves_nothing


def _tell(console: Console, text: str, indent: int = 0) -> None:
    for line in text.split("\n"):
        console.print(fold(line, console.width, indent))
