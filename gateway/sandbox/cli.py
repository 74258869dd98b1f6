"""``vatel-gateway sandbox``: a local Vatel to point the gateway at."""

import argparse
import asyncio
import signal
import sys

from gateway.errors import ConfigError
from gateway.sandbox.server import Sandbox
from gateway.speech import extra

_UNNOTICED_S = 0.3
"""A preparation that takes longer is told."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the sandbox to a parser."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--api-key", default=None, help="the key clients must show (default: a new one)")
    parser.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="[AGENT.]NAME=VALUE",
        help="an oddity of the socket, for all agents or for one; may be repeated (e.g. empty=absent, "
        "echo.close_code=1011)",
    )


async def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status."""
    sandbox = Sandbox(api_key=args.api_key)
    try:
        for assignment in args.switch:
            sandbox.switch(assignment)
        await _prepare(sandbox)
        await sandbox.start(args.host, args.port)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    _say(introduction(sandbox))
    try:
        await _stop_signal()
    finally:
        await sandbox.stop()
    return 0


async def _prepare(sandbox: Sandbox) -> None:
    """Warm up before anybody can call: who can connect finds it ready."""
    notice = asyncio.get_running_loop().call_later(_UNNOTICED_S, _say, "Preparing speech ...\n")
    try:
        await sandbox.warm_up()
    finally:
        notice.cancel()


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


async def _stop_signal() -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    try:
        await asked.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def introduction(sandbox: Sandbox) -> str:
    """Return what a person needs to use a running sandbox."""
    lines = [f"A local Vatel listens on {sandbox.url}", "", "Agents:"]
    lines += [f"  {entry.agent_id}  {entry.name:<14} {entry.about}" for entry in sandbox.agents]
    if not extra.available():
        lines += ["", "  table_booking needs speech: pip install 'vatel-gateway[demo]'"]
    lines += [
        "",
        "Point the gateway at it:",
        f"  export GATEWAY_VATEL__BASE_URL={sandbox.url}",
        f"  export GATEWAY_VATEL__API_KEY={sandbox.api_key}",
        f"  export GATEWAY_VATEL__AGENT_ID={sandbox.agent_id('echo')}",
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines) + "\n"
