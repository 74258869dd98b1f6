"""What the gateway costs: `python -m tests.bench calls | parts | profile | soak | resamplers | all`."""

import argparse
import asyncio
import sys

import uvloop

from tests.bench import calls as calls_bench
from tests.bench.mix import MIXES
from tests.bench.resamplers import KINDS


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    calls = commands.add_parser("calls", help="full-duplex calls on one core")
    calls.add_argument("--resampler", choices=KINDS, default="soxr")
    calls.add_argument("--mix", choices=MIXES, default="half")
    calls.add_argument("--calls", type=int, default=100)
    calls.add_argument("--ramp", action="store_true", help="add calls until the core has enough")
    calls.add_argument("--seconds", type=float, default=10.0, help="length of a window")
    return parser.parse_args()


def main() -> None:
    """Run one command."""
    chosen = _arguments()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if chosen.ramp:
            runner.run(calls_bench.ramp(chosen.resampler, chosen.mix, chosen.seconds, _say))
        else:
            runner.run(
                calls_bench.steady(chosen.resampler, chosen.mix, chosen.calls, chosen.seconds, _say)
            )


if __name__ == "__main__":
    main()
