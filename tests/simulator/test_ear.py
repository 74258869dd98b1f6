"""Speech told from silence by its energy."""

import numpy as np
import pytest

from gateway.audio import ulaw
from gateway.simulator.caller import sine
from gateway.simulator.ear import BLOCK_MS, Ear, Talk, loud_blocks, talks
from gateway.simulator.microphone import SILENCE, cut

LOUD = ulaw.encode(sine(440, 160, -20))
QUIET = ulaw.encode(sine(440, 160, -55))
SILENT = b"\xff" * 160


def hear(ear: Ear, block: bytes, times: int = 1) -> None:
    """Push a block some times."""
    for _ in range(times):
        ear.push(block)


class TestEar:
    """The live detector."""

    def test_nothing_was_heard_at_first(self) -> None:
        """Quiet counts from the beginning."""
        ear = Ear()
        hear(ear, SILENT, 5)

        assert (ear.agent_speaks, ear.last_loud_ms, ear.quiet_ms, ear.speech_ms) == (False, None, 100, 0)

    def test_speech_counts_from_its_first_loud_block(self) -> None:
        """Two blocks are 40 ms of speech."""
        ear = Ear()
        hear(ear, SILENT, 3)
        hear(ear, LOUD, 2)

        assert (ear.agent_speaks, ear.speech_ms, ear.quiet_ms) == (True, 40, 0)

    def test_a_pause_between_words_counts_as_speech(self) -> None:
        """Under 300 ms the agent has not finished."""
        ear = Ear()
        hear(ear, LOUD, 5)
        hear(ear, SILENT, 10)

        assert (ear.agent_speaks, ear.speech_ms, ear.quiet_ms) == (True, 300, 200)

    def test_a_longer_pause_ends_the_speech(self) -> None:
        """What follows is counted anew."""
        ear = Ear()
        hear(ear, LOUD, 5)
        hear(ear, SILENT, 15)
        assert not ear.agent_speaks

        hear(ear, LOUD)

        assert ear.speech_ms == BLOCK_MS

    @pytest.mark.parametrize("block", [SILENT, b"\x7f" * 160, QUIET])
    def test_line_noise_is_not_speech(self, block: bytes) -> None:
        """Neither kind of zero is, nor a hum at -55 dBFS."""
        ear = Ear()
        hear(ear, block, 10)

        assert not ear.agent_speaks

    def test_the_level_is_that_of_the_last_block(self) -> None:
        """A tone at -20 dBFS reads so."""
        ear = Ear()
        hear(ear, LOUD)
        assert ear.level_dbfs == pytest.approx(-20, abs=0.5)

        hear(ear, SILENT)
        assert ear.level_dbfs == -100

    def test_the_threshold_can_be_moved(self) -> None:
        """A sensitive ear hears the hum."""
        ear = Ear(threshold_dbfs=-60)
        hear(ear, QUIET)

        assert ear.agent_speaks


class TestBlocks:
    """The same judgement over a whole recording."""

    def test_each_block_is_judged_by_itself(self) -> None:
        """A part of a block at the end is left out."""
        line = ulaw.decode(SILENT + LOUD + QUIET + LOUD + LOUD[:80])

        assert loud_blocks(line).tolist() == [False, True, False, True]

    def test_an_empty_line_has_no_blocks(self) -> None:
        """Nothing is measured, nothing fails."""
        assert loud_blocks(ulaw.decode(b"")).tolist() == []

    def test_the_microphones_silence_is_silent(self) -> None:
        """Mixed zeros are far under the threshold."""
        assert not loud_blocks(ulaw.decode(SILENT * len(SILENCE))).any()
        assert cut(SILENT)

    def test_blocks_are_joined_into_talk_spurts(self) -> None:
        """Pauses under 300 ms stay inside."""
        loud = np.array([0, 1, 1] + [0] * 14 + [1] + [0] * 15 + [1, 0], dtype=bool)

        assert talks(loud) == (Talk(20, 360), Talk(660, 680))

    def test_silence_has_no_talk(self) -> None:
        """There is nothing to join."""
        assert talks(np.zeros(10, dtype=bool)) == ()
