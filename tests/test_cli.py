"""The command line as a person meets it."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import cli

COMMANDS = ("serve", "demo", "simulate", "sandbox", "tools", "config", "migrate", "keys", "invite")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("GATEWAY_"):
            monkeypatch.delenv(name)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names each command with what it is for."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])

    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert all(f"    {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command explains its own options."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])

    assert stopped.value.code == 0
    assert f"usage: vatel-gateway {command}" in capsys.readouterr().out


def test_serve_without_settings_says_all_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    """A first start tells everything that is needed at once, without a traceback."""
    assert cli.main(["serve"]) == 2

    missing = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in missing] == [
        "GATEWAY_PUBLIC_URL",
        "GATEWAY_VATEL__API_KEY",
        "GATEWAY_VATEL__AGENT_ID",
        "GATEWAY_TWILIO__ACCOUNT_SID",
        "GATEWAY_TWILIO__AUTH_TOKEN",
    ]


def test_flag_is_never_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret on the command line is refused, not taken for the flag that names its file."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(["config", "--twilio-auth-token", "secret"])

    assert stopped.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_config_shows_what_is_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting is shown with its value and where it comes from."""
    assert cli.main(["config", "--audio-lead-ms", "150"]) == 0

    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("audio.lead_ms")]
    assert line.split() == ["audio.lead_ms", "150", "--audio-lead-ms"]


def test_ctrl_c_while_a_command_is_being_loaded_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who changes their mind in the first moment gets the shell back, not a traceback."""

    def change_of_mind(_parser: argparse.ArgumentParser) -> None:
        raise KeyboardInterrupt

    what, _, command = cli._COMMANDS["demo"]
    monkeypatch.setitem(cli._COMMANDS, "demo", (what, change_of_mind, command))

    assert cli.main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")


def test_command_line_itself_is_light() -> None:
    """Mistakes and Ctrl-C are answered at once: loop, audio and settings wait for a command."""
    code = "import sys, gateway.cli; print({'asyncio', 'numpy', 'pydantic'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )

    assert done.stdout == "set()\n"


def test_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    """Output into a pipe that closes early ends without a traceback."""
    code = f"{sys.executable} -m gateway config | head -1"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=20, check=False)

    assert done.stdout.startswith("host")
    assert done.stderr == ""


def test_key_is_the_last_word_and_works_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In an empty folder, without settings, the first command makes the database and prints a key."""
    monkeypatch.chdir(tmp_path)

    assert cli.main(["keys", "create", "--name", "first"]) == 0
    assert re.fullmatch(r"va_[0-9a-f]{16}_[\w-]{43}", capsys.readouterr().out.split()[-1])
    assert (tmp_path / "gateway.db").exists()
    assert cli.main(["migrate"]) == 0
    assert capsys.readouterr().out == "nothing to do\n"


def test_database_of_the_settings_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The URL comes from the environment; one that cannot work is a message, not a traceback."""
    monkeypatch.setenv("GATEWAY_DATABASE__URL", f"sqlite:///{tmp_path / 'mine.db'}")
    assert cli.main(["migrate"]) == 0
    assert (tmp_path / "mine.db").exists()
    monkeypatch.setenv("GATEWAY_DATABASE__URL", "mysql://u:canary@h/d")

    assert cli.main(["keys", "list"]) == 2
    said = capsys.readouterr().err
    assert "GATEWAY_DATABASE__URL" in said
    assert "canary" not in said
