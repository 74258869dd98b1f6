"""The demo end to end with a call of a few seconds; the whole of it is run by ``.ci/run``."""

import argparse
import asyncio
import json
import time
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from gateway import settings
from gateway.demo import run
from gateway.demo.script import Play
from gateway.errors import ConfigError
from gateway.sandbox.scenario import load
from gateway.sandbox.stage import Agent, Stage
from gateway.sandbox.talker import Talker
from gateway.simulator.promises import Limits
from gateway.speech import extra
from tests.simulator.stories import report_of

needs_speech = pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")

SCENARIO = load("""
name = "short"
[grammar.farewell]
jsgf = "goodbye"
[[step]]
id = "greet"
say = "Hello."
listen = "farewell"
[[step]]
id = "bye"
say = "Bye."
""")
GOODBYE = load('name = "shorter"\n[grammar]\n[[step]]\nid = "bye"\nsay = "Bye."\n')
SHORT = Play(
    lines=("Goodbye.",),
    agent_turns=2,
    limits=Limits(setup_ms=9_000, gaps=None, ended_by="gateway"),
    agent=Talker(SCENARIO),
)


class _Stalling(Talker):
    """Holds up the whole process when a call comes in."""

    def cast(self, stage: Stage) -> Agent:
        """Stand still, then answer."""
        time.sleep(0.25)
        return super().cast(stage)


def arguments(folder: Path, report: Path | None = None) -> argparse.Namespace:
    """Return a command line."""
    return argparse.Namespace(json=report, out=folder)


def test_options_have_defaults() -> None:
    """Without options recordings go to a folder here and no report is written."""
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)

    assert parser.parse_args([]) == argparse.Namespace(json=None, out=Path("demo-call"))


def test_configuration_of_the_demo_is_sound() -> None:
    """The file the demo runs with is found, and is valid."""
    assert settings.load({"config": str(run._config_file())}, env={}).host == "127.0.0.1"


async def test_missing_extra_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the speech packages the demo names what to install."""
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))

    with pytest.raises(ConfigError, match=r"pip install 'vatel-gateway\[demo\]'"):
        await run.run(arguments(Path("x")))


@needs_speech
async def test_report_that_cannot_be_written_is_said_before_the_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits half a minute for an error about a file name."""
    with pytest.raises(ConfigError, match=r"--json: .*/none is no folder"):
        await run.run(arguments(tmp_path, tmp_path / "none" / "x"), SHORT)
    assert capsys.readouterr().out == ""


@needs_speech
async def test_call_that_keeps_its_promises_ends_with_status_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sandbox, gateway and caller talk to each other, and everything that was asked for is written."""
    folder, file = tmp_path / "[bold]out", tmp_path / "report.json"
    status = await run.run(arguments(folder, file), SHORT)
    out = capsys.readouterr().out
    assert status == 0, out

    report = json.loads(file.read_text("utf-8"))
    assert (report["kept"], report["call_number"], report["discarded_calls"]) == (True, 1, [])
    assert report["machine_late_ms"] >= 0
    for name, channels in (("caller_heard.wav", 1), ("call_stereo.wav", 2)):
        with wave.open(str(folder / name)) as recording:
            assert recording.getnchannels() == channels
            assert recording.getnframes() == pytest.approx(8_000 * report["duration_s"], abs=4_000)
    lines = [line.split("  ", 2)[-1].strip() for line in out.splitlines()]
    said = [line for line in lines if line.startswith(("agent  ", "caller  ", "understood  "))]
    assert said == ["agent  Hello.", "caller  Goodbye.", "understood  goodbye", "agent  Bye."]
    assert "Every promise held." in out
    assert any(line.endswith(str(folder / "caller_heard.wav")) for line in out.splitlines())


@needs_speech
async def test_call_on_a_machine_that_stood_still_is_made_once_more_and_no_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A promise about time that broke then gets a second chance; what is still broken is status 1."""
    limits = replace(SHORT.limits, setup_ms=0.0)
    play = Play(lines=(), agent_turns=1, limits=limits, agent=_Stalling(GOODBYE))
    status = await run.run(arguments(tmp_path, tmp_path / "r.json"), play)
    out = " ".join(capsys.readouterr().out.split())

    assert status == 1
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert (report["kept"], report["call_number"]) == (False, 2)
    [first] = report["discarded_calls"]
    assert first["machine_late_ms"] > 100
    assert [promise.partition(":")[0] for promise in first["broken"]] == ["set-up"]
    assert "late during call 1, and not every promise held: BROKEN set-up:" in out
    assert "What the caller experienced in call 2; call 1 is told above" in out
    assert out.count("BROKEN set-up") == 2
    assert "try again when it is less busy" in out


def attempt(late_ms: float, **call: Any) -> run.Attempt:
    """Return a call that was made on a machine so late."""
    return run.Attempt(1, report_of(Limits(), **call), late_ms)


@pytest.mark.parametrize(
    ("made", "nothing"),
    [
        (attempt(101, setup_ms=9_000.0), True),
        (attempt(100, setup_ms=9_000.0), False),
        (attempt(500), False),
        (attempt(500, missed=("step 2: say",)), False),
        (attempt(500, missed=("step 2: say",), setup_ms=9_000.0), True),
    ],
)
def test_only_time_that_the_machine_did_not_have_excuses_a_promise(made: run.Attempt, nothing: bool) -> None:
    """A call is made again when it broke a promise about time and the machine was late, and only then."""
    assert made.proves_nothing is nothing


def test_discarded_call_is_told_whole() -> None:
    """Every promise the first call broke is on the record, also those that time does not explain."""
    first = attempt(500, missed=("step 2: say",), setup_ms=9_000.0)
    assert [promise.name for promise in first.broken] == ["set-up", "script kept"]
    assert "script kept: step 2: say (limit every step)" in run._why_again(first)
    [told] = run.as_dict([first, replace(attempt(1), number=2)])["discarded_calls"]
    assert len(told["broken"]) == 2


def test_broken_promise_of_a_punctual_machine_has_no_excuse() -> None:
    """Then nothing is said of the machine."""
    assert "late" not in run._what_now(attempt(20, setup_ms=9_000.0))


@needs_speech
async def test_long_preparation_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who waits for more than a moment reads what for."""
    await run._prepare(Console(), SHORT)
    capsys.readouterr()
    monkeypatch.setattr(run, "_UNNOTICED_S", 0.0)
    await run._prepare(Console(), SHORT)
    assert capsys.readouterr().out == "Preparing speech ...\n\n"


@needs_speech
async def test_tool_of_the_call_is_really_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the agent calls reaches the demo's own endpoint, and its answer is spoken."""
    scenario = load("""
name = "tool"
[grammar.people]
jsgf = "two | three"
slot = "people"
default = "two"
words = { two = 2, three = 3 }
[[step]]
id = "ask"
listen = "people"
[[step]]
id = "book"
[step.tool]
name = "book_table"
failed = "It failed."
arguments = [{ name = "people", slot = "people", data_type = "number" }]
[[step]]
id = "tell"
say = "{book_table}"
""")
    agent = Talker(msgspec.structs.replace(scenario, listen_s=0.1, retries=0))
    play = replace(SHORT, lines=(), agent_turns=1, tool_arguments=({"people": 2},), agent=agent)

    status = await run.run(arguments(tmp_path), play)
    out = capsys.readouterr().out
    assert status == 0, out
    assert 'tool asked  book_table {"people": 2}' in out
    assert "tool ok  A table for 2 at None is booked." in out


@needs_speech
async def test_call_that_is_broken_off_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in the middle of a call stops everything at once, without a trace or a file."""
    before = asyncio.all_tasks()
    running = asyncio.get_running_loop().create_task(run.run(arguments(tmp_path / "out"), SHORT))
    shown = ""
    while "agent  Hello." not in shown:
        await asyncio.sleep(0.01)
        shown += capsys.readouterr().out
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in capsys.readouterr().err
