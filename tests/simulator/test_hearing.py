"""What the ear makes of a recording, whatever the playout buffer says."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.simulator import hearing
from gateway.simulator.playout import Earpiece
from gateway.simulator.record import StreamRecord
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
