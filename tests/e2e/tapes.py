"""A recording beside what the simulator sent and heard: the same, on the same clock, to the end.

    python -m tests.e2e.tapes --seconds 600

The caller sends a tone; the agent says a tone every two seconds, each longer than the one before it was, and
is now and then cut in the middle. The recording's left is compared with what the caller's microphone sent,
sample by sample; on the right, where each of the agent's tones begins and ends with what the caller heard.
"""

import argparse
import asyncio
import io
import sys
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import sqlalchemy as sa

from gateway.audio import ulaw
from gateway.audio.pcm import Pcm
from gateway.simulator import recording
from gateway.simulator.caller import WavCaller, sine
from gateway.simulator.microphone import cut
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.storage import schema
from gateway.storage.database import Database
from gateway.vatel.messages import Interruption
from tests.e2e.acts import Act, Acts, send, speak, tone
from tests.e2e.kills import furnish
from tests.e2e.town import Plan, Town, town

RATE_HZ: Final = 8_000
ROUND_S: Final = 2.0
CALLER_HZ: Final = 1_004.0
AGENT_HZ: Final = 440.0
_QUIET: Final = 200
_PAUSE: Final = RATE_HZ // 10
_FINISHED_WITHIN_S: Final = 30.0


def rounds(seconds: float) -> Acts:
    """Return an agent that speaks in every round, and is cut in every third."""
    acts: list[tuple[float, Act]] = []
    for place in range(int(seconds // ROUND_S)):
        at_s = 0.5 + place * ROUND_S
        acts.append((at_s, speak(f"t{place}", tone(AGENT_HZ, 0.5 + place % 7 / 10))))
        if place % 3 == 2:
            acts.append((at_s + 0.35, send(Interruption())))
    return Acts(tuple(acts))


def voice(seconds: float) -> WavCaller:
    """Return a caller who sends a tone for so long, and hangs up a second later."""
    return WavCaller(cut(ulaw.encode(sine(CALLER_HZ, round(seconds * RATE_HZ), -10.0))), 1.0)


@dataclass(frozen=True)
class Comparison:
    """How a recording compares with what was said and heard.

    Attributes:
        seconds: of the recording.
        said_wrong_ms: how much of the left is not what the microphone sent, at its place.
        turns: how many the caller heard, and how many are recorded.
        first_off_ms: how far, against the left, the first of them begins from where it was heard; later is
            positive.
        last_off_ms: likewise, where the last one begins.
        worst_off_ms: the farthest, of all beginnings and ends.
        longest_wrong_ms: by how much a turn is longer or shorter than it was heard, at worst.
    """

    seconds: float
    said_wrong_ms: float
    turns: tuple[int, int]
    first_off_ms: float
    last_off_ms: float
    worst_off_ms: float
    longest_wrong_ms: float


async def compare(seconds: float) -> Comparison:
    """Make a call of so many seconds, recorded, and compare."""
    async with town(Plan(rounds(seconds - 2.0))) as place:
        database = Database.open(place.database_url)
        try:
            await furnish(database, place.sandbox)
            report = await place.call(voice(seconds - 1.0), CallOptions(max_seconds=seconds + 30.0))
            path = await _recorded(place, database)
        finally:
            await database.close()
        left, right = await asyncio.to_thread(_read, path)
    return compared(left, right, report)


async def _recorded(place: Town, database: Database) -> Path:
    """Wait for the recording; return where it is kept."""
    recordings = schema.recordings
    async with asyncio.timeout(_FINISHED_WITHIN_S):
        while True:
            async with database.reading() as connection:
                row = (await connection.execute(sa.select(recordings))).mappings().first()
            if row is not None and row["state"] == "ready":
                folder = Path(place.database_url.removeprefix("sqlite:///")).parent
                return folder / "recordings" / "kept" / str(row["location"])
            await asyncio.sleep(0.05)


def _read(path: Path) -> tuple[Pcm, Pcm]:
    return sides(path.read_bytes())


def sides(content: bytes) -> tuple[Pcm, Pcm]:
    """Return the left and the right of a recording."""
    with wave.open(io.BytesIO(content)) as reader:
        frames = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
    return frames[::2], frames[1::2]


def compared(left: Pcm, right: Pcm, report: CallReport) -> Comparison:
    """Compare the two sides of a recording with what a call's simulator sent and heard."""
    said, heard = recording.sides(report.record)
    moved = _moved(left, said)
    ours, theirs = _turns(right), _turns(heard)
    pairs = list(zip(ours, theirs, strict=False))
    offs = [
        (mine - real - moved) * 1_000 / RATE_HZ
        for turn, other in pairs
        for mine, real in zip(turn, other, strict=True)
    ]
    return Comparison(
        seconds=len(right) / RATE_HZ,
        said_wrong_ms=_wrong(left, said, moved) * 1_000 / RATE_HZ,
        turns=(len(theirs), len(ours)),
        first_off_ms=offs[0],
        last_off_ms=offs[-2],
        worst_off_ms=max(offs, key=abs),
        longest_wrong_ms=max(abs(_length(a) - _length(b)) * 1_000 / RATE_HZ for a, b in pairs),
    )


def _length(turn: tuple[int, int]) -> int:
    return turn[1] - turn[0]


def _moved(left: Pcm, said: Pcm) -> int:
    """Return by how many samples the left stands later than what the microphone sent."""
    near = _onset(left) - _onset(said)
    return min(range(near - 400, near + 401), key=lambda moved: _wrong(left, said, moved))


def _wrong(left: Pcm, said: Pcm, moved: int) -> int:
    """Count the samples that differ when the left is moved so far."""
    mine, real = left[max(0, moved) :], said[max(0, -moved) :]
    size = min(len(mine), len(real))
    return int(np.count_nonzero(mine[:size] != real[:size]))


def _onset(line: Pcm) -> int:
    return int(np.argmax(np.abs(line.astype(np.int32)) > _QUIET))


def _turns(line: Pcm) -> list[tuple[int, int]]:
    """Return where somebody speaks: spans that are at least a tenth of a second apart."""
    loud = np.flatnonzero(np.abs(line.astype(np.int32)) > _QUIET)
    if not loud.size:
        return []
    breaks = np.flatnonzero(np.diff(loud) > _PAUSE)
    starts = loud[np.concatenate(([0], breaks + 1))]
    stops = loud[np.concatenate((breaks, [loud.size - 1]))]
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def main() -> int:
    """Compare, and say how it came out."""
    parser = argparse.ArgumentParser(description="Compare a recording with what was said and heard.")
    parser.add_argument("--seconds", type=float, default=600.0)
    print(asyncio.run(compare(parser.parse_args().seconds)))  # noqa: T201 - a command's own voice
    return 0


if __name__ == "__main__":
    sys.exit(main())
