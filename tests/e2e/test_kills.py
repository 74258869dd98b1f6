"""Nodes that are killed in the middle of calls: every call ends, once, with all that was acknowledged of it.

The full campaign has 200 points: ``python -m tests.e2e.kills --points 200``.
"""

import asyncio

import pytest

from tests.e2e import kills

POINTS = 3
SEED = 3


@pytest.mark.timeout(90)
def test_killed_nodes_lose_nothing_that_was_told() -> None:
    """A handful of kills: each call has its one end, its events without hole or double, and its audio."""
    verdict = asyncio.run(kills.run(POINTS, SEED))

    assert verdict.faults == []
    assert verdict.points == POINTS
    assert verdict.cut
    assert verdict.final_words
    assert verdict.recordings
    assert verdict.told == verdict.events
