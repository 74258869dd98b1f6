"""The command line: ``vatel-gateway serve | demo | check | simulate | sandbox | tools | …``.

Each command imports what it needs when it runs, so that ``--help`` and mistakes answer at once.
"""

import argparse
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from gateway.errors import GatewayError

Command = Callable[[argparse.Namespace], int]
T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 done, 1 it failed, 2 it was called wrongly."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = _parser(words[0] if words else "").parse_args(words)  # imports what the command needs
        command: Command = arguments.run
        return command(arguments)
    except GatewayError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command line's own voice
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has read enough; nothing more can be said, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vatel-gateway",
        description="Puts a Vatel voice agent on the phone (Twilio Media Streams).",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (what, add_flags, run) in _COMMANDS.items():
        command = commands.add_parser(
            name, help=what, description=what[0].upper() + what[1:] + ".", allow_abbrev=False
        )
        command.set_defaults(run=run)
        if name == chosen:
            add_flags(command)
    return parser


def _run(work: Callable[[T], Coroutine[Any, Any, int]], given: T) -> int:
    """Run a command's coroutine on the fastest loop there is."""
    import asyncio

    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.run(work(given))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work(given))


def _serve_flags(parser: argparse.ArgumentParser) -> None:
    from gateway import settings

    settings.add_flags(parser)


def _serve(arguments: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.app import serve
    from gateway.telemetry import log

    loaded = settings.load(settings.overrides(arguments))
    loaded.require_serving()
    log.configure(loaded.log.level, loaded.log.format, secrets=loaded.secrets())
    return _run(serve, loaded)


def _check(arguments: argparse.Namespace) -> int:
    from gateway import check

    return _run(check.run, arguments)


def _config(arguments: argparse.Namespace) -> int:
    from gateway import settings

    print(settings.describe(settings.load(settings.overrides(arguments))))  # noqa: T201
    return 0


def _demo_flags(parser: argparse.ArgumentParser) -> None:
    from gateway.demo import run

    run.add_arguments(parser)


def _demo(arguments: argparse.Namespace) -> int:
    from gateway.demo import run

    return _run(run.run, arguments)


def _simulate_flags(parser: argparse.ArgumentParser) -> None:
    from gateway.simulator import cli

    cli.add_arguments(parser)


def _simulate(arguments: argparse.Namespace) -> int:
    from gateway.simulator import cli

    return _run(cli.run, arguments)


def _sandbox_flags(parser: argparse.ArgumentParser) -> None:
    from gateway.sandbox import cli

    cli.add_arguments(parser)


def _sandbox(arguments: argparse.Namespace) -> int:
    from gateway.sandbox import cli

    return _run(cli.run, arguments)


def _tools_flags(parser: argparse.ArgumentParser) -> None:
    from gateway.tooling import cli

    cli.add_arguments(parser)


def _tools(arguments: argparse.Namespace) -> int:
    from gateway.tooling import cli

    return _run(cli.run, arguments)


def _migrate(arguments: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.api import cli

    return _run(cli.run_migrate, settings.load(settings.overrides(arguments)).database.effective_url)


def _keys_flags(parser: argparse.ArgumentParser) -> None:
    from gateway.api import cli

    _serve_flags(parser)
    cli.add_key_arguments(parser)


def _invite_flags(parser: argparse.ArgumentParser) -> None:
    from gateway.api import cli

    _serve_flags(parser)
    cli.add_invite_arguments(parser)


def _accounts(arguments: argparse.Namespace) -> int:
    from gateway import settings
    from gateway.api import cli

    url = settings.load(settings.overrides(arguments)).database.effective_url
    return _run(lambda given: cli.run_action(given, url), arguments)


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Command]] = {
    "serve": ("run the gateway", _serve_flags, _serve),
    "demo": ("hear a whole call work: no account, no network", _demo_flags, _demo),
    "simulate": ("call a gateway as Twilio would", _simulate_flags, _simulate),
    "sandbox": ("run a local Vatel", _sandbox_flags, _sandbox),
    "tools": ("check the tools file, call a tool, serve an endpoint", _tools_flags, _tools),
    "check": ("check whether a real call would work", _serve_flags, _check),
    "config": ("show the settings in force and where each comes from", _serve_flags, _config),
    "migrate": ("bring the database to this version's schema", _serve_flags, _migrate),
    "keys": ("create, list and revoke API keys", _keys_flags, _accounts),
    "invite": ("invite a person to sign in", _invite_flags, _accounts),
}
