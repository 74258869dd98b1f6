"""What the end-to-end tests share: a look at the log."""

import io
from collections.abc import Iterator

import pytest

from gateway.telemetry import log
from tests.logs import logging_kept


@pytest.fixture(autouse=True, scope="module")
def logged() -> Iterator[io.StringIO]:
    """Collect what the process logs; whatever happens in a module, nothing leaves a traceback there."""
    lines = io.StringIO()
    with logging_kept():
        log.configure("info", "json", stream=lines)
        yield lines
    assert [line for line in lines.getvalue().splitlines() if "Traceback" in line][:1] == []
