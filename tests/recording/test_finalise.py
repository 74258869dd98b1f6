"""From segments to the WAV: joined, sealed, and the same however often it is interrupted."""

import os
import shutil
import wave
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.errors import RecordingError
from gateway.recording import encryption, wav
from gateway.recording.encryption import KeyRing
from gateway.recording.finalise import Finished, finalise, remove_spent
from gateway.recording.segments import Segment
from gateway.recording.timeline import SILENCE

MS = 8
ID = "3f0c2b1a-0000-4000-8000-00000000abcd"
NAME = f"3f/{ID}.wav"
KEYS = KeyRing("k", {"k": b"k" * 32})


def pairs(ms: int, value: int) -> bytes:
    """Return so much of both sides."""
    return bytes([value, 0xFF]) * (ms * MS)


def leave(live: Path, start_ms: int, audio: bytes, keys: KeyRing | None = None) -> None:
    """Leave a segment of a stream."""
    live.mkdir(exist_ok=True)
    segment = Segment(live, start_ms, keys)
    segment.append(audio)
    segment.close()


def opened(path: Path) -> bytes:
    """Return the content of a sealed file."""
    content = path.read_bytes()
    seal, body = KEYS.of_file(content), content[encryption.HEADER_BYTES :]
    step = encryption.PIECE_BYTES + encryption.TAG_BYTES
    starts = range(0, len(body), step)
    return b"".join(
        seal.open(number, body[at : at + step], last=number == len(starts) - 1)
        for number, at in enumerate(starts)
    )


def test_segment_becomes_a_wav_that_others_read(tmp_path: Path) -> None:
    """The WAV has each sample of both sides, its size is told, the segments are gone."""
    audio = bytes(range(256)) * 2_000
    leave(tmp_path / "live", 0, audio)

    finished = finalise(tmp_path / "live", tmp_path, ID, None)

    path = tmp_path / NAME
    assert finished == Finished(ID, NAME, path.stat().st_size, len(audio) // 2 // MS)
    with wave.open(str(path)) as reader:
        assert reader.readframes(1_000_000) == wav.frames(audio)
    assert not (tmp_path / "live").exists()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [left.name for left in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("second_ms", "gap_ms"),
    [(1_500, 500), (1_000, 0), (700, 0), (1_000 + 3_600_000, 60_000)],
    ids=["gap", "seamless", "clock-set-back", "clock-set-forward"],
)
def test_streams_of_a_call_are_joined_with_the_time_between(
    tmp_path: Path, second_ms: int, gap_ms: int
) -> None:
    """Between two streams stands silence of the time that passed, within reason."""
    leave(tmp_path / "live", 10_000, pairs(1_000, 1))
    leave(tmp_path / "live", 10_000 + second_ms, pairs(200, 2))

    finished = finalise(tmp_path / "live", tmp_path, ID, None)

    parts = [pairs(1_000, 1), SILENCE * 2 * gap_ms * MS, pairs(200, 2)]
    if second_ms == 700:  # the segments' order is all that a clock set back leaves of the truth
        assert finished is not None
        assert finished.duration_ms == 1_200
        return
    expected = wav.frames(b"".join(parts))
    assert (tmp_path / NAME).read_bytes() == wav.header(len(expected) // 4) + expected


@pytest.mark.parametrize("ms", [1, 8_190, 8_192, 20_000])
def test_sealed_wav_opens_to_the_plain_one(tmp_path: Path, ms: int) -> None:
    """Sealed, the file holds the same WAV in pieces, whatever its length; nothing of it can be seen."""
    leave(tmp_path / "live", 0, pairs(ms, 1), KEYS)

    finished = finalise(tmp_path / "live", tmp_path, ID, KEYS)

    path = tmp_path / f"{NAME}.sealed"
    assert finished == Finished(ID, f"{NAME}.sealed", wav.size(ms * MS), ms, "k")
    assert opened(path) == wav.header(ms * MS) + wav.frames(pairs(ms, 1))
    assert path.stat().st_size == encryption.sealed_size(wav.size(ms * MS))
    assert b"RIFF" not in path.read_bytes()


def test_keys_given_later_seal_what_was_left_in_the_clear(tmp_path: Path) -> None:
    """A plain segment is sealed when it is finished under keys."""
    leave(tmp_path / "live", 0, pairs(20, 1))

    finalise(tmp_path / "live", tmp_path, ID, KEYS)

    assert opened(tmp_path / f"{NAME}.sealed").endswith(wav.frames(pairs(20, 1)))


def test_segment_whose_key_is_gone_stands(tmp_path: Path) -> None:
    """What cannot be opened is neither finished nor lost."""
    leave(tmp_path / "live", 0, pairs(20, 1), KEYS)

    with pytest.raises(RecordingError, match="not among the keys"):
        finalise(tmp_path / "live", tmp_path, ID, KeyRing("j", {"j": b"j" * 32}))

    assert len(list((tmp_path / "live").iterdir())) == 1
    assert list((tmp_path / "3f").iterdir()) == []


@pytest.mark.parametrize(("free", "made"), [(wav.size(20 * MS), True), (wav.size(20 * MS) - 1, False)])
def test_wav_without_room_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, made: bool
) -> None:
    """Where it does not fit, the last of the disk is left to the calls that live, and the segments stand."""
    leave(tmp_path / "live", 0, pairs(20, 1))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    with nullcontext() if made else pytest.raises(OSError, match="No space left"):
        finalise(tmp_path / "live", tmp_path, ID, None)

    assert (tmp_path / NAME).exists() == made
    assert (tmp_path / "live").exists() != made


@pytest.mark.parametrize("audio", [None, b"", b"\x01"], ids=["no-segment", "empty", "half-a-pair"])
def test_nothing_heard_makes_no_recording(tmp_path: Path, audio: bytes | None) -> None:
    """A call without a sample leaves neither a WAV nor its folder."""
    (tmp_path / "live").mkdir()
    if audio is not None:
        leave(tmp_path / "live", 0, audio)

    assert finalise(tmp_path / "live", tmp_path, ID, None) is None
    assert list(tmp_path.iterdir()) == []
    assert finalise(tmp_path / "live", tmp_path, ID, None) is None


class Killed(BaseException):
    """The process ends here."""


def dying(at: int) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Return a wrapper for disk calls; the call of that number, of all that are wrapped, never happens."""
    calls = 0

    def wrap(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == at:
                raise Killed
            return real(*args, **options)

        return call

    return wrap


@pytest.mark.parametrize("keys", [None, KEYS], ids=["plain", "sealed"])
def test_killed_at_any_step_the_next_run_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: KeyRing | None
) -> None:
    """Wherever it dies among its disk calls, running it again leaves the whole WAV and nothing else."""
    expected = wav.header(1_500 * MS) + wav.frames(pairs(1_000, 1) + pairs(500, 2))
    died = True
    for step in range(1, 100):
        folder = tmp_path / str(step)
        folder.mkdir()
        leave(folder / "live", 0, pairs(1_000, 1), keys)
        leave(folder / "live", 1_000, pairs(500, 2), keys)
        with monkeypatch.context() as patched:
            wrap = dying(step)
            for name in ("open", "fsync", "replace", "unlink", "rmdir"):
                patched.setattr(os, name, wrap(getattr(os, name)))
            try:
                finalise(folder / "live", folder, ID, keys)
                died = False
            except Killed:
                pass
        finalise(folder / "live", folder, ID, keys)
        remove_spent(folder)

        [path] = (folder / "3f").iterdir()
        assert (path.read_bytes() if keys is None else opened(path)) == expected
        assert [left.name for left in folder.iterdir()] == ["3f"]
        if not died:
            break
    assert step > 5
    assert not died
