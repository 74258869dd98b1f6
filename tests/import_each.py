"""Import each module named on standard input, and tell what else the import did; see test_architecture.

Prints one JSON line per module. What a module's own imports do is told of the module.
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

# Loaded beforehand: what these do is not ours.
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


def watched(module: str, deeds: list[str]) -> list[str]:
    """Import a module; return what that did besides defining things, the failure to import included.

    Args:
        module: dotted name.
        deeds: where the audit hook notes what is done to the world outside.
    """
    deeds.clear()
    before = _surroundings()
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            importlib.import_module(module)
        except ImportError as error:
            return [f"cannot be imported: {error}"]
    seen = list(deeds)
    if printed.getvalue():
        seen.append(f"printed {printed.getvalue()!r}")
    return seen + [f"changed {what}" for what, state in _surroundings().items() if state != before[what]]


def watch() -> list[str]:
    """Return a list in which everything is noted that is done to the world outside from now on."""
    deeds: list[str] = []

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(DEEDS) or (event == "open" and _writes(arguments)):
            deeds.append(event)

    sys.addaudithook(note)
    return deeds


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


if __name__ == "__main__":
    for package in THIRD_PARTY:
        importlib.import_module(package)
    for package in ABSENT:
        sys.modules[package] = None  # type: ignore[assignment]  # how Python spells "cannot be imported"
    done = watch()
    for line in sys.stdin.read().split():
        print(json.dumps({"module": line, "did": watched(line, done)}), flush=True)  # noqa: T201
