"""The gateway under test: a process of its own on a core of its own, watched through /proc alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.error import URLError
from urllib.request import urlopen

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN = "bench-auth-token"
GATEWAY_CORE = 0
LOAD_CORE = 1
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_START_S = 20.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far and holds now.

    Attributes:
        cpu_s: CPU time, of it ``system_s`` in the kernel.
        core_busy_s: how long its whole core was busy, others included.
    """

    at: float
    cpu_s: float
    system_s: float
    core_busy_s: float
    rss_bytes: int
    fds: int
    threads: int


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class GatewayProcess:
    """Lives as long as the ``with`` that holds it.

    Args:
        vatel_port: where the bench plays Vatel.
        resampler: ``soxr`` or ``low_delay``.
        module: what to run: ``serve``, or ``relay`` for the floor.
        options: of the interpreter.
        settings: more of them, by environment name.
    """

    def __init__(
        self,
        vatel_port: int,
        resampler: str,
        *,
        module: str = "serve",
        options: tuple[str, ...] = (),
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        # Read after the process has gone, too; deleted with this object.
        self._log = tempfile.NamedTemporaryFile(mode="w+", prefix="gateway-bench-", suffix=".log")  # noqa: SIM115
        self._told = tempfile.NamedTemporaryFile(mode="w+", prefix="gateway-bench-")  # noqa: SIM115
        self._folder = tempfile.TemporaryDirectory(prefix="gateway-bench-")
        peer = f"http://127.0.0.1:{vatel_port}"
        env = os.environ | {
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_PUBLIC_URL": f"http://{self.host}",
            "GATEWAY_VATEL__BASE_URL": peer,
            "GATEWAY_VATEL__API_KEY": "bench-api-key",
            "GATEWAY_VATEL__AGENT_ID": "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11",
            "GATEWAY_TWILIO__ACCOUNT_SID": ACCOUNT_SID,
            "GATEWAY_TWILIO__AUTH_TOKEN": AUTH_TOKEN,
            "GATEWAY_TWILIO__API_BASE_URL": peer,
            "GATEWAY_AUDIO__RESAMPLER": resampler,
            "GATEWAY_DATABASE__URL": f"sqlite:///{self._folder.name}/gateway.db",
            "GATEWAY_RECORDINGS__FOLDER": f"{self._folder.name}/recordings",
            "GATEWAY_CALLS__MAX_ACTIVE": "5000",
            "GATEWAY_API__REQUESTS_PER_MINUTE": "1000000",
            "GATEWAY_CALLS__DRAIN_GRACE_S": "0",
            "GATEWAY_CALLS__DRAIN_MAX_S": "1",
            **settings,
        }
        self._process = subprocess.Popen(
            [sys.executable, *options, "-m", f"tests.bench.{module}", str(GATEWAY_CORE)],
            env=env,
            stdout=self._told,
            stderr=self._log,
        )
        self.pid = self._process.pid

    def __enter__(self) -> "GatewayProcess":
        give_up = time.monotonic() + _START_S
        while time.monotonic() < give_up and self._process.poll() is None:
            try:
                with urlopen(f"http://{self.host}/readyz", timeout=1):
                    return self
            except (URLError, OSError):
                time.sleep(0.05)
        self.__exit__()
        raise SystemExit(f"the gateway did not start:\n{Path(self._log.name).read_text()}")

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def unpin_threads(self) -> None:
        """Let the threads that it has by now, and that work for its database, use either core.

        Its loop stays where it is: on the generator's core it would hold up what measures it.
        """
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            if int(thread.name) == self.pid:
                continue
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(int(thread.name), {GATEWAY_CORE, LOAD_CORE})

    def api_key(self) -> str:
        """Return the API key that it made at its first start: the last word of what it told."""
        return Path(self._told.name).read_text().split()[-1]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def usage(self) -> Usage:
        """Read what it has used so far."""
        proc = Path("/proc") / str(self.pid)
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        return Usage(
            at=time.monotonic(),
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
            system_s=int(fields[12]) / _TICKS_PER_S,
            core_busy_s=core_busy_s(GATEWAY_CORE),
            rss_bytes=int((proc / "statm").read_text().split()[1]) * _PAGE_BYTES,
            fds=len(list((proc / "fd").iterdir())),
            threads=int(fields[17]),
        )

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the log lines of one event, parsed."""
        lines = (
            json.loads(line) for line in Path(self._log.name).read_text().splitlines() if line[:1] == "{"
        )
        return [line for line in lines if line.get("event") == name]

    def complaints(self) -> list[str]:
        """Return the log lines above the level `info`, without those of the calls' ends."""
        text = Path(self._log.name).read_text()
        return [line for line in text.splitlines() if '"level": "info"' not in line]


def core_busy_s(core: int) -> float:
    """Return how long a core has not been idle since boot, in seconds."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            ticks = [int(field) for field in line.split()[1:9]]
            return (sum(ticks) - ticks[3] - ticks[4]) / _TICKS_PER_S
    return 0.0
