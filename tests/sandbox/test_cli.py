import argparse
import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.sandbox import cli, seed
from gateway.sandbox.server import Sandbox
from gateway.sandbox.talker import Talker
from gateway.speech import extra, tts

needs_speech = pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")


def arguments(*words: str) -> argparse.Namespace:
    """Parse a command line."""
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(words)


def test_defaults_need_nothing() -> None:
    """Without options it listens on loopback, with a key of its own and no oddity."""
    args = arguments()
    assert (args.host, args.port, args.api_key, args.switch) == ("127.0.0.1", 8090, None, [])


def test_introduction_can_be_pasted_into_a_shell() -> None:
    """It names the URL, every agent, and the three variables a gateway needs."""
    sandbox = Sandbox(api_key="key")
    sandbox.url = "http://127.0.0.1:1234"
    text = cli.introduction(sandbox)
    assert all(str(entry.agent_id) in text and entry.name in text for entry in sandbox.agents)
    assert "export GATEWAY_VATEL__BASE_URL=http://127.0.0.1:1234\n" in text
    assert "export GATEWAY_VATEL__API_KEY=key\n" in text
    assert f"export GATEWAY_VATEL__AGENT_ID={sandbox.agent_id('echo')}\n" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_stops_it_with_status_zero(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """It serves until it is told to stop, and stops clean."""
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(cli.run(arguments("--port", "0", "--switch", "echo.pace=1")))
        shown = ""
        while "Ctrl-C" not in shown:
            await asyncio.sleep(0.01)
            shown += capsys.readouterr().out
        os.kill(os.getpid(), number)
    assert serving.result() == 0
    assert "A local Vatel listens on http://127.0.0.1:" in shown


@needs_speech
async def test_slow_preparation_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for more than a moment reads what for."""
    sandbox = Sandbox()
    await cli._prepare(sandbox)  # from now on it takes no time
    assert capsys.readouterr().out in ("", "Preparing speech ...\n")
    await cli._prepare(sandbox)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(cli, "_UNNOTICED_S", 0.0)
    await cli._prepare(sandbox)
    assert capsys.readouterr().out == "Preparing speech ...\n"


@needs_speech
async def test_agent_that_cannot_speak_is_found_out_at_once() -> None:
    """A voice that does not exist ends the preparation, not the first call."""
    sandbox = Sandbox()
    sandbox.add("martian", Talker(voice=tts.Voice("en-martian")))
    with pytest.raises(ConfigError, match="no voice 'en-martian'"):
        await cli._prepare(sandbox)


async def test_bad_switch_is_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    """A switch that does not exist is said on stderr, before anything listens."""
    assert await cli.run(arguments("--switch", "colour=blue")) == 2
    assert "sandbox: no switch 'colour'" in capsys.readouterr().err


async def test_taken_port_is_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    """A port in use is said on stderr, without a trace."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert await cli.run(arguments("--port", port)) == 2
    assert "sandbox: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("switch", "said"),
    [
        ("close_code=99999", "switch close_code: 99999 is out of range; give a whole number, 1000 to 1003"),
        ("echo.pace=nan", "switch pace: nan is out of range; give a number, 0 to 1000"),
        ("upgrade_delay_s=inf", "switch upgrade_delay_s: inf is out of range; give a number, 0 to 600"),
        ("interim", "switch interim: has no value; give true or false"),
        ("ekho.interim=no", "the sandbox has no agent 'ekho'; it has echo"),
        ("", "no switch ''; there are: empty"),
    ],
)
async def test_switch_that_does_not_fit_is_one_line_with_the_fix(
    switch: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Name, fault and fix stand on stderr, and nothing has started."""
    assert await cli.run(arguments("--port", "0", "--switch", switch)) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"sandbox: {said}")
    assert (shown.err.count("\n"), shown.out) == (1, "")


def test_introduction_tells_every_way_in() -> None:
    """The talk page with the key behind the #, both SDKs with their URLs, and a fault on demand."""
    sandbox = Sandbox(api_key="key")
    sandbox.url = "http://127.0.0.1:1234"
    text = cli.introduction(sandbox)
    for line in (
        "http://127.0.0.1:1234/talk#key=key",
        'Client(api_key="key", base_url="http://127.0.0.1:1234")',
        'new Client({ getToken: () => "key", baseUrl: "http://127.0.0.1:1234" })',
        'baseUrl: "http://127.0.0.1:1234" });',
        'curl -H "Authorization: Bearer key"',
        seed.BISTRO,
    ):
        assert line in text


def test_introduction_without_speech_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The talking agents play recorded lines: people should know why, and what to install."""
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    assert "pip install 'vatel-gateway[demo]'" in cli.introduction(Sandbox())


def test_fixed_options_are_taken() -> None:
    """Host, port, key, database and reset are what scripts rely on."""
    words = "--host 0.0.0.0 --port 1 --api-key k --database box.db --reset --webrtc-url wss://m"
    args = arguments(*words.split())
    assert (args.host, args.port, args.api_key) == ("0.0.0.0", 1, "k")
    assert (args.database, args.reset, args.webrtc_url) == (Path("box.db"), True, "wss://m")
    assert (arguments().database, arguments().reset, arguments().webrtc_url) == (None, False, "")


async def test_database_that_is_none_is_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr says what is wrong, and the file is left alone."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, " * 100)
    assert await cli.run(arguments("--port", "0", "--database", str(path))) == 2
    assert capsys.readouterr().err.startswith(f"sandbox: --database {path}: ")


async def scenario_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is said of a scenario that does not work."""
    assert await cli.run(arguments("--port", "0", "--scenario", str(path))) == 2
    return capsys.readouterr().err


async def test_scenario_that_does_not_work_is_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is named, and what is wrong in it, before anything listens."""
    path = tmp_path / "a.toml"
    assert "No such file" in await scenario_refused(path, capsys)
    path.write_bytes(b"\xff")
    assert f"--scenario {path}: " in await scenario_refused(path, capsys)
    path.write_text('name = "a"\nstep = []\n[grammar]')
    assert "scenario: there is no step" in await scenario_refused(path, capsys)


async def test_scenario_of_ones_own_becomes_an_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is offered under its name, with an id, beside the others."""
    path = tmp_path / "pizza.toml"
    path.write_text('name = "pizza"\n[grammar]\n[[step]]\nid = "bye"\nsay = "We are closed."')
    words = ("--port", "0", "--scenario", str(path), "--switch", "pizza.pace=1")
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(cli.run(arguments(*words)))
        shown = ""
        while "Ctrl-C" not in shown:
            await asyncio.sleep(0.01)
            shown += capsys.readouterr().out
        os.kill(os.getpid(), signal.SIGINT)
    assert serving.result() == 0
    assert "00000000-0000-4000-8000-000000000012  pizza" in shown
