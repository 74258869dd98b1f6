"""A gateway in a process of its own, as an operator runs it: environment, signals, exit status."""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from gateway.sandbox.server import Sandbox
from gateway.sandbox.stage import Script
from gateway.simulator.caller import Caller
from gateway.simulator.options import CallOptions
from gateway.simulator.promises import Limits
from gateway.simulator.report import CallReport
from gateway.simulator.simulator import Simulator
from tests.e2e.town import ACCOUNT_SID, AGENT, AUTH_TOKEN

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 20.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def tools_file(folder: Path, url: str) -> Path:
    """Write a tools file with one endpoint on this machine for all tools; return its path."""
    path = folder / "tools.toml"
    path.write_text(
        f'[default]\nurl = "{url}"\n\n[egress]\nallow_private = ["127.0.0.0/8"]\nallow_http = true\n'
    )
    return path


@dataclass(slots=True)
class GatewayProcess:
    """Lives as long as :func:`outpost` holds it.

    Attributes:
        lines: what it has logged.
    """

    url: str
    process: asyncio.subprocess.Process
    simulator: Simulator
    sandbox: Sandbox
    http: aiohttp.ClientSession
    lines: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(
        self, caller: Caller, options: CallOptions | None = None, limits: Limits | None = None
    ) -> CallReport:
        """Make one call to its end."""
        return await self.simulator.call(f"{self.url}/twilio/voice", caller, options=options, limits=limits)

    async def read_log(self) -> None:
        """Collect the log until the process has closed it."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(_event(line))
            self.news.set()
            self.news.clear()

    async def logged(self, event: str) -> None:
        """Wait until an event is in the log."""
        async with asyncio.timeout(_PATIENCE_S):
            while not self.events(event):
                await self.news.wait()

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of one event."""
        return [line for line in self.lines if line["event"] == event]

    async def live(self, calls: int) -> None:
        """Wait until so many sessions are open at the agent's end."""
        async with asyncio.timeout(_PATIENCE_S):
            for _ in range(10_000):
                if self.sandbox.live_sessions == calls:
                    return
                await asyncio.sleep(0.005)

    async def status(self, path: str) -> int:
        """Return the status of an HTTP answer."""
        async with self.http.get(self.url + path) as answer:
            return answer.status

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    async def exit_status(self) -> int:
        """Wait until the process has left."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self.process.wait()

    def rss_kb(self) -> int:
        """Return its resident memory."""
        return _status_kb(self.process.pid, "VmRSS")

    def open_files(self) -> int:
        """Count its open files and sockets."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def _event(line: bytes) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        raise AssertionError(f"the gateway wrote what is no log line: {line.decode()}") from None
    return event


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/status has no {name}")


@asynccontextmanager
async def outpost(
    script: Script, settings: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[GatewayProcess]:
    """Run a gateway beside a simulator and a sandbox that live here; kill it if it is still there at the end.

    Args:
        settings: the gateway's, by environment name without ``GATEWAY_``.
        environment: further variables of its process.
    """
    async with AsyncExitStack() as stack:
        sandbox = Sandbox()
        sandbox.add(AGENT, script)
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        simulator = await stack.enter_async_context(Simulator(ACCOUNT_SID, AUTH_TOKEN))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        port = free_port()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        told = _environment(port, sandbox, simulator, folder, settings or {}) | dict(environment or {})
        process = await stack.enter_async_context(child("serve", environment=told))
        gateway = GatewayProcess(f"http://127.0.0.1:{port}", process, simulator, sandbox, http)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(gateway.read_log())
            await gateway.logged("serving")
            yield gateway
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def child(
    *words: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command of the gateway's in a process of its own; kill it if it is still there at the end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *words),
        cwd=ROOT,
        env=inherited | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def sandbox_listens(process: asyncio.subprocess.Process) -> str:
    """Wait until a sandbox in a process of its own says that it listens; return its URL."""
    assert process.stdout is not None
    async with asyncio.timeout(_PATIENCE_S):
        async for line in process.stdout:
            if b" listens on " in line:
                return line.decode().split()[-1]
    raise AssertionError("the sandbox has left without a word")


def _environment(
    port: int, sandbox: Sandbox, simulator: Simulator, folder: Path, settings: Mapping[str, object]
) -> dict[str, str]:
    values: dict[str, object] = {
        "HOST": "127.0.0.1",
        "PORT": port,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "CALLS__DRAIN_GRACE_S": 0,
        "VATEL__BASE_URL": sandbox.url,
        "VATEL__API_KEY": sandbox.api_key,
        "VATEL__AGENT_ID": sandbox.agent_id(AGENT),
        "TWILIO__ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO__AUTH_TOKEN": AUTH_TOKEN,
        "TWILIO__API_BASE_URL": simulator.rest_url,
        "LOG__FORMAT": "json",
        "DATABASE__URL": f"sqlite:///{folder / 'gateway.db'}",
        "RECORDINGS__FOLDER": folder / "recordings",
        **settings,
    }
    return {f"GATEWAY_{name}": str(value) for name, value in values.items()}
