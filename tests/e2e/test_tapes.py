"""What is recorded of a call: what its caller said and heard, on one clock.

For ten minutes: ``python -m tests.e2e.tapes --seconds 600``.
"""

import pytest

from tests.e2e import tapes
from tests.e2e.running import run, undisturbed

SECONDS = 8.0
_AS_HEARD_MS = 20.0


@pytest.mark.timeout(120)
def test_recording_equals_what_was_said_and_heard() -> None:
    """Left is the microphone, sample by sample; right has every turn, cut ones too, where it was heard."""
    found = run(
        undisturbed(lambda: tapes.compare(SECONDS), lambda found: abs(found.last_off_ms) <= _AS_HEARD_MS)
    )

    assert found.said_wrong_ms == 0
    assert found.turns[0] == found.turns[1]
    assert abs(found.last_off_ms) <= _AS_HEARD_MS
    assert abs(found.first_off_ms) <= _AS_HEARD_MS
    assert found.longest_wrong_ms <= _AS_HEARD_MS
    assert found.seconds == pytest.approx(SECONDS, abs=1.0)
