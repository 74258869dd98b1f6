"""What a caller's ear makes of a recording: who was audible when, and where the agent paused. PURE.

A playout buffer can be deceived: marks after every piece, or underruns filled with silence, look like turns
that ended and speech that went on. The ear cannot.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.audio import ulaw
from gateway.simulator.ear import BLOCK_MS, BLOCK_SAMPLES, loud_blocks
from gateway.simulator.record import StreamRecord

PAUSE_MS: Final = 200  # shorter ones are the breath between words

Blocks = npt.NDArray[np.bool_]


def agent_blocks(record: StreamRecord) -> Blocks:
    """Judge each 20 ms of what was heard: shape (n,), True where the agent was audible."""
    return loud_blocks(ulaw.decode(record.heard))


def caller_blocks(record: StreamRecord) -> Blocks:
    """Judge each 20 ms of what the caller said, on the same clock and of the same shape."""
    line = np.zeros(len(record.heard) // BLOCK_SAMPLES, np.bool_)
    offset = round(record.spoken_offset / BLOCK_SAMPLES)
    spoken = loud_blocks(ulaw.decode(record.spoken))[: max(0, len(line) - offset)]
    line[offset : offset + len(spoken)] = spoken
    return line


def pauses_ms(agent: Blocks, caller: Blocks) -> tuple[int, ...]:
    """List the agent's silences of more than 200 ms in which the caller said nothing either.

    Silence before its first and after its last sound is none.
    """
    audible = np.flatnonzero(agent)
    silent = np.diff(audible) - 1
    found = []
    for before, blocks in zip(audible.tolist(), silent.tolist(), strict=False):
        if blocks * BLOCK_MS > PAUSE_MS and not caller[before + 1 : before + 1 + blocks].any():
            found.append(blocks * BLOCK_MS)
    return tuple(found)
