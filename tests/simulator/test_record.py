"""What a call leaves behind."""

from typing import get_args

import pytest

from gateway.simulator.record import ENDED_BY, Ending
from tests.simulator.stories import CALL


class TestEnding:
    """How a call ended says who ended it."""

    @pytest.mark.parametrize("ending", get_args(Ending))
    def test_every_ending_has_a_side(self, ending: Ending) -> None:
        """A new one cannot be forgotten."""
        assert ENDED_BY[ending] in ("caller", "gateway", "twilio")

    def test_a_record_knows_its_side(self) -> None:
        """From its ending."""
        assert CALL.ended_by == "caller"
