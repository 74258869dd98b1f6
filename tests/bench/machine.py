"""What the figures were taken on."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("aiohttp", "websockets", "uvloop", "msgspec", "numpy", "soxr")


def describe() -> str:
    """Return hardware, versions and date, as text."""
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return "\n".join(
        [
            f"date      {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"machine   {' / '.join(sorted(models))}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.2f}",
            f"system    {platform.system()} {platform.release()}, Python {platform.python_version()}",
            f"packages  {packages}",
        ]
    )
