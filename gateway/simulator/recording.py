"""The recordings of a call: what the caller heard, and both sides in stereo."""

from pathlib import Path
from typing import Final

import numpy as np

from gateway.audio import ulaw, wav
from gateway.audio.pcm import Pcm
from gateway.simulator.record import CallRecord, StreamRecord

RATE_HZ: Final = 8_000
HEARD: Final = "caller_heard.wav"
STEREO: Final = "call_stereo.wav"


def write(record: CallRecord, folder: Path) -> tuple[Path, Path]:
    """Write ``caller_heard.wav`` (mono) and ``call_stereo.wav`` (left: microphone, right: heard).

    Both PCM16 at 8 kHz; streams of one call follow each other.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spoken, heard = sides(record)
    wav.write(folder / HEARD, heard, RATE_HZ)
    wav.write_stereo(folder / STEREO, spoken, heard, RATE_HZ)
    return folder / HEARD, folder / STEREO


def sides(record: CallRecord) -> tuple[Pcm, Pcm]:
    """Return what the caller said and heard, on one clock: int16, the same shape (n,), 8 kHz."""
    spoken = [_spoken(stream) for stream in record.streams]
    heard = [ulaw.decode(stream.heard) for stream in record.streams]
    nothing = [np.empty(0, dtype=np.int16)]
    return np.concatenate(nothing + spoken), np.concatenate(nothing + heard)


def _spoken(stream: StreamRecord) -> Pcm:
    line = np.zeros(len(stream.heard), dtype=np.int16)
    said = ulaw.decode(stream.spoken)[: max(0, len(line) - stream.spoken_offset)]
    line[stream.spoken_offset : stream.spoken_offset + len(said)] = said
    return line
