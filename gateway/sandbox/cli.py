"""``vatel-gateway sandbox``: a local Vatel to point the gateway at."""

import argparse
import asyncio
import sys
from pathlib import Path

from gateway.errors import ConfigError
from gateway.sandbox import seed
from gateway.sandbox.scenario import Scenario, load
from gateway.sandbox.server import Sandbox
from gateway.sandbox.talker import Talker
from gateway.speech import extra
from gateway.stopping import stop_asked

_UNNOTICED_S = 0.3
"""A preparation that takes longer is told."""

_POINTERS = """

Talk to them in a browser:
  {url}/talk#key={key}

Point the gateway at it:
  export GATEWAY_VATEL__BASE_URL={url}
  export GATEWAY_VATEL__API_KEY={key}
  export GATEWAY_VATEL__AGENT_ID={echo}

The Python SDK:
  client = Client(api_key="{key}", base_url="{url}")
  token = client.session.generate_token(agent_id="{bistro}").token
  conn = await client.connect(token=token, url="{url}")  # before 0.4.1 also agent_id=

The JS SDK:
  const client = new Client({{ getToken: () => "{key}", baseUrl: "{url}" }});
  const {{ data }} = await client.generateSessionToken("{bistro}");
  const session = new Session({{ token: data.token, baseUrl: "{url}" }});

Faults on demand, for one session or all (PATCH /sandbox/agents/ID/switches, POST /sandbox/faults):
  curl -H "Authorization: Bearer {key}" -d '{{"close_code": 1011}}' -X PATCH \\
      "{url}/sandbox/agents/{echo}/switches?sessions=1"

Ctrl-C stops it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the sandbox to a parser."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--api-key", default=None, help="the key clients must show (default: the database's, or a new one)"
    )
    parser.add_argument(
        "--database",
        type=Path,
        default=None,
        metavar="FILE",
        help="keep agents, numbers, calls and recordings there (default: in memory, lost at the end)",
    )
    parser.add_argument("--reset", action="store_true", help="forget what the database holds and begin anew")
    parser.add_argument(
        "--webrtc-url", default="", metavar="URL", help="what WebRTC clients are told (default: 503)"
    )
    parser.add_argument(
        "--scenario",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="offer an agent that follows this scenario (TOML), under its name; may be repeated",
    )
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
    sandbox = Sandbox(
        api_key=args.api_key, database=args.database, reset=args.reset, webrtc_url=args.webrtc_url
    )
    try:
        for path in args.scenario:
            scenario = await asyncio.to_thread(_scenario, path)
            sandbox.add(scenario.name, Talker(scenario))
        for assignment in args.switch:
            sandbox.switch(assignment)
        await _prepare(sandbox)
        await sandbox.start(args.host, args.port)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    _say(introduction(sandbox))
    try:
        await stop_asked()
    finally:
        await sandbox.stop()
    return 0


def _scenario(path: Path) -> Scenario:
    try:
        return load(path.read_text(encoding="utf-8"))
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"--scenario {path}: {error}", reason="bad_scenario") from None


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


def introduction(sandbox: Sandbox) -> str:
    """Return what a person needs to use a running sandbox."""
    lines = [f"A local Vatel listens on {sandbox.url}", "", "Agents:"]
    lines += [f"  {entry.agent_id}  {entry.name:<14} {entry.about}" for entry in sandbox.agents]
    lines += [f"  {seed.BISTRO}  {'Vatel Bistro':<14} made by REST, as your own: small talk"]
    if not extra.available():
        lines += [
            "",
            "  They speak recorded lines and understand no words: pip install 'vatel-gateway[demo]'",
        ]
    return "\n".join(lines) + _POINTERS.format(url=sandbox.url, key=sandbox.api_key, **_ids(sandbox))


def _ids(sandbox: Sandbox) -> dict[str, str]:
    return {"echo": sandbox.agent_id("echo"), "bistro": seed.BISTRO}
