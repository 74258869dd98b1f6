"""Import each module named on standard input alone, and tell what else the import did; see test_architecture.

Third-party packages are loaded once; then each module is imported in a process of its own, forked from that
state, in which nothing of the gateway has been imported. Prints one JSON line per module.
"""

import importlib
import io
import json
import logging
import os
import signal
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout

# Loaded beforehand, so that a fork pays only for our own code.
THIRD_PARTY = (
    "aiohttp",
    "aiohttp.web",
    "alembic.runtime.environment",
    "argon2",
    "msgspec",
    "numpy",
    "pydantic",
    "pydantic.json_schema",
    "rich.live",
    "soxr",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.ext.asyncio",
    "structlog",
)
# What an installation without extras does not have.
ABSENT = ("espeakng_loader", "pocketsphinx", "webrtcvad", "twilio", "hypothesis", "pytest", "schemathesis")
DEEDS = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.putenv",
    "signal.",
)


def import_alone(module: str) -> list[str]:
    """Import a module and return what it did besides defining things, the failure to import included."""
    deeds: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(DEEDS) or (event == "open" and _writes(arguments)):
            deeds.append(event)

    for name in ABSENT:
        sys.modules[name] = None  # type: ignore[assignment]  # how Python spells "cannot be imported"
    before = _surroundings()
    printed = io.StringIO()
    sys.addaudithook(watch)
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            importlib.import_module(module)
        except ImportError as error:
            return [f"cannot be imported alone: {error}"]
    seen = list(deeds)
    if printed.getvalue():
        seen.append(f"printed {printed.getvalue()!r}")
    return seen + [f"changed {what}" for what, state in _surroundings().items() if state != before[what]]


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 else 0
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _surroundings() -> dict[str, object]:
    return {
        "threads": threading.active_count(),
        "the environment": dict(os.environ),
        "the working directory": os.getcwd(),
        "log handlers": list(logging.getLogger().handlers),
        "signal handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "open files": sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else [],
    }


def in_child(module: str) -> None:
    """Fork, import the module in the child, and print what it did as one line."""
    if os.fork() == 0:
        print(json.dumps({"module": module, "did": import_alone(module)}), flush=True)  # noqa: T201
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    for package in THIRD_PARTY:
        importlib.import_module(package)
    for line in sys.stdin.read().split():
        in_child(line)
