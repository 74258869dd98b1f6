"""The local store, with all that may lie in a folder."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from gateway.errors import RecordingError
from gateway.recording.store import LocalStore, Stored

ID = "3f0c2b1a-0000-4000-8000-00000000abcd"
NAME = f"3f/{ID}.wav"
OTHER = "ab000000-0000-4000-8000-00000000abcd"


async def stored(folder: Path, content: bytes = b"RIFF audio") -> LocalStore:
    """Return a store with one recording in it."""
    source = folder / "source"
    source.write_bytes(content)
    store = LocalStore(folder / "kept")
    await store.put(NAME, source)
    return store


async def test_recording_is_kept_read_and_removed(tmp_path: Path) -> None:
    """What is put can be read by ranges, is listed, and is gone when it was deleted."""
    store = await stored(tmp_path)

    found = await store.stat(NAME)
    assert (found.name, found.size_bytes) == (NAME, 10)
    assert await store.read(NAME, 5, 100) == b"audio"
    assert [one async for one in store.list()] == [found]
    assert not (tmp_path / "source").exists()

    await store.delete(NAME)
    await store.delete(NAME)
    assert [one async for one in store.list()] == []
    with pytest.raises(RecordingError) as caught:
        await store.read(NAME, 0, 1)
    assert caught.value.reason == "not_found"


async def test_put_where_it_lies_already_changes_nothing(tmp_path: Path) -> None:
    """A file that is at its name is kept by itself."""
    store = await stored(tmp_path)

    await store.put(NAME, tmp_path / "kept" / NAME)

    assert await store.read(NAME, 0, 4) == b"RIFF"


@pytest.mark.parametrize("name", ["../source", f"3f/../{NAME}", f"/etc/{ID}.wav", "3f", f"{NAME}\0"])
async def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Every method refuses what is not a name of ours before the disk is asked."""
    store = await stored(tmp_path)
    (tmp_path / "source").write_bytes(b"secret")

    for attempt in (store.stat(name), store.read(name, 0, 1), store.delete(name), store.put(name, tmp_path)):
        with pytest.raises(RecordingError) as caught:
            await attempt
        assert caught.value.reason == "not_found"


async def test_link_is_not_followed(tmp_path: Path) -> None:
    """A link in the recording's place, or in its folder's, is no recording, wherever it leads."""
    store = await stored(tmp_path)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / f"{OTHER}.wav").write_bytes(b"secret")
    (tmp_path / "kept" / "ab").symlink_to(secret)
    (tmp_path / "kept" / "3f" / f"{ID}.wav.sealed").symlink_to(secret / f"{OTHER}.wav")

    for name in (f"ab/{OTHER}.wav", f"{NAME}.sealed"):
        with pytest.raises(RecordingError) as caught:
            await store.stat(name)
        assert caught.value.reason == "not_found"
    assert [one.name async for one in store.list()] == [NAME]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
async def test_what_is_no_file_is_no_recording(tmp_path: Path) -> None:
    """A folder or a named pipe in the recording's place is not read, and holds nobody up."""
    store = LocalStore(tmp_path)
    (tmp_path / NAME).mkdir(parents=True)
    os.mkfifo(tmp_path / f"{NAME}.sealed")

    for name in (NAME, f"{NAME}.sealed"):
        with pytest.raises(RecordingError) as caught:
            await store.read(name, 0, 1)
        assert caught.value.reason == "not_found"


async def test_other_things_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    """Half-written files, strangers, and a folder that is not there are no recordings."""
    store = await stored(tmp_path)
    (tmp_path / "kept" / "3f" / f".{ID}.wav.part").touch()
    (tmp_path / "kept" / "notes.txt").touch()

    assert [one.name async for one in store.list()] == [NAME]
    assert [one async for one in LocalStore(tmp_path / "nowhere").list()] == []


async def test_cancelling_a_disk_call_is_never_lost(tmp_path: Path) -> None:
    """Not even in the turn of the loop in which the disk has answered: the archive would go on for ever."""
    store = await stored(tmp_path)
    async with asyncio.TaskGroup() as group:
        for turns in range(8):
            reading = group.create_task(store.read(NAME, 0, 1))
            await _turn(3)
            threading.Event().wait(0.01)  # the disk answers, and the loop has not looked yet
            await _turn(turns)
            if reading.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await reading


async def _turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_disk_that_fails_or_hangs_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk, and no answer in time, are the store's fault, not the recording's absence."""
    store = await stored(tmp_path)
    released = threading.Event()

    def hang(store: LocalStore, name: str) -> Stored:
        released.wait(10)
        raise AssertionError

    def fail(store: LocalStore, name: str) -> Stored:
        raise OSError(5, "injected")

    monkeypatch.setattr("gateway.recording.store._DISK_WITHIN_S", 0.05)
    for fault in (hang, fail):
        monkeypatch.setattr(LocalStore, "_stat", fault)
        with pytest.raises(RecordingError) as caught:
            await store.stat(NAME)
        assert caught.value.reason == "unavailable"
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: fail(store, ""))
    with pytest.raises(RecordingError) as caught:
        await store.delete(NAME)
    assert caught.value.reason == "unavailable"
    released.set()
    await asyncio.sleep(0)
