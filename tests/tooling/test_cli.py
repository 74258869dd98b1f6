"""``vatel-gateway tools`` from its options to its exit status."""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from gateway.errors import ConfigError
from gateway.tooling.cli import add_arguments, run
from tests.e2e.process import child, free_port
from tests.tools.workshop import says, serving

GOOD = """
[[tools]]
name = "book"
url = "{url}/book"
auth = {{ type = "bearer", token = "${{TOOL_TOKEN}}" }}

[egress]
allow_private = ["127.0.0.0/8"]
allow_http = true
"""
BROKEN = '[[tools]]\nnam = "book"\nurl = "ftp://example.com"\n\n[egress]\nallow_htp = true\n'


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the one variable that the file points to."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOOL_TOKEN", "canary-0123456789")


async def tools(*words: str) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return await run(parser.parse_args(words))


def written(folder: Path, text: str) -> str:
    """Write a tools file; return its path."""
    path = folder / "tools.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


async def test_check_shows_a_good_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0, and no secret on the screen."""
    status = await tools("check", "--file", written(tmp_path, GOOD.format(url="http://127.0.0.1:9")))
    text = capsys.readouterr().out

    assert status == 0
    assert "1 tools, requests are not signed" in text
    assert "canary" not in text


async def test_check_lists_every_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, a line a fault."""
    status = await tools("check", "--file", written(tmp_path, BROKEN))
    text = capsys.readouterr().out

    assert status == 1
    assert "nam" in text
    assert "allow_http" in text


async def test_file_comes_from_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What ``serve`` would use is what is checked."""
    monkeypatch.setenv("GATEWAY_TOOLS__FILE", written(tmp_path, GOOD.format(url="http://127.0.0.1:9")))

    assert await tools("check", "--offline") == 0
    assert "book  POST" in capsys.readouterr().out


async def test_no_file_at_all_is_told() -> None:
    """With the two ways to name one."""
    with pytest.raises(ConfigError, match="GATEWAY_TOOLS__FILE"):
        await tools("check")


async def test_call_reads_arguments_as_json_or_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number is a number, what is no JSON is text, and an equals sign may stand in it."""
    async with serving(says("done")) as endpoint:
        file = written(tmp_path, GOOD.format(url=endpoint.url))
        status = await tools(
            "call", "book", "--file", file, "--arg", "people=4", "--arg", "name=Ada", "--arg", "x=a=b"
        )

    assert status == 0
    assert json.loads(endpoint.seen[0].body)["arguments"] == {"people": 4, "name": "Ada", "x": "a=b"}
    assert endpoint.seen[0].headers["Authorization"] == "Bearer canary-0123456789"
    assert "canary" not in capsys.readouterr().out


async def test_call_says_what_it_says_and_logs_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A late result is on the screen once, not in a line of the log as well."""
    async with serving(says("done")) as endpoint:
        file = written(
            tmp_path, GOOD.format(url=endpoint.url).replace("auth =", 'mode = "background"\nauth =')
        )
        status = await tools("call", "book", "--file", file)
    shown = capsys.readouterr()

    assert status == 0
    assert "tool_ran_late" not in shown.out + shown.err
    assert shown.out.endswith("the result, which goes nowhere:\ndone\n")


async def test_call_that_failed_says_so_by_its_status(tmp_path: Path) -> None:
    """For scripts."""
    async with serving(says(status=500)) as endpoint:
        assert await tools("call", "book", "--file", written(tmp_path, GOOD.format(url=endpoint.url))) == 1


@pytest.mark.parametrize("argument", ["people", "=4", ""])
async def test_argument_that_is_no_pair_is_refused(tmp_path: Path, argument: str) -> None:
    """With an example."""
    file = written(tmp_path, GOOD.format(url="http://127.0.0.1:9"))

    with pytest.raises(ConfigError, match="people=4"):
        await tools("call", "book", "--file", file, "--arg", argument)


@pytest.mark.parametrize("key", [None, "whsec_" + "a2V5LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="])
async def test_example_endpoint_runs_until_it_is_stopped(tmp_path: Path, key: str | None) -> None:
    """In a process of its own: it says where it listens, answers, and ends cleanly."""
    words = ["tools", "serve-example", "--port", str(port := free_port())]
    if key is not None:
        (tmp_path / "key").write_text(key + "\n")
        words += ["--key-file", str(tmp_path / "key")]
    async with child(*words) as process, aiohttp.ClientSession() as http, asyncio.timeout(15.0):
        assert process.stdout is not None
        assert str(port) in (await process.stdout.readline()).decode()
        body = {"tool": "book", "arguments": {}}
        async with http.post(f"http://127.0.0.1:{port}/tools", json=body) as answer:
            status = answer.status
        process.send_signal(signal.SIGINT)
        ended = await process.wait()

    assert (status, ended) == (200 if key is None else 401, 0)


async def test_key_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Not as a trace."""
    with pytest.raises(ConfigError, match="--key-file"):
        await tools("serve-example", "--port", "0", "--key-file", str(tmp_path / "none"))


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
async def test_port_that_is_none_is_refused(port: str) -> None:
    """It would be taken for another one, or end in a trace."""
    with pytest.raises(ConfigError, match=f"--port {port}: must be 1 to 65535, such as --port 9000"):
        await tools("serve-example", "--port", port)


async def test_port_that_is_taken_is_told() -> None:
    """With what to do."""
    async with serving(says()) as other:
        port = other.url.rpartition(":")[2]
        with pytest.raises(ConfigError) as told:
            await tools("serve-example", "--port", port)

    assert f"--port {port}: cannot be had (Address already in use)" in str(told.value)
    assert "give another, such as --port 9100" in str(told.value)


@pytest.mark.parametrize(
    "pair", ['v="\\ud800"', 'v={"a": ["\\udc00"]}', 'v={"\\ud800": 1}', "v=\udcff", "\udcff=1"]
)
async def test_half_a_character_is_refused(tmp_path: Path, pair: str) -> None:
    """Written as JSON escapes it, or as bytes that are no UTF-8; the error can itself be written."""
    file = written(tmp_path, GOOD.format(url="http://127.0.0.1:9"))

    with pytest.raises(ConfigError, match="half a character") as told:
        await tools("call", "book", "--file", file, "--arg", pair)
    assert str(told.value).encode()


async def test_whole_character_of_two_halves_is_sent(tmp_path: Path) -> None:
    """As JSON writes what lies beyond the first plane."""
    async with serving(says("done")) as endpoint:
        file = written(tmp_path, GOOD.format(url=endpoint.url))
        status = await tools("call", "book", "--file", file, "--arg", r'v="\ud83d\ude00"')

    assert status == 0
    assert json.loads(endpoint.seen[0].body)["arguments"] == {"v": "\U0001f600"}


async def test_name_that_is_no_text_is_shown_as_an_escape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown tool is told of, whatever its name is made of."""
    file = written(tmp_path, GOOD.format(url="http://127.0.0.1:9"))

    assert await tools("call", "b\udcff", "--file", file) == 1
    assert "There is no tool called b" in capsys.readouterr().out
