"""``vatel-gateway tools``: check the tools file, call a tool, serve an endpoint to begin with."""

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from errno import EADDRINUSE
from pathlib import Path

from aiohttp import web

from gateway import settings
from gateway.audio.fillers import load_filler
from gateway.egress.signing import SigningKey
from gateway.errors import ConfigError
from gateway.stopping import stop_asked
from gateway.telemetry import log
from gateway.tooling import calling, checking
from gateway.tooling.receiver import application
from gateway.tools.catalog import Catalog
from gateway.tools.loading import load

_AGENT = "00000000-0000-0000-0000-000000000000"
_HIGHEST_PORT = 65_535
_ANOTHER_PORT = 9_100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three actions to a parser."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    check = _action(actions, "check", "say what is wrong with the tools file, or what it would do", _check)
    _name_file(check)
    check.add_argument("--offline", action="store_true", help="look no host up")
    call = _action(actions, "call", "call a tool as an agent would, and show all of it", _call)
    _name_file(call)
    call.add_argument("name", metavar="NAME", help="the tool, as the agent calls it")
    call.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="K=V",
        help="an argument: JSON, or text; may be repeated",
    )
    call.add_argument("--agent", default=_AGENT, metavar="ID", help="the agent that asks")
    serve = _action(actions, "serve-example", "run an endpoint that checks signatures", _serve_example)
    serve.add_argument("--port", type=int, default=9000, help="on 127.0.0.1 (default: %(default)s)")
    serve.add_argument(
        "--key-file", type=Path, metavar="FILE", help="holds the whsec_… key; without one anybody is believed"
    )


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    what: str,
    act: Callable[[argparse.Namespace], Awaitable[int]],
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=what, description=what[0].upper() + what[1:] + ".", allow_abbrev=False
    )
    parser.set_defaults(act=act)
    return parser


def _name_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="the tools file (default: what the settings name)"
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file of settings (GATEWAY_CONFIG)")


async def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; return 0 if it went well, 1 if not.

    Raises:
        ConfigError: the command cannot begin.
    """
    act: Callable[[argparse.Namespace], Awaitable[int]] = arguments.act
    return await act(arguments)


async def _check(arguments: argparse.Namespace) -> int:
    path = _path(arguments)
    try:
        catalog = _load(path)
    except ConfigError as error:
        _say(f"{path} cannot be used:\n{error}")
        return 1
    report = await checking.check(catalog, online=not arguments.offline)
    _say(f"{path}: {len(catalog.tools)} tools, {_signing(catalog)}", *report.lines)
    return 0 if report.held else 1


async def _call(arguments: argparse.Namespace) -> int:
    catalog = _load(_path(arguments))
    log.configure("warning", "console", secrets=catalog.secrets)  # the rest is what the command itself says
    failure = await calling.call(catalog, arguments.name, _arguments(arguments.arg), arguments.agent, _say)
    return 1 if failure else 0


async def _serve_example(arguments: argparse.Namespace) -> int:
    _require_port(arguments.port)
    key = _key(arguments.key_file)
    runner = web.AppRunner(application(key), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await _listen(runner, arguments.port)
        port = runner.addresses[0][1]
        believed = "requests signed with your key" if key else "anybody: no --key-file"
        _say(f"Listening on http://127.0.0.1:{port}/tools; believes {believed}. Ctrl-C stops it.")
        await stop_asked()
    finally:
        await runner.cleanup()
    return 0


def _require_port(port: int) -> None:
    if not 0 <= port <= _HIGHEST_PORT:
        raise ConfigError(
            f"--port {port}: must be 1 to {_HIGHEST_PORT}, such as --port 9000, or 0 for any free one",
            reason="bad_port",
        )


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else "it cannot be listened on"
        remedy = "end the program that listens on it, or give" if error.errno == EADDRINUSE else "give"
        raise ConfigError(
            f"--port {port}: cannot be had ({cause}); {remedy} another, such as --port {_ANOTHER_PORT}, "
            "and the same in the tool's url",
            reason="port_taken",
        ) from None


def _key(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        key = path.read_text(encoding="utf-8").strip()
        SigningKey.parse(key)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"--key-file cannot be used: {cause}", reason="bad_key") from None
    return key


def _path(arguments: argparse.Namespace) -> Path:
    if arguments.file is not None:
        return Path(arguments.file)
    file = settings.load({"config": arguments.config}).tools.file
    if file is None:
        raise ConfigError(
            "no tools file is named: give --file FILE, or set GATEWAY_TOOLS__FILE", reason="no_tools_file"
        )
    return Path(file)


def _load(path: Path) -> Catalog:
    return load(path, settings.environment(), load_filler)


def _signing(catalog: Catalog) -> str:
    keys = len(catalog.signing)
    return f"signed with {keys} key{'s' if keys > 1 else ''}" if keys else "requests are not signed"


def _arguments(given: Sequence[str]) -> Mapping[str, object]:
    """Read ``k=v`` pairs: JSON where it is JSON, else text."""
    values: dict[str, object] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ConfigError(f"--arg {pair!r}: must be NAME=VALUE, such as --arg people=4", reason="bad_arg")
        try:
            values[name] = json.loads(value)
        except (ValueError, RecursionError):
            values[name] = value
        _require_text(name, values[name])
    return values


def _require_text(name: str, value: object) -> None:
    try:
        json.dumps([name, value], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"--arg {name!a}: has half a character (a lone surrogate), which cannot be sent; write the "
            "character itself, in UTF-8, or both halves of its \\u escape",
            reason="bad_arg",
        ) from None


def _say(*lines: str) -> None:
    # What the terminal cannot show, a name from the command line among it, is shown as an escape.
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()
