"""A toolbox kept equal to its file."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.telemetry.log import configure
from gateway.tools import reloading
from gateway.tools.catalog import Catalog
from gateway.tools.loading import load
from gateway.tools.reloading import Reloader

GOOD = '[[tools]]\nname = "book"\nurl = "https://example.com/book"\n'
OTHER = GOOD + '[[tools]]\nname = "cancel"\nurl = "https://example.com/cancel"\n'
BROKEN = '[[tools]]\nname = "book"\n[[tools]]\nname = "cancel"\nurl = "ftp://example.com"\n'


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait a second between two looks."""
    monkeypatch.setattr(reloading, "_LOOK_EVERY_S", 0.005)


@pytest.fixture
def logged() -> io.StringIO:
    """Collect what the process logs."""
    out = io.StringIO()
    configure("info", "json", stream=out)
    return out


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[tuple[Reloader, list[Catalog]]]:
    """Watch a file; yield the reloader, and the catalogues that were taken into use."""
    used: list[Catalog] = []
    reloader = Reloader(path, lambda: load(path, {}, lambda name: b""), used.append)
    async with reloader.running():
        yield reloader, used


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - a file is watched: nobody announces it
            await asyncio.sleep(0.005)


async def test_change_of_the_file_is_taken_into_use(tmp_path: Path) -> None:
    """What is written into the file is in force soon after."""
    path = tmp_path / "tools.toml"
    path.write_text(GOOD)
    async with watching(path) as (_, used):
        await asyncio.sleep(0.05)
        before = list(used)
        path.write_text(OTHER)
        await until(lambda: bool(used))

    assert before == []
    assert [tool.label for tool in used[-1].tools] == ["book", "cancel"]


async def test_broken_file_changes_nothing_and_says_why(tmp_path: Path) -> None:
    """Every fault stands in the log; the next good file is taken."""
    path = tmp_path / "tools.toml"
    path.write_text(GOOD)
    with capture_logs() as lines:
        async with watching(path) as (_, used):
            await asyncio.sleep(0.02)
            path.write_text(BROKEN)
            await until(lambda: any(line["event"] == "tools_refused" for line in lines))
            broken = list(used)
            path.write_text(OTHER)
            await until(lambda: bool(used))

    (refused,) = [line for line in lines if line["event"] == "tools_refused"]
    assert broken == []
    told = [line["fault"] for line in lines if line["event"] == "tools_fault"]
    assert refused["faults"] == len(told) >= 2
    assert any("https" in fault for fault in told)


async def test_faults_are_readable_in_the_log(tmp_path: Path, logged: io.StringIO) -> None:
    """Each has a line of its own, with nothing masked, however many there are."""
    path = tmp_path / "tools.toml"
    path.write_text(GOOD)
    auth = 'auth = { type = "bearer", token = "${NOT_SET}" }\n'
    tools = [f'[[tools]]\nname = "t{n}"\nurl = "https://example.com"\n{auth}' for n in range(60)]
    async with watching(path):
        await asyncio.sleep(0.02)
        path.write_text("".join(tools))
        await until(lambda: "tools_refused" in logged.getvalue())

    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    told = [line["fault"] for line in lines if line["event"] == "tools_fault"]
    assert len(told) == 60
    assert told[59] == (
        f'{path}: tools[59] "t59": auth.token: the environment variable NOT_SET is not set; '
        "set it, or use ${file:/path}"
    )


async def test_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    """A file that is being replaced may be away for a moment."""
    path = tmp_path / "tools.toml"
    path.write_text(GOOD)
    async with watching(path) as (_, used):
        await asyncio.sleep(0.02)
        path.unlink()
        await asyncio.sleep(0.05)
        gone = list(used)
        path.write_text(OTHER)
        await until(lambda: bool(used))

    assert gone == []


async def test_file_is_read_again_when_asked(tmp_path: Path) -> None:
    """A secret that the file points to may have changed although the file has not."""
    path = tmp_path / "tools.toml"
    path.write_text(GOOD)
    async with watching(path) as (reloader, used):
        reloader.ask()
        await until(lambda: bool(used))

    assert [tool.label for tool in used[0].tools] == ["book"]
