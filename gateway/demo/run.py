"""``vatel-gateway demo``: starts everything on free loopback ports, makes one call, says what came of it."""

import argparse
import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from aiohttp import web
from rich.console import Console

from gateway import settings
from gateway.app import Gateway, serving
from gateway.demo import script
from gateway.demo.desk import ReservationDesk
from gateway.demo.screen import Screen
from gateway.demo.script import Witness
from gateway.journal import Watcher
from gateway.sandbox.server import Sandbox
from gateway.simulator import recording
from gateway.simulator.report import CallReport, human
from gateway.simulator.simulator import Simulator
from gateway.speech import extra
from gateway.telemetry import log

_ACCOUNT_SID = "AC" + "d" * 32
_AUTH_TOKEN = "demo-token-of-no-account"
_AGENT = "table_booking"


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


async def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return 0 only if every promise held."""
    for package in extra.PACKAGES:
        extra.load(package)
    console = Console(highlight=False)
    console.print("A restaurant's voice agent takes a call. Everything runs on this machine.\n")
    witness, desk = Witness(), ReservationDesk()
    report = await _call(console, witness, desk)
    report = replace(report, promises=(*report.promises, *witness.promises(desk.asked)))
    heard, stereo = await asyncio.to_thread(recording.write, report.record, arguments.out)
    if arguments.json is not None:
        text = json.dumps(report.as_dict(), indent=2) + "\n"
        await asyncio.to_thread(arguments.json.write_text, text)
    console.print(f"\nWhat the caller experienced\n{human(report)}\n", soft_wrap=True)
    console.print(f"Listen: {heard} (what the caller heard), {stereo} (caller left, agent right)")
    console.print(_next_steps(report.kept), soft_wrap=True)
    return 0 if report.kept else 1


async def _call(console: Console, witness: Witness, desk: ReservationDesk) -> CallReport:
    caller = await script.caller()
    with Screen(console) as screen:
        async with AsyncExitStack() as stack:
            simulator = await stack.enter_async_context(
                Simulator(_ACCOUNT_SID, _AUTH_TOKEN, watch=screen.phone_event)
            )
            gateway, url = await stack.enter_async_context(_gateway(simulator, desk))
            watcher = stack.enter_context(gateway.journal.watch())
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_watch(watcher, screen, witness))
                report = await simulator.call(f"{url}/twilio/voice", caller, limits=script.LIMITS)
                await asyncio.sleep(0)  # the journal's last line is on its way
                watching.cancel()
            return report


async def _watch(watcher: Watcher, screen: Screen, witness: Witness) -> None:
    async for _, happening in watcher:
        screen.happening(happening)
        witness.happening(happening)


@asynccontextmanager
async def _gateway(simulator: Simulator, desk: ReservationDesk) -> AsyncIterator[tuple[Gateway, str]]:
    """Run sandbox, tool endpoint and gateway; yield the gateway and its URL."""
    async with AsyncExitStack() as stack:
        sandbox = Sandbox()
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        tools_url = await _serve(desk.application(), stack)
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        loaded = settings.load(
            {
                "config": str(_config_file()),
                "public_url": url,
                "vatel.base_url": sandbox.url,
                "vatel.api_key": sandbox.api_key,
                "vatel.agent_id": sandbox.agent_id(_AGENT),
                "twilio.account_sid": _ACCOUNT_SID,
                "twilio.auth_token": _AUTH_TOKEN,
                "twilio.api_base_url": simulator.rest_url,
                "tools.url": f"{tools_url}/tools",
            },
            env={},
        )
        log.configure(loaded.log.level, loaded.log.format, secrets=loaded.secrets())
        yield await stack.enter_async_context(serving(loaded, listener)), url


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


def _next_steps(kept: bool) -> str:
    if not kept:
        return "\nNot every promise held: see the lines marked BROKEN above."
    return """
Every promise held. To use a real number:
  1. Give the gateway a public https address, for example with a tunnel to port 8080.
  2. Set GATEWAY_PUBLIC_URL, GATEWAY_VATEL__API_KEY, GATEWAY_VATEL__AGENT_ID, GATEWAY_TWILIO__ACCOUNT_SID
     and GATEWAY_TWILIO__AUTH_TOKEN, then run: vatel-gateway serve
  3. In Twilio's console set your number's voice webhook to <public URL>/twilio/voice (HTTP POST),
     and its call status changes to <public URL>/twilio/status (HTTP POST)."""
