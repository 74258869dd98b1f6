"""``vatel-gateway simulate``: call a gateway as Twilio would, and say what the caller experienced."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.errors import ConfigError
from gateway.simulator import arguments, load, recording, report, screenplay, speech
from gateway.simulator.caller import Caller, SilentCaller, ToneCaller, WavCaller, frames_of_wav
from gateway.simulator.codes import WEBHOOK_FAILED, Fault
from gateway.simulator.options import CallOptions
from gateway.simulator.progress import CallbackOptions
from gateway.simulator.promises import Limits
from gateway.simulator.report import CallReport
from gateway.simulator.script import HangUp, Say, ScriptedCaller, Step, WaitAgentQuiet
from gateway.simulator.simulator import Simulator

KEPT, BROKEN, UNTRUSTED, INTERRUPTED = 0, 1, 3, 130  # exit statuses; 2 is a mistake in the options
REST_PORT: Final = 8_091
_SECONDS: Final = 10.0
_PATIENCE_MS: Final = 4_000  # a person says something when nobody else does
_LONGEST_S: Final = 600.0
_LIMITS: Final = Limits(barge_in_ms=500.0)  # a gateway that lets an interrupted agent talk on is no gateway
_REFUSED: Final = "HTTP 403"


def add_arguments(
    parser: argparse.ArgumentParser, *, account_sid: str | None = None, auth_token: str | None = None
) -> None:
    """Add the options of ``simulate``.

    Args:
        account_sid: default of ``--account-sid``, required without; ``auth_token`` likewise.
    """
    option = parser.add_argument
    option("--url", type=arguments.url, required=True, help="the gateway's voice webhook")
    for name, default in (("--account-sid", account_sid), ("--auth-token", auth_token)):
        option(name, default=default, required=default is None, help="as the gateway knows it")
    _add_callers(parser)
    seconds = "how long a tone or a silent caller lasts (default: %(default)g)"
    option("--seconds", type=arguments.seconds, default=_SECONDS, help=seconds)
    option("--calls", type=arguments.count, default=1, help="how many calls")
    option("--ramp", type=arguments.rate, default=10.0, metavar="R", help="calls started a second")
    option("--record", type=Path, metavar="DIR", help="write what was heard as WAV")
    option("--json", type=Path, metavar="FILE", help="write the report as JSON")
    rest = "port of the Calls REST API on 127.0.0.1; 0 takes a free one (default: %(default)d)"
    option("--rest-port", type=arguments.port, default=REST_PORT, help=rest)
    option("--status-url", type=arguments.url, metavar="URL", help="where the call's status callbacks go")


def _add_callers(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--wav", type=Path, metavar="FILE", help="play a WAV at 8 kHz")
    says = "say these, each after the agent has finished"
    who.add_argument("--say", nargs="+", type=arguments.line, metavar="TEXT", help=says)
    tone = "play a tone and measure how it comes back, as 1004"
    who.add_argument("--tone", type=float, metavar="HZ", help=tone)
    who.add_argument("--script", type=Path, metavar="FILE", help="follow a script (TOML)")


async def run(args: argparse.Namespace) -> int:
    """Make the calls that the options ask for.

    Returns:
        0 when every promise held; 1 when not; 3 when this machine was too late for its figures to prove
        anything; 130 after Ctrl-C.

    Raises:
        ConfigError: the caller cannot be made of what was given, a file cannot be written, the port is taken.
    """
    caller = build_caller(args)
    _check_folder(args.record)
    _check_file(args.json)
    stopped = asyncio.Event()
    async with _twilio(args) as simulator:
        _say(f"REST API  export GATEWAY_TWILIO__API_BASE_URL={simulator.rest_url}")

        def stop() -> None:
            _say("stopping  the callers hang up; press again to quit at once")
            stopped.set()
            simulator.hang_up()

        with _first_ctrl_c(stop):
            if args.calls > 1:
                status = await _run_many(simulator, caller, args, stopped)
            else:
                status = await _run_one(simulator, caller, args)
    return INTERRUPTED if stopped.is_set() else status


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


@asynccontextmanager
async def _twilio(args: argparse.Namespace) -> AsyncIterator[Simulator]:
    simulator = Simulator(args.account_sid, args.auth_token, rest_port=args.rest_port)
    try:
        await simulator.__aenter__()
    except OSError as error:
        raise ConfigError(
            f"port {args.rest_port} of 127.0.0.1 cannot be had ({error.strerror}): give --rest-port another "
            "one, and the gateway the same in GATEWAY_TWILIO__API_BASE_URL",
            reason="port_taken",
        ) from None
    try:
        yield simulator
    finally:
        await simulator.__aexit__(None, None, None)


@contextmanager
def _first_ctrl_c(act: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C act, and the second end the process as ever."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        act()

    try:
        loop.add_signal_handler(signal.SIGINT, first)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _run_one(simulator: Simulator, caller: Caller, args: argparse.Namespace) -> int:
    made = await simulator.call(args.url, caller, options=_options(args, keep_audio=True), limits=_LIMITS)
    _say(report.human(made))
    _hint(made.faults)
    await _keep(args.record, made)
    _write_json(args.json, made.as_dict())
    if made.kept:
        return KEPT
    return UNTRUSTED if made.untrusted else BROKEN


async def _run_many(
    simulator: Simulator, caller: Caller, args: argparse.Namespace, stopped: asyncio.Event
) -> int:
    faults: list[Fault] = []

    async def keep(number: int, made: CallReport) -> None:
        faults.extend(made.faults)
        await _keep(args.record and args.record / f"call-{number + 1:04}", made)

    made = await load.run(
        simulator,
        args.url,
        caller,
        calls=args.calls,
        calls_per_s=args.ramp,
        options=_options(args, keep_audio=args.record is not None or args.tone is not None),
        limits=_LIMITS,
        on_report=keep,
        stopped=stopped,
    )
    _say(load.human(made))
    _hint(faults)
    _write_json(args.json, made.as_dict())
    if made.proved:
        return BROKEN
    return KEPT if made.kept == made.calls and not made.untrusted else UNTRUSTED


def _options(args: argparse.Namespace, *, keep_audio: bool) -> CallOptions:
    return CallOptions(
        keep_audio=keep_audio,
        max_seconds=max(_LONGEST_S, args.seconds + 60),
        callbacks=CallbackOptions(url=args.status_url),
    )


def _hint(faults: Iterable[Fault]) -> None:
    if any(fault.code == WEBHOOK_FAILED and fault.detail == _REFUSED for fault in faults):
        _say("hint      403: is --auth-token the gateway's,")
        _say("          and --url under its GATEWAY_PUBLIC_URL to the letter?")


def _check_folder(folder: Path | None) -> None:
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise ConfigError("--record: the folder cannot be written: give another one", reason="bad_output")


def _check_file(path: Path | None) -> None:
    if path is None:
        return
    existed = path.exists()
    try:
        path.open("a").close()
    except OSError as error:
        text = f"--json: the file cannot be written ({error.strerror}): give another one"
        raise ConfigError(text, reason="bad_output") from None
    if not existed:
        path.unlink()


async def _keep(folder: Path | None, made: CallReport) -> None:
    """Write recordings beside the loop: the other calls go on."""
    if folder is None:
        return
    try:
        paths = await asyncio.to_thread(recording.write, made.record, folder)
    except OSError as error:
        _say(f"NOT WRITTEN {folder}: {error.strerror}")
        return
    for path in paths:
        _say(f"wrote     {path}")


def _write_json(path: Path | None, value: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
