"""Recordings from the first sample to the finished WAV, through crashes and full disks."""

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import time
import wave
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.audio import ulaw
from gateway.audio.pcm import to_bytes
from gateway.errors import RecordingError
from gateway.recording.encryption import KeyRing
from gateway.recording.finalise import Finished
from gateway.recording.recordings import Recordings
from gateway.recording.store import LocalStore
from gateway.recording.tape import Recorder

MS = 8
FRAME = 160
ID = "3f0c2b1a-0000-4000-8000-00000000abcd"
OTHER = "ab0c2b1a-0000-4000-8000-00000000abcd"
KEYS = KeyRing("k", {"k": b"k" * 32})
ROOT = Path(__file__).parents[2]


class Phone:
    """A call on a clock turned by hand. Lives as long as a test."""

    def __init__(self, folder: Path, keys: KeyRing | None = None) -> None:
        self.now_s = 50.0
        self.folder = folder
        self.recordings = Recordings(folder, LocalStore(folder / "kept"), keys=keys, now=lambda: self.now_s)

    async def talk(self, recorder: Recorder, ms: int, *, heard: bytes = b"", said: bytes = b"\x11") -> None:
        """Let time pass frame by frame; the caller says one code, the agent is heard to say another."""
        for _ in range(ms // 20):
            if heard:
                recorder.agent(heard * FRAME, self.now_s)
            recorder.caller(said * FRAME, round((self.now_s - recorder.start_s) * 1000), self.now_s)
            self.now_s += 0.02
        await self.recordings._writer.carry_all()

    def wav(self, finished: Finished | None) -> tuple[bytes, bytes]:
        """Return left and right of a finished recording, as PCM16."""
        assert finished is not None
        with wave.open(str(self.folder / "kept" / finished.name)) as reader:
            assert (reader.getnchannels(), reader.getframerate()) == (2, 8_000)
            frames = memoryview(reader.readframes(reader.getnframes())).cast("h")
        return frames[::2].tobytes(), frames[1::2].tobytes()


def files(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def pcm(codes: bytes) -> bytes:
    """Return the PCM16 of µ-law by the other codec of this project."""
    return to_bytes(ulaw.decode(codes))


async def test_call_becomes_a_stereo_wav(tmp_path: Path) -> None:
    """Left is what the caller said, right what was heard of the agent, an interruption taken out."""
    phone = Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.talk(recorder, 400, heard=b"\x22")
    recorder.agent(b"\x33" * 800, phone.now_s)
    recorder.cleared(phone.now_s + 0.04)
    await phone.talk(recorder, 400)
    assert phone.recordings.live == 1

    await phone.recordings.end(recorder, phone.now_s)
    finished = await phone.recordings.finish(ID)

    left, right = phone.wav(finished)
    assert left == pcm(b"\x11" * 800 * MS)
    assert right == pcm(b"\x22" * 400 * MS + b"\x33" * 40 * MS + b"\xff" * 360 * MS)
    assert finished == Finished(ID, f"3f/{ID}.wav", 44 + 4 * 800 * MS, 800)
    assert phone.recordings.live == 0
    assert list((tmp_path / "live").iterdir()) == []


async def test_end_and_finish_twice_change_nothing(tmp_path: Path) -> None:
    """Whoever ends a stream or a call again gets what there is."""
    phone = Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.talk(recorder, 400)
    await phone.recordings.end(recorder, phone.now_s)
    await phone.recordings.end(recorder, phone.now_s)

    first = await phone.recordings.finish(ID)

    assert await phone.recordings.finish(ID) == first
    assert await phone.recordings.finish(OTHER) is None


async def test_second_stream_continues_the_recording(tmp_path: Path) -> None:
    """A stream that broke and the one that followed make one WAV, with silence for the time between."""
    phone = Phone(tmp_path)
    first = phone.recordings.begin(ID, 10_000)
    await phone.talk(first, 1_000)
    await phone.recordings.end(first, phone.now_s)
    phone.now_s += 0.5
    second = phone.recordings.begin(ID, 11_500)
    await phone.talk(second, 1_000, said=b"\x22")
    await phone.recordings.end(second, phone.now_s)

    left, _ = phone.wav(await phone.recordings.finish(ID))

    assert left == pcm(b"\x11" * 1_000 * MS + b"\xff" * 500 * MS + b"\x22" * 1_000 * MS)


async def test_sealed_from_the_first_sample_to_the_last_file(tmp_path: Path) -> None:
    """With keys no file ever holds the audio in the clear, and readers get the WAV."""
    phone = Phone(tmp_path, KEYS)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.talk(recorder, 1_000)
    [segment] = (tmp_path / "live" / ID).iterdir()
    assert b"\x11\xff" * 8 not in segment.read_bytes()
    await phone.recordings.end(recorder, phone.now_s)

    finished = await phone.recordings.finish(ID)

    assert finished is not None
    assert finished.key_id == "k"
    assert b"RIFF" not in (tmp_path / "kept" / finished.name).read_bytes()
    recording = await phone.recordings.archive.open(finished.name)
    assert b"".join([block async for block in recording.read()])[44:48] == pcm(b"\x11\xff")
    found = await phone.recordings.archive.find(ID)
    assert found == finished


async def test_call_without_audio_has_no_recording(tmp_path: Path) -> None:
    """A call that ends before a sample leaves nothing on disk."""
    phone = Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.recordings.end(recorder, phone.now_s)

    assert await phone.recordings.finish(ID) is None
    assert files(tmp_path) == []


async def test_ten_minutes_stay_aligned(tmp_path: Path) -> None:
    """Over ten minutes with jitter and clocks 100 ppm apart both sides stay within 20 ms to the end."""
    chance = random.Random(7)
    phone = Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    start_s = phone.now_s
    for number in range(30_000):
        due_s = start_s + number * 0.02 * (1 + 100e-6)
        beat = number % 50 == 49  # once a second both sides click at the same instant
        phone.now_s = due_s + chance.random() * 0.03
        recorder.caller((b"\x01" if beat else b"\xff") * FRAME, 20 * number, phone.now_s)
        if beat:
            recorder.agent(b"\x01" * FRAME, due_s)
        if number % 12 == 0:
            await phone.recordings._writer.carry_all()
    await phone.recordings.end(recorder, phone.now_s)

    left, right = (clicks(side) for side in phone.wav(await phone.recordings.finish(ID)))

    assert len(left) == len(right) == 600
    assert all(after - before == 8_000 for before, after in pairwise(left))
    assert max(abs(here - there) for here, there in zip(left, right, strict=True)) <= 20 * MS


def clicks(side: bytes) -> list[int]:
    """Return the sample at which each click begins."""
    loud = [at for at, sample in enumerate(memoryview(side).cast("h")) if sample]
    return [at for before, at in pairwise([-2, *loud]) if at != before + 1]


async def test_crash_leaves_a_recording_that_is_finished_later(tmp_path: Path) -> None:
    """What a process that died had written is found, finished, and told to be recovered; once."""
    phone = Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.talk(recorder, 2_000)
    crashed = tmp_path / "live" / ID
    copy = tmp_path / "copy"
    shutil.copytree(crashed, copy)  # as another process finds it

    again = Phone(tmp_path / "again")
    (tmp_path / "again" / "live").mkdir(parents=True)
    shutil.copytree(copy, tmp_path / "again" / "live" / ID)
    [found] = await again.recordings.recover()

    assert found.recovered
    left, _ = again.wav(found)
    assert left == pcm(b"\x11" * 1_700 * MS)
    assert await again.recordings.recover() == []


async def test_live_calls_are_not_recovered(tmp_path: Path) -> None:
    """Neither our own live call nor one that another process holds is touched; strangers are passed over."""
    phone, neighbour = Phone(tmp_path), Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.talk(recorder, 1_000)
    (tmp_path / "live" / "lost+found").mkdir()
    (tmp_path / "live" / OTHER).mkdir()  # somebody has just begun
    (tmp_path / "live" / f"{OTHER}.spent").mkdir()

    assert await neighbour.recordings.recover() == []
    assert await phone.recordings.recover() == []
    with pytest.raises(RecordingError) as caught:
        await neighbour.recordings.finish(ID)

    assert caught.value.reason == "busy"
    assert sorted(path.name for path in (tmp_path / "live").iterdir()) == [ID, OTHER, "lost+found"]
    os.utime(tmp_path / "live" / OTHER, (0, 0))
    assert await phone.recordings.recover() == []
    assert not (tmp_path / "live" / OTHER).exists()
    await phone.recordings.end(recorder, phone.now_s)
    assert await phone.recordings.finish(ID) is not None


async def test_recovery_before_any_recording_finds_nothing(tmp_path: Path) -> None:
    """A folder that is not there yet is no fault."""
    assert await Phone(tmp_path / "nowhere").recordings.recover() == []


@pytest.mark.parametrize("again", ["finish", "recover"])
async def test_disk_that_fails_while_finishing_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    """A WAV that cannot be written now is made when it is asked for again, or by a later recovery."""
    phone = Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.talk(recorder, 1_000)
    recorder.dropped_bytes = 200 * MS
    await phone.recordings.end(recorder, phone.now_s)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(RecordingError) as caught:
            await phone.recordings.finish(ID)
        assert await phone.recordings.recover() == []

    assert caught.value.reason == "unfinished"
    if again == "finish":
        found = await phone.recordings.finish(ID)
    else:
        [found] = await phone.recordings.recover()
    assert len(phone.wav(found)[0]) == 2 * 1_000 * MS
    assert found is not None
    assert found.dropped_ms == 200


async def test_truncated_recording_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason and the audio lost on a slow disk stand on the finished recording."""
    phone = Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.talk(recorder, 1_000)
    recorder.dropped_bytes = 200 * MS
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data: full_disk())
        await phone.talk(recorder, 1_000)
    await phone.talk(recorder, 1_000)
    await phone.recordings.end(recorder, phone.now_s)

    finished = await phone.recordings.finish(ID)

    assert finished is not None
    assert (finished.truncated, finished.dropped_ms, finished.duration_ms) == ("disk_full", 200, 700)


def full_disk() -> int:
    """Fail as a full disk does."""
    raise OSError(28, "No space left on device")


async def test_erasure_waits_for_the_end_and_leaves_nothing(tmp_path: Path) -> None:
    """A live recording is refused; one that is over is removed wherever it lies."""
    phone = Phone(tmp_path)
    recorder = phone.recordings.begin(ID, 1_000)
    await phone.talk(recorder, 1_000)
    with pytest.raises(RecordingError) as caught:
        await phone.recordings.erase(ID)
    assert caught.value.reason == "live"
    await phone.recordings.end(recorder, phone.now_s)
    await phone.recordings.finish(ID)
    shutil.copytree(tmp_path / "kept", tmp_path / "live" / ID)

    await phone.recordings.erase(ID)
    await phone.recordings.erase(ID)

    assert files(tmp_path) == []


@pytest.mark.parametrize("recording_id", ["../x", "", "call-1"])
async def test_only_uuids_are_recorded(tmp_path: Path, recording_id: str) -> None:
    """No other id reaches the disk, by whichever method."""
    recordings = Phone(tmp_path).recordings

    with pytest.raises(RecordingError):
        recordings.begin(recording_id, 0)
    for attempt in (recordings.finish(recording_id), recordings.erase(recording_id)):
        with pytest.raises(RecordingError):
            await attempt


async def test_running_it_writes_and_sends(tmp_path: Path) -> None:
    """On its own clock, the process-long task carries a call to the disk and ends when it is cancelled."""
    loop = asyncio.get_running_loop()
    recordings = Recordings(tmp_path, LocalStore(tmp_path / "kept"), now=loop.time)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(recordings.run())
        recorder = recordings.begin(ID, 1_000)
        recorder.start_s -= 1.0
        for at_ms in range(0, 1_000, 20):
            recorder.caller(b"\x11" * FRAME, at_ms, loop.time())
        async with asyncio.timeout(2):
            while not list((tmp_path / "live").glob("*/*.ulaw")):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await recordings.end(recorder, loop.time())
        assert await recordings.finish(ID) is not None
        running.cancel()


KILLED = """
import asyncio, json, sys, time
from pathlib import Path
from gateway.recording.recordings import Recordings
from gateway.recording.store import LocalStore

async def main():
    folder = Path(sys.argv[1])
    recordings = Recordings(folder, LocalStore(folder / "kept"), now=time.monotonic)
    running = asyncio.get_running_loop().create_task(recordings.run())
    recorder = recordings.begin(sys.argv[2], 1_000)
    started = time.monotonic()
    number = 0
    while True:
        await asyncio.sleep(max(0, started + (number + 1) * 0.02 - time.monotonic()))
        recorder.agent(bytes([0x22]) * 160, started + number * 0.02)
        recorder.caller(bytes([0x11]) * 160, 20 * number, time.monotonic())
        number += 1
        print(json.dumps(20 * number), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(3))
def test_killed_process_loses_less_than_a_second(tmp_path: Path, seed: int) -> None:
    """kill -9 in the middle of a call: all but the last second is in the WAV, both sides."""
    alive_s = 1.2 + random.Random(seed).random()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), ID], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(alive_s)
    process.kill()
    heard_ms = json.loads(process.stdout.read().splitlines()[-1])
    process.wait()
    process.stdout.close()

    phone = Phone(tmp_path)
    [found] = asyncio.run(phone.recordings.recover())

    assert heard_ms - 1_000 <= found.duration_ms <= heard_ms + 100
    left, right = phone.wav(found)
    assert left.count(pcm(b"\x11")) > found.duration_ms * MS * 0.9
    assert right.count(pcm(b"\x22")) > found.duration_ms * MS * 0.9


FULL = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from gateway.errors import RecordingError
from tests.recording.test_recordings import ID, Phone

async def main():
    phone = Phone(Path(sys.argv[1]))
    recorder = phone.recordings.begin(ID, 1_000)
    for _ in range(40):
        await phone.talk(recorder, 1_000)
    await phone.recordings.end(recorder, phone.now_s)
    try:
        await phone.recordings.finish(ID)
    except RecordingError as fault:
        refused = fault.reason
    size = sum(path.stat().st_size for path in Path(sys.argv[1]).rglob("*.ulaw"))
    print(recorder.truncated, refused, size)

asyncio.run(main())
"""


def test_full_file_system_keeps_what_was_written(tmp_path: Path) -> None:
    """On a real disk of 300 kB the recording ends when it is full, holding all that fitted."""
    mounted = 'mount -t tmpfs -o size=300k none "$0" && exec "$1" -c "$2" "$0" "$3"'
    command = ["unshare", "-m", "sh", "-c", mounted]
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root and unshare")
    run = subprocess.run(
        [*command, str(tmp_path), sys.executable, FULL, str(ROOT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    if "unshare" in run.stderr or "mount" in run.stderr:
        pytest.skip("this system does not let us mount")

    reason, refused, size = run.stdout.splitlines()[-1].split()
    assert (reason, refused) == ("disk_full", "unfinished")
    assert int(size) > 280_000


def test_hot_path_costs_next_to_nothing(tmp_path: Path) -> None:
    """A second of a call, 50 frames and 10 pieces, costs the call microseconds: nothing is done but noted."""
    recorder = Recorder(ID, 0.0, limit_ms=10**9)
    frame, piece = b"\x11" * 160, b"\x22" * 800

    def seconds(count: int) -> float:
        began = time.thread_time()
        for second in range(count):
            for number in range(50):
                recorder.caller(frame, second * 1_000 + 20 * number, second + number / 50)
            for number in range(10):
                recorder.agent(piece, second + number / 10)
        return (time.thread_time() - began) / count

    assert min(seconds(100) for _ in range(5)) < 500e-6  # 15 µs, were nobody else on this machine
