"""``vatel-gateway simulate`` from its options to its exit status."""

import argparse
import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.simulator.caller import SilentCaller, ToneCaller, WavCaller
from gateway.simulator.cli import add_arguments, build_caller, run
from gateway.simulator.script import HangUp, Say, ScriptedCaller, WaitAgentQuiet
from tests.simulator.answering import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    GREETING,
    Stream,
    answering,
    echo,
    greet,
    listen,
)
from tests.simulator.test_caller import wav_of


def parse(*args: str, url: str = "http://127.0.0.1:1/twilio/voice") -> argparse.Namespace:
    """Parse options, with an account as the gateway's settings would give it."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
    return parser.parse_args(["--url", url, *(() if "--rest-port" in args else ("--rest-port", "0")), *args])


class TestArguments:
    """What may be given."""

    def test_defaults_make_one_silent_call(self) -> None:
        """For ten seconds, nothing written."""
        parser = argparse.ArgumentParser()
        add_arguments(parser, account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
        args = parser.parse_args(["--url", "http://a/b"])

        assert (args.calls, args.ramp, args.seconds, args.rest_port) == (1, 10.0, 10.0, 8_091)
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

    @pytest.mark.parametrize(
        "words",
        [
            ("--ramp", "0"),
            ("--calls", "0"),
            ("--calls", "-3"),
            ("--seconds", "nan"),
            ("--seconds=-1",),
            ("--rest-port", "99999"),
            ("--say", ""),
            ("--status-url", "nowhere"),
        ],
        ids=" ".join,
    )
    def test_what_cannot_work_is_refused_in_a_line(
        self, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
    ) -> None:
        """Before anything is called."""
        with pytest.raises(SystemExit) as refused:
            parse(*words)

        assert refused.value.code == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("usage") is False


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


async def greet_and(stream: Stream, act: Callable[[], None]) -> None:
    """Say something, do something when it was heard, and listen on."""
    await stream.started()
    await stream.play(GREETING)
    await stream.mark("heard")
    async for message in stream:
        if message["event"] == "mark":
            act()


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
        assert "export GATEWAY_TWILIO__API_BASE_URL=http://127.0.0.1:" in printed
        assert "call      caller hung up" in printed

    async def test_a_broken_call_exits_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A script that could not be kept, for one."""
        script = tmp_path / "script.toml"
        script.write_text('[[step]]\ndo = "wait_agent_quiet"\ntimeout_s = 0.1\n')
        async with answering(listen) as gateway:
            status = await run(parse("--script", str(script), url=gateway.url + "/twilio/voice"))

        assert status == 1
        assert "BROKEN    script kept: step 1: wait_agent_quiet" in capsys.readouterr().out

    async def test_a_call_that_we_broke_ourselves_exits_3(self) -> None:
        """This machine stood still, so a gap proves nothing."""

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            await stream.play(GREETING)
            async for message in stream:
                if message.get("sequenceNumber") == "15":
                    time.sleep(0.15)  # noqa: ASYNC251 - it stalls the caller's clock, which runs here
                    await stream.play(GREETING)

        async with answering(behaviour) as gateway:
            status = await run(parse("--seconds", "0.8", url=gateway.url + "/twilio/voice"))

        assert status == 3

    async def test_a_refused_webhook_gets_a_hint(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Nearly always it is the token or the URL."""
        async with answering(listen) as gateway:
            gateway.voice_status = 403
            one = await run(parse(url=gateway.url + "/twilio/voice"))
            many = await run(parse("--calls", "2", "--ramp", "100", url=gateway.url + "/twilio/voice"))

        printed = capsys.readouterr().out
        assert (one, many) == (1, 1)
        assert printed.count("is --auth-token the gateway's") == printed.count("GATEWAY_PUBLIC_URL") == 2
        assert "11200 the webhook did not answer 2xx in time: HTTP 403 (2 times)" in printed

    async def test_a_taken_port_is_the_operators_to_change(self) -> None:
        """Said before any call."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 cannot be had"):
                await run(parse("--rest-port", str(port)))

    @pytest.mark.parametrize("option", ["--json", "--record"])
    async def test_what_cannot_be_written_is_said_before_the_call(self, tmp_path: Path, option: str) -> None:
        """Nobody wants to make the call again."""
        (tmp_path / "file").touch()

        with pytest.raises(ConfigError, match=f"{option}: the .* cannot be written"):
            await run(parse(option, str(tmp_path / "file" / "inside")))

    async def test_a_check_leaves_no_empty_file(self, tmp_path: Path) -> None:
        """Only a report makes one."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            with pytest.raises(ConfigError, match="port"):
                await run(parse("--json", str(tmp_path / "r.json"), "--rest-port", port))

        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("calls", ["1", "500"])
    async def test_the_first_ctrl_c_ends_the_calls_and_reports(
        self, calls: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What was heard so far is not lost."""

        async def behaviour(stream: Stream) -> None:
            await greet_and(stream, lambda: os.kill(os.getpid(), signal.SIGINT))

        async with answering(behaviour) as gateway:
            args = ("--calls", calls, "--ramp", "0.5", "--seconds", "60", "--json", str(tmp_path / "r.json"))
            status = await asyncio.wait_for(run(parse(*args, url=gateway.url + "/twilio/voice")), 10)

        assert status == 130
        assert "press again to quit" in capsys.readouterr().out
        assert "caller_hung_up" in (tmp_path / "r.json").read_text()

    async def test_the_second_ctrl_c_is_left_to_python(self) -> None:
        """It quits as ever."""
        async with answering(listen) as gateway:
            await run(parse("--seconds", "0.1", url=gateway.url + "/twilio/voice"))

        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

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
