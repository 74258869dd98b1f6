"""What a call leaves behind."""

from typing import get_args

import pytest

from gateway.simulator.codes import Fault
from gateway.simulator.record import ENDED_BY, CallNotes, Ending
from tests.simulator.stories import CALL, STREAM


class TestEnding:
    """How a call ended says who ended it."""

    @pytest.mark.parametrize("ending", get_args(Ending))
    def test_every_ending_has_a_side(self, ending: Ending) -> None:
        """A new one cannot be forgotten."""
        assert ENDED_BY[ending] in ("caller", "gateway", "twilio")

    def test_a_record_knows_its_side(self) -> None:
        """From its ending."""
        assert CALL.ended_by == "caller"


class TestNotes:
    """A record in the making."""

    def test_times_count_from_the_first_question(self) -> None:
        """To the first TwiML, and to the first stream."""
        notes = CallNotes()

        assert notes.asked(10.0)
        notes.told(10.05)
        notes.streamed(10.2)

        assert (notes.answer_ms, notes.setup_ms) == pytest.approx((50, 200))

    def test_later_ones_change_nothing(self) -> None:
        """A redirect asks again, a resumed call streams again."""
        notes = CallNotes()
        notes.asked(10.0)
        notes.told(10.05)
        notes.streamed(10.2)

        assert not notes.asked(20.0)
        notes.told(21.0)
        notes.streamed(22.0)

        assert (notes.answer_ms, notes.setup_ms) == pytest.approx((50, 200))

    def test_a_call_that_brought_its_twiml_has_no_times(self) -> None:
        """Nobody was asked."""
        notes = CallNotes()
        notes.told(1.0)
        notes.streamed(2.0)

        assert (notes.answer_ms, notes.setup_ms) == (None, None)

    def test_frozen_notes_are_the_record(self) -> None:
        """With what only the call knows."""
        notes = CallNotes(verbs=["Connect"], streams=[STREAM], faults=[Fault(11200)])
        record = notes.freeze("CA1", "time_limit", 3.5, ("step 1: say",), (1_000.0, 8_000))

        assert (record.call_sid, record.ending, record.duration_s) == ("CA1", "time_limit", 3.5)
        assert (record.verbs, record.streams, record.faults) == (("Connect",), (STREAM,), (Fault(11200),))
        assert (record.missed, record.tone) == (("step 1: say",), (1_000.0, 8_000))
