"""``vatel-gateway simulate``: call a gateway as Twilio would, and say what the caller experienced."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.simulator import load, recording, report, screenplay, speech
from gateway.simulator.caller import Caller, SilentCaller, ToneCaller, WavCaller, frames_of_wav
from gateway.simulator.options import CallOptions
from gateway.simulator.progress import CallbackOptions
from gateway.simulator.promises import Limits
from gateway.simulator.report import CallReport
from gateway.simulator.script import HangUp, Say, ScriptedCaller, Step, WaitAgentQuiet
from gateway.simulator.simulator import Simulator

_SECONDS = 10.0
_PATIENCE_MS = 4_000  # a person says something when nobody else does

_LIMITS = Limits(barge_in_ms=500.0)  # a gateway that lets an interrupted agent talk on is no gateway


def add_arguments(
    parser: argparse.ArgumentParser, *, account_sid: str | None = None, auth_token: str | None = None
) -> None:
    """Add the options of ``simulate``.

    Args:
        account_sid: default of ``--account-sid``, required without; ``auth_token`` likewise.
    """
    parser.add_argument("--url", required=True, help="the gateway's voice webhook")
    for name, default in (("--account-sid", account_sid), ("--auth-token", auth_token)):
        parser.add_argument(name, default=default, required=default is None, help="as the gateway knows it")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--wav", type=Path, metavar="FILE", help="play a WAV at 8 kHz")
    who.add_argument("--say", nargs="+", metavar="TEXT", help="say these, each after the agent has finished")
    who.add_argument("--tone", type=float, metavar="HZ", help="play a tone and measure how it comes back")
    who.add_argument("--script", type=Path, metavar="FILE", help="follow a script (TOML)")
    parser.add_argument(
        "--seconds", type=float, default=_SECONDS, help="how long a tone or a silent caller lasts"
    )
    parser.add_argument("--calls", type=int, default=1, help="how many calls")
    parser.add_argument("--ramp", type=float, default=10.0, metavar="R", help="calls started a second")
    parser.add_argument("--record", type=Path, metavar="DIR", help="write what was heard as WAV")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--rest-port", type=int, default=0, help="port of the Calls REST API on 127.0.0.1")
    parser.add_argument("--status-url", metavar="URL", help="where the call's status callbacks go")


async def run(args: argparse.Namespace) -> int:
    """Make the calls that the options ask for.

    Returns:
        0 when every promise held, else 1.

    Raises:
        ConfigError: the caller cannot be made of what was given.
    """
    caller = build_caller(args)
    async with Simulator(args.account_sid, args.auth_token, rest_port=args.rest_port) as simulator:
        _say(f"REST API at {simulator.rest_url}")
        if args.calls > 1:
            return await _run_many(simulator, caller, args)
        return await _run_one(simulator, caller, args)


def build_caller(args: argparse.Namespace) -> Caller:
    """Make the caller that the options describe.

    Raises:
        ConfigError: a file is missing or wrong, or speech needs the ``demo`` extra.
    """
    try:
        if args.wav is not None:
            return WavCaller(frames_of_wav(args.wav.read_bytes()))
        if args.script is not None:
            return screenplay.parse(args.script.read_text(), speech.say)
        if args.tone is not None:
            return ToneCaller(args.tone, args.seconds)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the caller cannot be made: {error}", reason="bad_caller") from None
    return _talker(args.say) if args.say else SilentCaller(args.seconds)


def _talker(texts: list[str]) -> ScriptedCaller:
    steps: list[Step] = []
    for text in texts:
        steps += [WaitAgentQuiet(patience_ms=_PATIENCE_MS), Say(speech.say(text), text)]
    return ScriptedCaller((*steps, WaitAgentQuiet(patience_ms=_PATIENCE_MS), HangUp()))


async def _run_one(simulator: Simulator, caller: Caller, args: argparse.Namespace) -> int:
    made = await simulator.call(args.url, caller, options=_options(args, keep_audio=True), limits=_LIMITS)
    _say(report.human(made))
    _keep(args.record, made)
    _write_json(args.json, made.as_dict())
    return 0 if made.kept else 1


async def _run_many(simulator: Simulator, caller: Caller, args: argparse.Namespace) -> int:
    def keep(number: int, made: CallReport) -> None:
        _keep(args.record and args.record / f"call-{number + 1:04}", made)

    made = await load.run(
        simulator,
        args.url,
        caller,
        calls=args.calls,
        calls_per_s=args.ramp,
        options=_options(args, keep_audio=args.record is not None or args.tone is not None),
        limits=_LIMITS,
        on_report=keep,
    )
    _say(load.human(made))
    _write_json(args.json, made.as_dict())
    return 0 if made.kept == made.calls else 1


def _options(args: argparse.Namespace, *, keep_audio: bool) -> CallOptions:
    return CallOptions(keep_audio=keep_audio, callbacks=CallbackOptions(url=args.status_url))


def _keep(folder: Path | None, made: CallReport) -> None:
    if folder is not None:
        for path in recording.write(made.record, folder):
            _say(f"wrote     {path}")


def _write_json(path: Path | None, value: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
