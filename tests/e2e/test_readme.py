"""The README's way from an endpoint to a call: its blocks are run together, word for word."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.process import child, free_port

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
KEY = "whsec_" + "a2V5LW9mLXRoZS10ZXN0cy0yNC1ieXRlcw=="
OTHER = "whsec_" + "b3RoZXIta2V5LW9mLXRlc3RzLTI0LWJ5dGVz"


def block(language: str, port: int) -> str:
    """Return the first block of a language in the README's Tools section, at a port that is free here."""
    found = re.search(rf"```{language}\n(.*?)```", README[README.index("\n## Tools\n") :], re.DOTALL)
    assert found is not None
    assert "9000" in found[1]
    return found[1].replace("9000", str(port))


@asynccontextmanager
async def endpoint(folder: Path, port: int) -> AsyncIterator[str]:
    """Run the README's Python endpoint; yield its URL once it listens."""
    (folder / "endpoint.py").write_text(block("python", port), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "endpoint.py"),
        cwd=folder,
        env={"WEBHOOK_KEY": KEY, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        assert b"Running" in await process.stdout.readline()
        yield f"http://127.0.0.1:{port}/tools"
    finally:
        process.kill()
        await process.communicate()


async def called(folder: Path, port: int, key: str) -> tuple[int | None, str]:
    """Call the README's tool with the README's command; return the exit status and what was said."""
    file = folder / "tools.toml"
    file.write_text(block("toml", port), encoding="utf-8")
    words = ("tools", "call", "look_up", "--arg", "name=Ada", "--file")
    assert " ".join(("vatel-gateway", *words, "tools.toml")) in README
    async with child(*words, str(file), environment={"WEBHOOK_KEY": key}) as process:
        said, _ = await process.communicate()
        return process.returncode, said.decode()


@pytest.mark.parametrize(
    ("key", "status", "got"),
    [(KEY, 0, '{"say": "Ada has a table at eight."}'), (OTHER, 1, "HTTP status 401")],
    ids=["its key", "another"],
)
async def test_endpoint_and_file_of_the_readme_work_together(
    tmp_path: Path, key: str, status: int, got: str
) -> None:
    """What is copied from the README answers what is copied from the README, and nobody else."""
    async with asyncio.timeout(25.0), endpoint(tmp_path, port := free_port()):
        ended, said = await called(tmp_path, port, key)

    assert (ended, got in said.partition("the agent would get:")[2]) == (status, True), said


async def test_endpoint_of_the_readme_refuses_a_forgery(tmp_path: Path) -> None:
    """As a forgery (401), not as a fault of its own (500), whatever is wrong with it."""
    known = {"webhook-id": "tool_1", "webhook-timestamp": str(int(datetime.now(UTC).timestamp()))}
    statuses: dict[tuple[str | None, bytes], int] = {}
    async with asyncio.timeout(25.0), endpoint(tmp_path, free_port()) as url, aiohttp.ClientSession() as http:
        for case in product((None, "v1,AAAA", "nonsense", "v1,no base64"), (b"{}", b"\xff")):
            headers = known if case[0] is None else {**known, "webhook-signature": case[0]}
            async with http.post(url, data=case[1], headers=headers) as answer:
                statuses[case] = answer.status

    assert statuses == dict.fromkeys(statuses, 401)
    assert len(statuses) == 8


def test_example_of_a_request_is_json() -> None:
    """What the README shows as the body can be read as one."""
    example = re.search(r"```json\n(.*?)```", README[README.index("\n## Tools\n") :], re.DOTALL)
    assert example is not None

    assert json.loads(example[1])["tool"] == "look_up"
