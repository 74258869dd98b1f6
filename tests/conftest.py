"""What all tests share: a clean environment, and properties that do not fail because a machine is busy."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.databases import database, database_url, postgres, sqlite_template
from tests.heap import freeze_heap
from tests.logs import logging_kept
from tests.tenants import acme, rival

__all__ = ["acme", "database", "database_url", "postgres", "rival", "sqlite_template"]

# A developer's own GATEWAY_ variables must not decide whether tests pass.
for _name in [name for name in os.environ if name.startswith("GATEWAY_")]:
    del os.environ[_name]

settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


def pytest_xdist_auto_num_workers() -> int:
    """Run two workers more than there are processors: calls wait more than they compute."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_finish() -> None:
    """What was collected stays until the end."""
    freeze_heap()


@pytest.fixture(autouse=True)
def _logging_kept() -> Iterator[None]:
    """No test decides what the next one may log."""
    with logging_kept():
        yield
