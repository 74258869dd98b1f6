"""What the ear makes of a recording, whatever the playout buffer says."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.simulator import hearing
from gateway.simulator.playout import Earpiece
from gateway.simulator.record import Cut, StreamRecord
from tests.simulator.stories import SILENT, SPEECH, STREAM


def blocks(*runs: tuple[bool, int]) -> hearing.Blocks:
    """Build a line of 20 ms blocks from runs of loud and silent ones, in milliseconds."""
    return np.concatenate([np.full(ms // 20, loud, np.bool_) for loud, ms in runs])


def heard_by(earpiece: Earpiece, until_s: float) -> StreamRecord:
    """Record what an earpiece played."""
    heard = earpiece.heard(until_s)
    return replace(STREAM, heard=heard, spurts=earpiece.spurts(until_s), samples=len(heard), spoken=b"")


def pauses_of(record: StreamRecord) -> tuple[int, ...]:
    """List the pauses in a recording."""
    return hearing.pauses_ms(hearing.agent_blocks(record), hearing.caller_blocks(record))


class TestBlocks:
    """Two sides on one clock."""

    def test_both_sides_have_the_same_shape(self) -> None:
        """However much the caller said."""
        record = replace(STREAM, spoken=SPEECH * 9)

        assert hearing.agent_blocks(record).shape == hearing.caller_blocks(record).shape == (150,)

    def test_the_microphone_begins_later(self) -> None:
        """Its offset moves it."""
        caller = hearing.caller_blocks(replace(STREAM, spoken=SPEECH, spoken_offset=4_000))

        assert np.flatnonzero(caller).tolist() == list(range(25, 75))

    def test_a_caller_who_said_nothing_that_was_kept_is_silent(self) -> None:
        """Nothing is made up."""
        assert not hearing.caller_blocks(replace(STREAM, spoken=b"")).any()


class TestPauses:
    """Silences inside the agent's speech."""

    @pytest.mark.parametrize(("silent_ms", "found"), [(200, ()), (220, (220,)), (5_000, (5_000,))])
    def test_more_than_200_ms_count(self, silent_ms: int, found: tuple[int, ...]) -> None:
        """However long they are."""
        agent = blocks((True, 400), (False, silent_ms), (True, 400))

        assert hearing.pauses_ms(agent, np.zeros_like(agent)) == found

    def test_silence_around_the_speech_is_no_pause(self) -> None:
        """The agent had not begun, or had finished."""
        agent = blocks((False, 2_000), (True, 400), (False, 2_000))

        assert hearing.pauses_ms(agent, np.zeros_like(agent)) == ()

    def test_silence_in_which_the_caller_speaks_is_a_turn(self) -> None:
        """The agent listens."""
        agent = blocks((True, 400), (False, 2_000), (True, 400))
        caller = blocks((False, 1_000), (True, 400), (False, 1_400))

        assert hearing.pauses_ms(agent, caller) == ()

    def test_silence_alone_has_no_pause(self) -> None:
        """There is nothing to interrupt."""
        agent = blocks((False, 1_000))

        assert hearing.pauses_ms(agent, agent) == ()

    def test_underruns_behind_marks_are_heard(self) -> None:
        """To the buffer each piece was a turn of its own."""
        earpiece = Earpiece(0.0)
        for piece in range(3):
            earpiece.play(piece * 0.5, SPEECH[:1_600])
            earpiece.mark(str(piece))
        record = heard_by(earpiece, 2.0)

        assert [spurt.gaps for spurt in record.spurts] == [(), (), ()]
        assert pauses_of(record) == (300, 300)

    def test_underruns_filled_with_silence_are_heard(self) -> None:
        """To the buffer nothing was missing."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, SPEECH + SILENT[:4_000] + SPEECH)
        record = heard_by(earpiece, 3.0)

        assert [spurt.gaps for spurt in record.spurts] == [()]
        assert pauses_of(record) == (500,)


FLAT = SPEECH * 6  # six seconds of agent


def barge_in(earpiece: Earpiece, *cuts: Cut, until_s: float = 8.0, keep: bool = True) -> list[float | None]:
    """Measure interruptions of what an earpiece played."""
    record = replace(heard_by(earpiece, until_s), cuts=cuts)
    return list(hearing.barge_in_ms(record if keep else replace(record, heard=b"")))


@pytest.mark.parametrize("keep", [True, False], ids=["recorded", "not recorded"])
class TestBargeIn:
    """From the caller's first sample to the agent's last."""

    def test_a_clear_is_the_end(self, keep: bool) -> None:
        """To the sample, in the middle of a block."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, FLAT)
        earpiece.clear(2.045)

        assert barge_in(earpiece, Cut(16_000, 24_000), keep=keep) == [45.0]

    def test_what_leaks_after_the_clear_counts(self, keep: bool) -> None:
        """The old audio that came behind it was heard to its end, long after the caller's line."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, FLAT)
        earpiece.clear(2.05)
        earpiece.play(2.06, SPEECH * 2)

        assert barge_in(earpiece, Cut(16_000, 20_000), keep=keep) == [2_060.0]

    def test_what_restarts_while_the_caller_speaks_counts(self, keep: bool) -> None:
        """Up to the caller's last sample: what comes then may be an answer."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, FLAT)
        earpiece.clear(2.04)
        earpiece.play(2.8, SPEECH)

        assert barge_in(earpiece, Cut(16_000, 24_000), keep=keep) == [1_000.0]

    def test_an_answer_after_the_line_does_not_count(self, keep: bool) -> None:
        """The agent had been silent since the clear."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, FLAT)
        earpiece.clear(2.04)
        earpiece.play(3.1, SPEECH)

        assert barge_in(earpiece, Cut(16_000, 24_000), keep=keep) == [40.0]

    def test_an_agent_that_never_stops_is_measured_to_its_end(self, keep: bool) -> None:
        """However short the caller's line."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, FLAT)
        earpiece.mark("end")

        assert barge_in(earpiece, Cut(16_000, 17_600), keep=keep) == [4_000.0]

    def test_an_underrun_is_no_silence(self, keep: bool) -> None:
        """The turn goes on behind the gap."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, SPEECH)
        earpiece.play(1.1, SPEECH)

        assert barge_in(earpiece, Cut(7_200, 7_360), keep=keep) == [1_200.0]

    def test_an_agent_that_had_stopped_was_not_interrupted(self, keep: bool) -> None:
        """There is nothing to measure, even if it answers into the caller's words."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, SPEECH)
        earpiece.mark("end")
        earpiece.play(2.0, SPEECH)

        assert barge_in(earpiece, Cut(12_000, 20_000), keep=keep) == [None]

    def test_each_interruption_is_measured_by_itself(self, keep: bool) -> None:
        """In their order."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, SPEECH * 2)
        earpiece.clear(1.1)
        earpiece.play(3.0, SPEECH * 2)
        earpiece.clear(4.02)

        assert barge_in(earpiece, Cut(8_000, 9_000), Cut(32_000, 33_000), keep=keep) == [100.0, 20.0]


class TestPausedTurn:
    """A caller who cuts in while the agent takes a breath."""

    def played(self) -> Earpiece:
        """Play a turn with half a second of silence in it."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, SPEECH + SILENT[:4_000] + SPEECH)
        return earpiece

    def test_a_turn_that_is_cleared_was_silent_at_once(self) -> None:
        """It would have gone on."""
        earpiece = self.played()
        earpiece.clear(1.3)

        assert barge_in(earpiece, Cut(9_600, 16_000)) == [0.0]

    def test_a_turn_that_goes_on_leaks(self) -> None:
        """It was not cleared."""
        assert barge_in(self.played(), Cut(9_600, 16_000)) == [800.0]

    def test_silence_behind_the_last_word_is_the_end(self) -> None:
        """Nothing more would have come."""
        earpiece = Earpiece(0.0)
        earpiece.play(0.0, SPEECH + SILENT)
        earpiece.mark("end")

        assert barge_in(earpiece, Cut(9_600, 16_000)) == [None]
