"""Real speech for callers."""

import base64

import numpy as np

from gateway.audio import ulaw
from gateway.simulator.caller import sine
from gateway.simulator.ear import loud_blocks
from gateway.simulator.speech import say, trim


class TestSay:
    """espeak, through the telephone."""

    def test_a_sentence_is_audible_from_its_first_frame(self) -> None:
        """So that the moment it begins is the moment it is heard."""
        frames = say("A table for two, please.")
        loud = loud_blocks(ulaw.decode(b"".join(map(base64.b64decode, frames))))

        assert 40 < len(frames) < 150
        assert loud[:3].any()
        assert loud.mean() > 0.5


class TestTrim:
    """Silence at both ends."""

    def test_silence_is_cut_off_both_ends(self) -> None:
        """And nothing in between."""
        silence = np.zeros(500, dtype=np.int16)
        tone = sine(440, 800, -10)

        trimmed = trim(np.concatenate([silence, tone, silence, tone, silence]))

        assert 2_090 < len(trimmed) <= 2_100

    def test_nothing_but_silence_becomes_nothing(self) -> None:
        """Empty, and no failure."""
        assert len(trim(np.zeros(500, dtype=np.int16))) == 0
        assert len(trim(np.zeros(0, dtype=np.int16))) == 0
