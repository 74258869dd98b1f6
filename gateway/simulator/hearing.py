"""What a caller's ear makes of a recording: who was audible when, pauses, barge-in. PURE.

A playout buffer can be deceived: marks after every piece, or underruns filled with silence, look like turns
that ended and speech that went on. The ear cannot.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.audio import ulaw
from gateway.simulator.ear import BLOCK_MS, BLOCK_SAMPLES, loud_blocks, talks
from gateway.simulator.playout import Spurt
from gateway.simulator.record import Cut, StreamRecord

_SAMPLES_PER_MS: Final = 8
PAUSE_MS: Final = 200  # shorter ones are the breath between words

Blocks = npt.NDArray[np.bool_]


def agent_blocks(record: StreamRecord) -> Blocks:
    """Judge each 20 ms of what was heard: shape (n,), True where the agent was audible.

    Where no audio was kept, all that left the playout buffer counts as audible.
    """
    if record.heard:
        return loud_blocks(ulaw.decode(record.heard))
    played = np.zeros(-(-record.samples // BLOCK_SAMPLES), np.bool_)
    for start, stop in _played(record):
        played[start // BLOCK_SAMPLES : -(-stop // BLOCK_SAMPLES)] = True
    return played


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


def barge_in_ms(record: StreamRecord) -> tuple[float | None, ...]:
    """Measure, for each time the caller cut in, how long the agent was still audible.

    From the caller's first sample to the agent's last in the stretch of speech under way, or to its last
    while the caller still speaks: old audio that comes back after a ``clear`` is a leak.

    Returns:
        Milliseconds; None where the agent was not speaking.
    """
    if not record.cuts:
        return ()
    audible = agent_blocks(record)
    return tuple(_silent_after(record, audible, cut) for cut in record.cuts)


def _silent_after(record: StreamRecord, audible: Blocks, cut: Cut) -> float | None:
    until = _under_way_until(record, audible, cut)
    if until is None:
        return None
    first = cut.start // BLOCK_SAMPLES
    during = np.flatnonzero(audible[first : -(-cut.stop // BLOCK_SAMPLES)])
    if len(during):
        until = max(until, min(cut.stop, _last_sample(record, first + int(during[-1]))))
    return (until - cut.start) / _SAMPLES_PER_MS


def _under_way_until(record: StreamRecord, audible: Blocks, cut: Cut) -> int | None:
    """Find the end of the speech that was interrupted; ``cut.start`` where it was the turn that paused."""
    for talk in talks(audible):
        stop = _last_sample(record, talk.stop_ms // BLOCK_MS - 1)
        if talk.start_ms * _SAMPLES_PER_MS <= cut.start < stop:
            return stop
    paused = any(_pauses_at(spurt, audible, cut.start) for spurt in record.spurts)
    return cut.start if paused else None


def _pauses_at(spurt: Spurt, audible: Blocks, sample: int) -> bool:
    """Tell whether a turn was silent at a sample with more to come, or with more that was cleared."""
    if not spurt.start <= sample < spurt.stop:
        return False
    begin, at, end = (position // BLOCK_SAMPLES for position in (spurt.start, sample, spurt.stop))
    return bool(audible[begin:at].any() and (spurt.end == "clear" or audible[at:end].any()))


def _last_sample(record: StreamRecord, block: int) -> int:
    """Return one past the last sample that was played of a block: a ``clear`` stops inside one."""
    start, stop = block * BLOCK_SAMPLES, (block + 1) * BLOCK_SAMPLES
    ends = [min(stop, end) for begin, end in _played(record) if begin < stop and end > start]
    return max(ends, default=stop)


def _played(record: StreamRecord) -> list[tuple[int, int]]:
    """List what left the playout buffer, its gaps left out."""
    stretches = []
    for spurt in record.spurts:
        start = spurt.start
        for gap in spurt.gaps:
            stretches.append((start, gap.start))
            start = gap.stop
        stretches.append((start, spurt.stop))
    return stretches
