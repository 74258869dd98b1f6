"""The README's walk through the control API, run as it is printed."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.scripted import Echo
from tests.e2e.process import ROOT, free_port, outpost
from tests.e2e.town import ACCOUNT_SID, AUTH_TOKEN

MARKED = re.compile(r"<!-- control-api:begin -->\n```sh\n(.*?)```\n<!-- control-api:end -->", re.DOTALL)


def printed() -> str:
    """Return the commands as the README prints them."""
    found = MARKED.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def at_home(script: str, url: str) -> str:
    """Put this test's ports and account in the place of those of the README."""
    swaps = {
        "http://127.0.0.1:8080": url,
        "--rest-port 8091": f"--rest-port {free_port()}",
        "AC" + "0" * 32: ACCOUNT_SID,
        "local-token": AUTH_TOKEN,
        "vatel-gateway ": f"{sys.executable} -m gateway ",
        # How the call sounds is other tests' matter, on machines that are less busy.
        "--seconds 2\n": "--seconds 2 || true\n",
    }
    for before, after in swaps.items():
        assert before in script, before
        script = script.replace(before, after)
    return script


def answers(told: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects among what was printed."""
    decoder, at = json.JSONDecoder(), 0
    while (at := told.find('{"success"', at)) >= 0:
        value, at = decoder.raw_decode(told, at)
        yield value


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "jq"))), reason="needs bash, curl and jq")
@pytest.mark.timeout(90)
async def test_control_api_as_printed(tmp_path: Path) -> None:
    """From a key to a recording, and a task that is made and unmade: every line of it works."""
    database = f"sqlite:///{tmp_path / 'gateway.db'}"
    async with outpost(Echo(), {"DATABASE__URL": database}) as gateway:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-e", "-o", "pipefail", "-c", at_home(printed(), gateway.url)),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "GATEWAY_DATABASE__URL": database},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(80):
            told, complaints = await process.communicate()
        gateway.terminate()
        assert await gateway.exit_status() == 0

    assert process.returncode == 0, told.decode()[-2000:] + complaints.decode()[-2000:]
    found = [answer["data"] for answer in answers(told.decode())]
    call = next(data for data in found if "transcript" in data and "report" in data)
    assert (call["status"], call["reason"]) == ("completed", "caller_hung_up")
    assert any(data.get("allowed") is True for data in found)
    assert any("websocket_url" in data for data in found)
    assert found[-1]["erased_at"] is not None
    assert (tmp_path / "call.wav").read_bytes()[:4] == b"RIFF"
    assert (tmp_path / "call.wav").stat().st_size > 8_000 * 4
