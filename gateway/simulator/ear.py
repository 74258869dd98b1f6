"""Tell speech from silence by its energy, as the caller does. PURE.

One threshold on blocks of 20 ms: telephone speech sits at -30 to -15 dBFS, µ-law silence and comfort noise
far under -50 dBFS.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.audio import ulaw
from gateway.audio.level import FLOOR_DBFS, LevelMeter
from gateway.audio.pcm import Pcm

BLOCK_MS: Final = 20
BLOCK_SAMPLES: Final = 160
THRESHOLD_DBFS: Final = -45.0
JOIN_MS: Final = 300  # pauses between words shorter than this stay inside one talk spurt
_FULL_SCALE: Final = 32_768.0


@dataclass(frozen=True, slots=True)
class Talk:
    """One stretch of audible speech, in milliseconds from the stream's start."""

    start_ms: int
    stop_ms: int


def loud_blocks(pcm: Pcm, threshold_dbfs: float = THRESHOLD_DBFS) -> npt.NDArray[np.bool_]:
    """Judge each 20 ms block of an 8 kHz line: shape (n // 160,), True where it is audible."""
    blocks = pcm[: len(pcm) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    power = np.mean(np.square(blocks, dtype=np.float64), axis=1)
    loud: npt.NDArray[np.bool_] = power > (_FULL_SCALE * 10 ** (threshold_dbfs / 20)) ** 2
    return loud


def talks(loud: npt.NDArray[np.bool_], join_ms: int = JOIN_MS) -> tuple[Talk, ...]:
    """Join audible blocks into talk spurts."""
    found: list[Talk] = []
    for block in np.flatnonzero(loud).tolist():
        start = block * BLOCK_MS
        if found and start - found[-1].stop_ms < join_ms:
            found[-1] = Talk(found[-1].start_ms, start + BLOCK_MS)
        else:
            found.append(Talk(start, start + BLOCK_MS))
    return tuple(found)


class Ear:
    """Follows what the caller hears while it happens. Lives as long as its stream.

    Times are milliseconds of line pushed so far.
    """

    def __init__(self, threshold_dbfs: float = THRESHOLD_DBFS, join_ms: int = JOIN_MS) -> None:
        self.now_ms = 0
        self.level_dbfs = FLOOR_DBFS
        self.last_loud_ms: int | None = None
        self._since_ms = 0
        self._threshold_dbfs = threshold_dbfs
        self._join_ms = join_ms
        self._meter = LevelMeter()

    def push(self, block: bytes) -> None:
        """Hear the next 20 ms: µ-law, 160 bytes."""
        self.level_dbfs = self._measure(block) if block.strip(b"\xff\x7f") else FLOOR_DBFS
        if self.level_dbfs > self._threshold_dbfs:
            if not self.agent_speaks:
                self._since_ms = self.now_ms
            self.last_loud_ms = self.now_ms + BLOCK_MS
        self.now_ms += BLOCK_MS

    @property
    def agent_speaks(self) -> bool:
        """Whether speech is under way: pauses between words count as speech."""
        return self.last_loud_ms is not None and self.now_ms - self.last_loud_ms < self._join_ms

    @property
    def speech_ms(self) -> int:
        """How long the speech under way has lasted; 0 in silence."""
        return self.now_ms - self._since_ms if self.agent_speaks else 0

    @property
    def quiet_ms(self) -> int:
        """How long the line has been quiet; 0 while the agent speaks aloud."""
        return self.now_ms - (self.last_loud_ms or 0)

    def _measure(self, block: bytes) -> float:
        self._meter.reset()
        self._meter.push(ulaw.decode(block))
        return self._meter.rms_dbfs
