"""What the end-to-end tests share: a look at the log."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.telemetry import log


@pytest.fixture(autouse=True, scope="module")
def logged() -> Iterator[io.StringIO]:
    """Collect what the process logs; whatever happens in a module, nothing leaves a traceback there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    lines = io.StringIO()
    log.configure("info", "json", stream=lines)
    yield lines
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    assert [line for line in lines.getvalue().splitlines() if "Traceback" in line][:1] == []
