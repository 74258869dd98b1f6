"""``vatel-gateway simulate`` from its options to its exit status."""

import argparse
import json
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.simulator.caller import SilentCaller, ToneCaller, WavCaller
from gateway.simulator.cli import add_arguments, build_caller, run
from gateway.simulator.script import HangUp, Say, ScriptedCaller, WaitAgentQuiet
from tests.simulator.answering import ACCOUNT_SID, AUTH_TOKEN, answering, echo, greet, listen
from tests.simulator.test_caller import wav_of


def parse(*args: str, url: str = "http://127.0.0.1:1/twilio/voice") -> argparse.Namespace:
    """Parse options, with an account as the gateway's settings would give it."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
    return parser.parse_args(["--url", url, *args])


class TestArguments:
    """What may be given."""

    def test_defaults_make_one_silent_call(self) -> None:
        """For ten seconds, nothing written."""
        args = parse()

        assert (args.calls, args.ramp, args.seconds, args.rest_port) == (1, 10.0, 10.0, 0)
        assert args.record is args.json is None

    def test_the_account_comes_from_the_settings_or_is_required(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without either, argparse says which is missing."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)

        with pytest.raises(SystemExit):
            parser.parse_args(["--url", "http://a/b"])
        assert "--account-sid, --auth-token" in capsys.readouterr().err

    def test_only_one_caller_can_be_given(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A tone is no recording."""
        with pytest.raises(SystemExit):
            parse("--tone", "1004", "--wav", "a.wav")
        assert "not allowed with" in capsys.readouterr().err


class TestCaller:
    """Who calls."""

    def test_silence_is_the_default(self) -> None:
        """For as long as asked."""
        assert build_caller(parse("--seconds", "3")) == SilentCaller(3)

    def test_a_tone_lasts_its_seconds(self) -> None:
        """In samples."""
        caller = build_caller(parse("--tone", "440", "--seconds", "2"))

        assert isinstance(caller, ToneCaller)
        assert (caller.hz, caller.samples) == (440, 16_000)

    def test_a_recording_is_read(self, tmp_path: Path) -> None:
        """From a WAV at 8 kHz."""
        path = tmp_path / "caller.wav"
        path.write_bytes(wav_of(320))
        caller = build_caller(parse("--wav", str(path)))

        assert isinstance(caller, WavCaller)
        assert len(caller.frames) == 2

    def test_lines_are_said_in_turn(self) -> None:
        """Each after the agent has finished, and a hang-up at the end."""
        caller = build_caller(parse("--say", "Hello.", "Goodbye."))

        assert isinstance(caller, ScriptedCaller)
        assert [type(step) for step in caller.steps] == [
            WaitAgentQuiet,
            Say,
            WaitAgentQuiet,
            Say,
            WaitAgentQuiet,
            HangUp,
        ]

    def test_a_script_is_followed(self, tmp_path: Path) -> None:
        """From a TOML file."""
        path = tmp_path / "script.toml"
        path.write_text('[[step]]\ndo = "hang_up"\n')

        assert build_caller(parse("--script", str(path))) == ScriptedCaller((HangUp(),))

    @pytest.mark.parametrize(
        ("option", "content", "says"),
        [
            ("--wav", None, "cannot be made"),
            ("--wav", b"not a wave file at all", "cannot be made"),
            ("--script", None, "cannot be made"),
            ("--script", b"[[step", "not TOML"),
            ("--script", b"\xff\xfe", "cannot be made"),
        ],
    )
    def test_a_bad_file_is_the_operators_fault(
        self, tmp_path: Path, option: str, content: bytes | None, says: str
    ) -> None:
        """Missing or wrong."""
        path = tmp_path / "file"
        if content is not None:
            path.write_bytes(content)

        with pytest.raises(ConfigError, match=says):
            build_caller(parse(option, str(path)))

    def test_an_impossible_tone_is_the_operators_fault(self) -> None:
        """It does not fit the line."""
        with pytest.raises(ConfigError, match="under 4,000 Hz"):
            build_caller(parse("--tone", "5000"))


class TestRun:
    """Real calls."""

    async def test_a_kept_call_exits_0(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Report on the terminal and as JSON, recordings in the folder."""
        out = tmp_path / "report.json"
        async with answering(greet) as gateway:
            args = parse(
                *("--seconds", "0.1", "--json", str(out), "--record", str(tmp_path / "rec")),
                *("--status-url", gateway.url + "/twilio/status"),
                url=gateway.url + "/twilio/voice",
            )
            status = await run(args)
            (form,) = gateway.forms("/twilio/status")

        printed = capsys.readouterr().out
        assert status == 0
        assert form["CallStatus"] == "completed"
        assert json.loads(out.read_text())["kept"] is True
        assert (tmp_path / "rec" / "caller_heard.wav").exists()
        assert (tmp_path / "rec" / "call_stereo.wav").exists()
        assert "REST API at http://127.0.0.1:" in printed
        assert "call      caller hung up" in printed

    async def test_a_broken_call_exits_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A script that could not be kept, for one."""
        script = tmp_path / "script.toml"
        script.write_text('[[step]]\ndo = "wait_agent_quiet"\ntimeout_s = 0.1\n')
        async with answering(listen) as gateway:
            status = await run(parse("--script", str(script), url=gateway.url + "/twilio/voice"))

        assert status == 1
        assert "BROKEN    script kept: step 1: wait_agent_quiet" in capsys.readouterr().out

    async def test_many_calls_make_one_report(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A folder of recordings for each."""
        out = tmp_path / "load.json"
        async with answering(echo) as gateway:
            args = parse(
                *("--calls", "3", "--ramp", "100", "--seconds", "0.1"),
                *("--json", str(out), "--record", str(tmp_path)),
                url=gateway.url + "/twilio/voice",
            )
            status = await run(args)

        made = json.loads(out.read_text())
        assert (status == 0) is (made["kept"] == 3)
        assert made["calls"] == 3
        assert all((tmp_path / f"call-000{number}" / "caller_heard.wav").exists() for number in (1, 2, 3))
        assert "calls     3" in capsys.readouterr().out
