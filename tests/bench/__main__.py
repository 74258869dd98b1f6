"""What the gateway costs, measured: `python -m tests.bench COMMAND`; method and results in RESULTS.md."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path

import uvloop

from gateway.audio.resample import Kind
from tests.bench import api, calls, parts, profiling, resamplers, soak, tools
from tests.bench.machine import describe
from tests.bench.mix import MIXES, Mix
from tests.bench.resamplers import KINDS

_TABLES = {"parts": parts.table, "resamplers": resamplers.table}
_SHARE = 0.8
_PROFILED_CALLS = 250


class _Printer:
    """Writes lines to standard output and, where one is named, to a file. Lives as long as the command."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("w", encoding="utf-8") if path else None

    def __call__(self, text: str) -> None:
        for out in (sys.stdout, self._file):
            if out is not None:
                out.write(text + "\n")
                out.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--out", type=Path, help="write the printout to a file as well")
    commands = parser.add_subparsers(dest="command", required=True)
    load = argparse.ArgumentParser(add_help=False)
    load.add_argument("--resampler", choices=KINDS, default="soxr")
    load.add_argument("--mix", choices=MIXES, default="half")
    load.add_argument("--calls", type=int, default=200)
    load.add_argument("--seconds", type=float, default=10.0, help="length of a window")
    full = commands.add_parser("calls", parents=[load], help="full-duplex calls on one core")
    full.add_argument("--floor", action="store_true", help="a relay that does nothing, to compare with")
    full.add_argument("--ramp", action="store_true", help="add calls until the core has enough")
    reading = commands.add_parser("api", parents=[load], help="calls beside readers of the API")
    reading.add_argument("--rate", type=float, default=50.0, help="reads a second")
    reading.add_argument("--pinned", action="store_true", help="the gateway has one core and no more")
    watched = commands.add_parser("watchers", parents=[load], help="calls of which one is watched by many")
    watched.add_argument("--watchers", type=int, default=500)
    commands.add_parser("parts", help="each part of the audio chains alone")
    commands.add_parser("resamplers", help="the resamplers' quality, delay and cost")
    commands.add_parser("profile", parents=[load], help="where the time goes under load, by part")
    commands.add_parser("tools", parents=[load], help="what is added to the tool calls of so many calls")
    sequential = commands.add_parser("soak", help="what calls leave behind")
    sequential.add_argument("--calls", type=int, default=2_000)
    commands.add_parser("all", help="everything RESULTS.md is made of, in about twelve minutes")
    return parser.parse_args()


def _load(chosen: argparse.Namespace) -> tuple[Kind, Mix, int, float]:
    return chosen.resampler, chosen.mix, chosen.calls, chosen.seconds


def _run(work: Coroutine[None, None, object]) -> object:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _everything(say: _Printer) -> None:
    say(describe())
    for title, table in _TABLES.items():
        say(f"\n== {title}")
        say(table())
    say("\n== floor")
    _run(calls.floor("full", 2 * _PROFILED_CALLS, 8.0, say))
    for kind in KINDS:
        for mix in MIXES:
            say("\n== ramp")
            carried = _run(calls.ramp(kind, mix, 4.0, say))
            assert isinstance(carried, int)
            say(f"\n== at {_SHARE:.0%} of that")
            _run(calls.steady(kind, mix, max(10, round(_SHARE * carried)), 10.0, say))
    for kind in KINDS:
        say("\n== profile")
        _run(profiling.profile(kind, "full", _PROFILED_CALLS, 10.0, say))
    say("\n== soak")
    _run(soak.soak("soxr", 2_000, say))


def main() -> None:
    """Run one command."""
    chosen = _arguments()
    say = _Printer(chosen.out)
    match chosen.command:
        case "calls" if chosen.floor:
            _run(calls.floor(chosen.mix, chosen.calls, chosen.seconds, say))
        case "calls" if chosen.ramp:
            _run(calls.ramp(chosen.resampler, chosen.mix, chosen.seconds, say))
        case "calls":
            _run(calls.steady(chosen.resampler, chosen.mix, chosen.calls, chosen.seconds, say))
        case "api":
            _run(api.readers(*_load(chosen), chosen.rate, say, pinned=chosen.pinned))
        case "watchers":
            _run(api.watchers(*_load(chosen), chosen.watchers, say))
        case "parts" | "resamplers":
            say(_TABLES[chosen.command]())
        case "profile":
            _run(profiling.profile(chosen.resampler, chosen.mix, chosen.calls, chosen.seconds, say))
        case "tools":
            _run(tools.tools(*_load(chosen), say))
        case "soak":
            _run(soak.soak("soxr", chosen.calls, say))
        case _:
            _everything(say)


if __name__ == "__main__":
    main()
